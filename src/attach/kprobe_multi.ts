/** kprobe.multi, kretprobe.multi, kprobe.session: one link for many kernel functions (Linux 5.18, CONFIG_FPROBE). */
import { BPF_F_KPROBE_MULTI_RETURN, BPF_TRACE_KPROBE_MULTI, BPF_TRACE_KPROBE_SESSION } from "../abi/bpf.gen.ts";
import { EINVAL, ENOENT, EOPNOTSUPP, ESRCH } from "../abi/errno.gen.ts";
import { NotFoundError, NotSupportedError } from "../errors.ts";
import { openTracefs } from "../kernel/tracefs.ts";
import { isReturnSection, isSessionSection } from "../object/section_name.ts";
import { arena } from "../syscall/memory.ts";
import { linkError, missing, tryLink } from "./attempt.ts";
import { globToRegExp } from "./glob.ts";
import { kernelFunctions } from "./kprobe.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, KprobeMultiOptions } from "./types.ts";

export const kprobeMulti: Attacher<KprobeMultiOptions> = {
  options: ["pattern", "symbols", "addresses", "cookies", "retprobe", "session"],
  attach(prog, target, options) {
    const pattern = options.pattern ?? (target.kind === "kprobe_multi" ? target.pattern : undefined);
    const { addresses, cookies } = options;
    const symbols = options.symbols ?? (addresses === undefined ? expand(prog, pattern) : undefined);
    if (symbols !== undefined && addresses !== undefined) {
      throw new TypeError(`Cannot attach program "${prog.name}": give symbols or addresses, not both`);
    }
    const count = symbols?.length ?? addresses?.length ?? 0;
    if (count === 0) throw new TypeError(`Cannot attach program "${prog.name}": no function is given`);
    if (cookies !== undefined && cookies.length !== count) {
      throw new RangeError(`Cannot attach program "${prog.name}": ${cookies.length} cookies for ${count} functions`);
    }
    const session = options.session ?? (prog.def !== undefined && isSessionSection(prog.def));
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    const what = symbols?.length === 1 ? `function "${symbols[0]}"` : `${count} functions`;
    using scope = arena().scope();
    const link = tryLink({
      prog_fd: prog.fd,
      attach_type: session ? BPF_TRACE_KPROBE_SESSION : BPF_TRACE_KPROBE_MULTI,
      "kprobe_multi.flags": retprobe ? BPF_F_KPROBE_MULTI_RETURN : 0,
      "kprobe_multi.cnt": count,
      "kprobe_multi.syms": symbols === undefined ? 0 : scope.strings(symbols),
      "kprobe_multi.addrs": addresses === undefined ? 0 : scope.u64s(addresses),
      "kprobe_multi.cookies": cookies === undefined ? 0 : scope.u64s(cookies),
    });
    if (typeof link !== "number") return new Link({ what, links: [link] });
    return refused(prog, what, -link, symbols, session);
  },
};

/** Functions that a pattern names. A plain name is not looked up: the kernel does that. */
function expand(prog: AttachableProgram, pattern: string | undefined): string[] {
  if (pattern === undefined) missing(prog, "pattern", '"tcp_*"');
  if (!/[*?]/.test(pattern)) return [pattern];
  const expression = globToRegExp(pattern);
  using tracefs = openTracefs();
  const functions = tracefs.functions();
  const matching = [...new Set(functions.filter((name) => expression.test(name)))];
  if (matching.length === 0) throw new NotFoundError("kernel function", pattern, functions);
  return matching;
}

function refused(
  prog: AttachableProgram,
  what: string,
  errno: number,
  symbols: readonly string[] | undefined,
  session: boolean,
): never {
  if (errno === EOPNOTSUPP) {
    throw new NotSupportedError("kprobe.multi", { since: "5.18", hint: "the kernel needs CONFIG_FPROBE; use kprobe" });
  }
  if ((errno === ESRCH || errno === ENOENT) && symbols?.length === 1) {
    throw new NotFoundError("kernel function", symbols[0]!, kernelFunctions());
  }
  const hint = errno === ESRCH || errno === ENOENT
    ? "one of the functions does not exist or cannot be traced"
    : errno === EINVAL
    ? session ? "kprobe.session needs Linux 6.10" : "kprobe.multi needs Linux 5.18"
    : undefined;
  return linkError(prog, what, -errno, hint);
}
