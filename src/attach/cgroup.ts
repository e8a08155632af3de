/** Programs on a cgroup (v2): a link (Linux 5.7), or BPF_PROG_ATTACH on older kernels. */
import { BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE } from "../abi/defines.ts";
import { bpf_attach_type } from "../abi/bpf.gen.ts";
import { E2BIG, EBADF, EINVAL } from "../abi/errno.gen.ts";
import { bpfTry, checkBpf } from "../syscall/bpf.ts";
import { dupFd, type Fd } from "../syscall/fd.ts";
import { openFile, tryReadText } from "../syscall/files.ts";
import { anchorFields, hasAnchor } from "./anchor.ts";
import { attachAction, linkError, missing, tryLink } from "./attempt.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, CgroupOptions } from "./types.ts";

const SHARE = { exclusive: 0, override: BPF_F_ALLOW_OVERRIDE, multi: BPF_F_ALLOW_MULTI } as const;

export const cgroup: Attacher<CgroupOptions> = {
  options: ["cgroup", "attachType", "mechanism", "share", "before", "after", "expectedRevision"],
  attach(prog, _target, options) {
    const { mechanism = "auto" } = options;
    const attachType = attachTypeOf(prog, options.attachType);
    const anchor = anchorFields(options);
    if (mechanism === "link" && options.share !== undefined) {
      throw new TypeError(
        `Cannot attach program "${prog.name}": a link always shares, "share" is for mechanism "attach"`,
      );
    }
    const where = options.cgroup ?? missing(prog, "cgroup", '"/sys/fs/cgroup"');
    const what = `cgroup ${typeof where === "string" ? `"${where}"` : where}`;
    using directory = typeof where === "string" ? openFile(where) : dupFd(where);
    if (mechanism === "attach" || options.share !== undefined) {
      return attachOld(prog, directory, attachType, what, options);
    }
    const link = tryLink({
      prog_fd: prog.fd,
      target_fd: directory.number,
      attach_type: attachType,
      flags: anchor.flags,
      "cgroup.relative_fd": anchor.relative_fd,
      "cgroup.relative_id": anchor.relative_id,
      "cgroup.expected_revision": anchor.expected_revision,
    });
    if (typeof link !== "number") return new Link({ what, links: [link] });
    const unknown = link === -EINVAL || link === -E2BIG;
    if (unknown && mechanism === "auto" && !hasAnchor(options)) {
      return attachOld(prog, directory, attachType, what, options);
    }
    const hint = unknown && hasAnchor(options)
      ? "an order among a cgroup's programs needs Linux 6.17"
      : link === -EBADF
      ? notCgroup2()
      : undefined;
    return linkError(prog, what, link, hint);
  },
};

/** Section `cgroup/skb` leaves the direction open; attach type 0 is a real one, BPF_CGROUP_INET_INGRESS. */
function attachTypeOf(prog: AttachableProgram, given: number | undefined): number {
  if (given !== undefined) {
    if (bpf_attach_type[given] === undefined) {
      throw new RangeError(`Cannot attach program "${prog.name}": attach type ${given}`);
    }
    return given;
  }
  if (prog.def?.expected === undefined && prog.expectedAttachType === 0) {
    missing(prog, "attachType", "BPF_CGROUP_INET_INGRESS");
  }
  return prog.expectedAttachType;
}

function attachOld(
  prog: AttachableProgram,
  directory: Fd,
  attachType: number,
  what: string,
  { share = "multi" }: CgroupOptions,
): Link {
  const flags = SHARE[share];
  if (flags === undefined) throw new TypeError(`Cannot attach program "${prog.name}": share "${share}" does not exist`);
  const attr = { attach_bpf_fd: prog.fd, attach_type: attachType, attach_flags: flags };
  const result = bpfTry("BPF_PROG_ATTACH", { ...attr, target_fd: directory.number });
  checkBpf(result, "BPF_PROG_ATTACH", attachAction(prog, what), result === -EBADF ? notCgroup2() : undefined);
  const kept = [directory.dup(), dupFd(prog.fd)] as const;
  return new Link({
    what,
    kept,
    lasting: true,
    undo: () => {
      // ENOENT: it was detached by someone else, or the cgroup is gone.
      bpfTry("BPF_PROG_DETACH", { target_fd: kept[0].number, attach_bpf_fd: kept[1].number, attach_type: attachType });
    },
  });
}

function notCgroup2(): string {
  const mounted = /^\S+ (\S+) cgroup2 /m.exec(tryReadText("/proc/self/mounts") ?? "")?.[1];
  return "it is not the directory of a cgroup of version 2" +
    (mounted === undefined ? ", which is not mounted here" : `: those are below ${mounted}`);
}
