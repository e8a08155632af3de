/** sk_skb and sk_msg: programs on a sockmap or sockhash, a link since Linux 6.10, else BPF_PROG_ATTACH. */
import { EINVAL } from "../abi/errno.gen.ts";
import { bpfCall, bpfTry } from "../syscall/bpf.ts";
import { dupFd } from "../syscall/fd.ts";
import { attachAction, linkError, missing, tryLink } from "./attempt.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, SockmapOptions } from "./types.ts";

export const sockmap: Attacher<SockmapOptions> = {
  options: ["mapFd", "attachType", "mechanism"],
  attach(prog, _target, options) {
    const { mechanism = "auto" } = options;
    const attachType = options.attachType ??
      (prog.expectedAttachType || missing(prog, "attachType", "BPF_SK_SKB_VERDICT"));
    const mapFd = options.mapFd ?? missing(prog, "mapFd", "a sockmap's");
    const what = `sockmap ${mapFd}`;
    if (mechanism === "attach") return attachOld(prog, mapFd, attachType, what);
    const link = tryLink({ prog_fd: prog.fd, target_fd: mapFd, attach_type: attachType });
    if (typeof link !== "number") return new Link({ what, links: [link] });
    if (link === -EINVAL && mechanism === "auto") return attachOld(prog, mapFd, attachType, what);
    return linkError(prog, what, link);
  },
};

function attachOld(prog: AttachableProgram, mapFd: number, attachType: number, what: string): Link {
  const attr = { attach_bpf_fd: prog.fd, attach_type: attachType };
  bpfCall("BPF_PROG_ATTACH", { ...attr, target_fd: mapFd }, attachAction(prog, what));
  const kept = [dupFd(mapFd), dupFd(prog.fd)] as const;
  return new Link({
    what,
    kept,
    lasting: true,
    undo: () => {
      // An error means that someone else has detached it.
      bpfTry("BPF_PROG_DETACH", { target_fd: kept[0].number, attach_bpf_fd: kept[1].number, attach_type: attachType });
    },
  });
}
