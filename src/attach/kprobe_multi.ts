/**
 * kprobe.multi, kretprobe.multi, kprobe.session: one link for many kernel functions (Linux 5.18, CONFIG_FPROBE), or one
 * kprobe for each where the kernel has no such link. A session cannot be made of single probes.
 */
import { BPF_F_KPROBE_MULTI_RETURN, BPF_TRACE_KPROBE_MULTI, BPF_TRACE_KPROBE_SESSION } from "../abi/bpf.gen.ts";
import { EINVAL, ENOENT, EOPNOTSUPP, ESRCH } from "../abi/errno.gen.ts";
import { NotFoundError, NotSupportedError, SyscallError } from "../errors.ts";
import { type TraceableFunction, traceableFunctions } from "../kernel/traceable.ts";
import { isReturnSection, isSessionSection } from "../object/section_name.ts";
import { arena } from "../syscall/memory.ts";
import { linkError, missing, tryLink } from "./attempt.ts";
import { globToRegExp, isGlob } from "./glob.ts";
import { attachKprobeAt, kernelFunctions } from "./kprobe_site.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, Cookie, KprobeMultiOptions } from "./types.ts";

export const kprobeMulti: Attacher<KprobeMultiOptions> = {
  options: ["pattern", "symbols", "addresses", "cookies", "retprobe", "session"],
  attach(prog, target, options) {
    const pattern = options.pattern ?? (target.kind === "kprobe_multi" ? target.pattern : undefined);
    const { addresses, cookies } = options;
    if (options.symbols !== undefined && addresses !== undefined) {
      throw new TypeError(`Cannot attach program "${prog.name}": give symbols or addresses, not both`);
    }
    const isSession = options.session ?? (prog.def !== undefined && isSessionSection(prog.def));
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    const by = { cookies, retprobe, session: isSession };
    if (options.symbols !== undefined || addresses !== undefined) {
      return attachList(prog, { ...by, symbols: options.symbols, addresses });
    }
    if (pattern === undefined) missing(prog, "pattern", '"tcp_*"');
    return isGlob(pattern) ? attachKprobes(prog, pattern, by) : attachList(prog, { ...by, symbols: [pattern] });
  },
};

interface Manner {
  readonly cookies?: readonly Cookie[] | undefined;
  /** One for all, where the functions come from a pattern. */
  readonly cookie?: Cookie | undefined;
  readonly retprobe: boolean;
  readonly session?: boolean;
}

interface FunctionList extends Manner {
  readonly symbols?: readonly string[] | undefined;
  readonly addresses?: readonly bigint[] | undefined;
}

/** Attaches to all kernel functions that a pattern names. Throws `NotFoundError` if there is none. */
export function attachKprobes(prog: AttachableProgram, pattern: string, manner: Manner): Link {
  const found = traceableFunctions(globToRegExp(pattern));
  if (found.length === 0) throw new NotFoundError("kernel function", pattern, kernelFunctions());
  const { cookie } = manner;
  const cookies = cookie === undefined ? manner.cookies : found.map(() => cookie);
  const what = `${checkCount(prog, found.length, cookies)} functions`;
  // Names would have to be unique; addresses are hidden by kernel.kptr_restrict.
  const visible = found.every((f) => f.address !== 0n);
  const list: FunctionList = visible
    ? { ...manner, cookies, addresses: found.map((f) => f.address) }
    : { ...manner, cookies, symbols: found.map((f) => f.name) };
  const link = tryList(prog, list);
  if (typeof link !== "number") return new Link({ what, links: [link] });
  if (manner.session || !isMissing(link)) return refused(prog, what, -link, list);
  return attachEach(prog, what, found, { ...manner, cookies });
}

/** One kprobe for each; those that the kernel does not let be probed are left out, as long as there are others. */
function attachEach(
  prog: AttachableProgram,
  what: string,
  functions: readonly TraceableFunction[],
  { cookies, retprobe }: Manner,
): Link {
  const links: Link[] = [];
  let first: unknown;
  try {
    for (const [i, { name }] of functions.entries()) {
      try {
        links.push(attachKprobeAt(prog, name, { retprobe, cookie: cookies?.[i] }));
      } catch (error) {
        const refusal = error instanceof NotFoundError ||
          error instanceof SyscallError && error.call === "perf_event_open" && error.errnoName !== "EMFILE";
        if (!refusal) throw error;
        first ??= error;
      }
    }
    if (links.length === 0) throw first;
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  return Link.group(what, links);
}

function attachList(prog: AttachableProgram, list: FunctionList): Link {
  const { symbols, addresses, session = false, cookies, retprobe } = list;
  const count = checkCount(prog, symbols?.length ?? addresses?.length ?? 0, cookies);
  const what = symbols?.length === 1 ? `function "${symbols[0]}"` : `${count} functions`;
  const link = tryList(prog, list);
  if (typeof link !== "number") return new Link({ what, links: [link] });
  if (!isMissing(link) || session || symbols === undefined) return refused(prog, what, -link, list);
  const links: Link[] = [];
  try {
    for (const [i, symbol] of symbols.entries()) {
      links.push(attachKprobeAt(prog, symbol, { retprobe, cookie: cookies?.[i] }));
    }
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  return Link.group(what, links);
}

function checkCount(prog: AttachableProgram, count: number, cookies: readonly Cookie[] | undefined): number {
  if (count === 0) throw new TypeError(`Cannot attach program "${prog.name}": no function is given`);
  if (cookies !== undefined && cookies.length !== count) {
    throw new RangeError(`Cannot attach program "${prog.name}": ${cookies.length} cookies for ${count} functions`);
  }
  return count;
}

function tryList(prog: AttachableProgram, list: FunctionList): ReturnType<typeof tryLink> {
  // The loader leaves the attach type out where the kernel has no such links: only then single probes take the program.
  if (prog.expectedAttachType === 0) return -EOPNOTSUPP;
  const { symbols, addresses, cookies, session, retprobe } = list;
  using scope = arena().scope();
  return tryLink({
    prog_fd: prog.fd,
    attach_type: session ? BPF_TRACE_KPROBE_SESSION : BPF_TRACE_KPROBE_MULTI,
    "kprobe_multi.flags": retprobe ? BPF_F_KPROBE_MULTI_RETURN : 0,
    "kprobe_multi.cnt": symbols?.length ?? addresses?.length ?? 0,
    "kprobe_multi.syms": symbols === undefined ? 0 : scope.strings(symbols),
    "kprobe_multi.addrs": addresses === undefined ? 0 : scope.u64s(addresses),
    "kprobe_multi.cookies": cookies === undefined ? 0 : scope.u64s(cookies),
  });
}

/** Kernels before 5.18 do not know the attach type (EINVAL); later ones may be built without fprobe (EOPNOTSUPP). */
function isMissing(result: number): boolean {
  return result === -EOPNOTSUPP || result === -EINVAL;
}

function refused(prog: AttachableProgram, what: string, errno: number, { symbols, session }: FunctionList): never {
  if (session && isMissing(-errno)) {
    throw new NotSupportedError("kprobe.session", { since: "6.10", hint: "use kprobe.multi and kretprobe.multi" });
  }
  if (errno === EOPNOTSUPP) {
    throw new NotSupportedError("kprobe.multi", { since: "5.18", hint: "the kernel needs CONFIG_FPROBE; use kprobe" });
  }
  if ((errno === ESRCH || errno === ENOENT) && symbols?.length === 1) {
    throw new NotFoundError("kernel function", symbols[0]!, kernelFunctions());
  }
  const hint = errno === ESRCH || errno === ENOENT
    ? "one of the functions does not exist or cannot be traced"
    : errno === EINVAL
    ? "kprobe.multi needs Linux 5.18"
    : undefined;
  return linkError(prog, what, -errno, hint);
}
