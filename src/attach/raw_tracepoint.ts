/** raw_tracepoint, raw_tp and their writable kind: BPF_RAW_TRACEPOINT_OPEN (Linux 4.17). */
import { E2BIG, EEXIST, EINVAL, ENOENT } from "../abi/errno.gen.ts";
import { NotFoundError, NotSupportedError } from "../errors.ts";
import { openTracefs } from "../kernel/tracefs.ts";
import { bpfTry, checkBpf } from "../syscall/bpf.ts";
import { Fd } from "../syscall/fd.ts";
import { attachAction, missing } from "./attempt.ts";
import { Link } from "./link.ts";
import type { Attacher, RawTracepointOptions } from "./types.ts";

export const rawTracepoint: Attacher<RawTracepointOptions> = {
  options: ["name", "cookie"],
  attach(prog, target, options) {
    const name = options.name ??
      (target.kind === "raw_tracepoint" ? target.name : missing(prog, "name", '"sys_enter"'));
    const what = `raw tracepoint "${name}"`;
    const result = bpfTry("BPF_RAW_TRACEPOINT_OPEN", { prog_fd: prog.fd, name, cookie: options.cookie });
    if (result === -ENOENT) throw new NotFoundError("raw tracepoint", name, rawNames());
    // A kernel whose attribute ends before the cookie refuses what is not zero there.
    if (options.cookie !== undefined && (result === -E2BIG || result === -EINVAL)) {
      throw new NotSupportedError("a cookie of a raw tracepoint", { since: "6.9" });
    }
    // Kernels before 6.10 take a program once at each tracepoint.
    const hint = result === -EEXIST ? "this program is attached there already" : undefined;
    checkBpf(result, "BPF_RAW_TRACEPOINT_OPEN", attachAction(prog, what), hint);
    return new Link({ what, links: [new Fd(result)] });
  },
};

/** Raw tracepoints are not listed anywhere; the ordinary ones have mostly the same names. */
function rawNames(): string[] {
  try {
    using tracefs = openTracefs();
    return ["sys_enter", "sys_exit", ...tracefs.categories().flatMap((category) => tracefs.events(category))];
  } catch {
    return [];
  }
}
