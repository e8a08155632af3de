/**
 * fentry, fexit, fmod_ret, tp_btf and lsm: what they attach to was fixed when the program was loaded, so attaching only
 * makes the link. BPF_LINK_CREATE takes these types since Linux 5.19; BPF_RAW_TRACEPOINT_OPEN without a name since 5.5.
 */
import { EBUSY, EINVAL, ENOTSUPP } from "../abi/errno.gen.ts";
import { NotSupportedError } from "../errors.ts";
import { bpfTry, checkBpf } from "../syscall/bpf.ts";
import { Fd } from "../syscall/fd.ts";
import { attachAction, createLink, linkError, tryLink } from "./attempt.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, FreplaceOptions, TraceOptions } from "./types.ts";

export const trace: Attacher<TraceOptions> = {
  options: ["cookie"],
  attach(prog, _target, options) {
    const what = `"${prog.target}"`;
    const link = tryLink({
      prog_fd: prog.fd,
      attach_type: prog.expectedAttachType,
      "tracing.cookie": options.cookie,
    });
    if (typeof link !== "number") return new Link({ what, links: [link] });
    if (link !== -EINVAL) linkError(prog, what, link, traceHint(-link));
    if (options.cookie !== undefined) throw new NotSupportedError("a cookie of a tracing program", { since: "5.19" });
    return new Link({ what, links: [openUnnamed(prog, what)] });
  },
};

/** BPF_RAW_TRACEPOINT_OPEN without a name: what the program was loaded for. */
function openUnnamed(prog: AttachableProgram, what: string): Fd {
  const result = bpfTry("BPF_RAW_TRACEPOINT_OPEN", { prog_fd: prog.fd });
  checkBpf(result, "BPF_RAW_TRACEPOINT_OPEN", attachAction(prog, what), traceHint(-result));
  return new Fd(result);
}

function traceHint(errno: number): string | undefined {
  switch (errno) {
    case EBUSY:
      return "the function is being patched by something else (a livepatch, or another tracer)";
    case ENOTSUPP:
      return "this kernel or machine has no BPF trampolines (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)";
    default:
      return undefined;
  }
}

export const freplace: Attacher<FreplaceOptions> = {
  options: ["targetFd", "targetBtfId"],
  attach(prog, _target, options) {
    const what = `function "${prog.target}"`;
    const { targetFd, targetBtfId } = options;
    if ((targetFd === undefined) !== (targetBtfId === undefined)) {
      throw new TypeError(`Cannot ${attachAction(prog, what)}: options "targetFd" and "targetBtfId" go together`);
    }
    if (targetFd === undefined) return new Link({ what, links: [openUnnamed(prog, what)] });
    const link = createLink(prog, what, { target_fd: targetFd, target_btf_id: targetBtfId });
    return new Link({ what, links: [link] });
  },
};
