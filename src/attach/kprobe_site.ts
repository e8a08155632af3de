/** One kprobe: a perf event of the `kprobe` unit (Linux 4.17), or of a probe made in tracefs (older). */
import { EACCES, EADDRNOTAVAIL, EILSEQ, EINVAL, ENOENT, EOPNOTSUPP, EPERM } from "../abi/errno.gen.ts";
import { PERF_TYPE_TRACEPOINT } from "../abi/perf.gen.ts";
import { NotFoundError, NotSupportedError } from "../errors.ts";
import { type Pmu, readPmu } from "../kernel/pmu.ts";
import { openTracefs, probeName } from "../kernel/tracefs.ts";
import { Fd } from "../syscall/fd.ts";
import { exists } from "../syscall/files.ts";
import { syscallError } from "../syscall/libc.ts";
import { perfEventOpen, tryPerfEventOpen } from "../syscall/perf_event.ts";
import { attachAction, errnoOf } from "./attempt.ts";
import type { Link } from "./link.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Cookie, ProbeMode } from "./types.ts";

/** Where a kprobe goes. */
export interface KprobeSite {
  readonly symbol: string;
  readonly offset: number;
  readonly retprobe: boolean;
  readonly what: string;
}

/** `what` is how errors print it. */
export function siteOf(symbol: string, offset: number, retprobe: boolean): KprobeSite {
  const place = offset === 0 ? symbol : `${symbol}+0x${offset.toString(16)}`;
  return { symbol, offset, retprobe, what: `${retprobe ? "kretprobe" : "kprobe"} "${place}"` };
}

/** One kprobe at the start of a function, or at its return. */
export function attachKprobeAt(
  prog: AttachableProgram,
  symbol: string,
  options: { retprobe: boolean; cookie: Cookie | undefined },
): Link {
  return attachSite(prog, siteOf(symbol, 0, options.retprobe), options.cookie, "auto");
}

/**
 * Attaches. Throws `NotFoundError`, with the nearest of the `known` names, `NotSupportedError` and `SyscallError`.
 */
export function attachSite(
  prog: AttachableProgram,
  site: KprobeSite,
  cookie: Cookie | undefined,
  mode: ProbeMode,
  known: () => string[] = kernelFunctions,
): Link {
  const unit = mode === "legacy" ? undefined : readPmu("kprobe");
  if (unit !== undefined) {
    return attachPerfEvents(prog, [openUnit(prog, unit, site, known)], { what: site.what, cookie, mode });
  }
  if (mode !== "auto" && mode !== "legacy") throw new NotSupportedError("a kprobe as perf event", { since: "4.17" });
  const [event, undo] = openLegacy(prog, site, known);
  return attachPerfEvents(prog, [event], { what: site.what, cookie, mode, undo });
}

function openUnit(prog: AttachableProgram, unit: Pmu, site: KprobeSite, known: () => string[]): Fd {
  const result = tryPerfEventOpen({
    type: unit.type,
    config: site.retprobe ? 1 << unit.retprobeBit : 0,
    kprobe_func: site.symbol,
    probe_offset: site.offset,
  }, { pid: -1, cpu: 0 });
  if (result >= 0) return new Fd(result);
  return refused(prog, site, -result, "perf_event_open", known);
}

function openLegacy(
  prog: AttachableProgram,
  site: KprobeSite,
  known: () => string[],
): [event: Fd, undo: () => void] {
  using tracefs = openTracefs();
  if (!exists(`${tracefs.root}/kprobe_events`)) {
    throw new NotSupportedError("kprobes", {
      hint: "this kernel is built without CONFIG_KPROBES: use fentry or a tracepoint",
    });
  }
  const name = probeName(site.symbol, site.offset);
  const definition = site.offset === 0 ? site.symbol : `${site.symbol}+${site.offset}`;
  let id: number;
  try {
    id = tracefs.addProbe("kprobe", { name, definition, retprobe: site.retprobe });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 0) throw error;
    return refused(prog, site, errno, "write(kprobe_events)", known);
  }
  try {
    const event = perfEventOpen({ type: PERF_TYPE_TRACEPOINT, config: id }, { pid: -1, cpu: 0 }, site.what);
    return [event, () => removeLegacy(name)];
  } catch (error) {
    tracefs.removeProbe("kprobe", name);
    throw error;
  }
}

function removeLegacy(name: string): void {
  using tracefs = openTracefs();
  tracefs.removeProbe("kprobe", name);
}

/** What the errnos of a kprobe mean: kernel/trace/trace_kprobe.c and kernel/kprobes.c. */
const HINTS: Readonly<Record<number, string>> = {
  [EADDRNOTAVAIL]: "several functions of the kernel have this name",
  [EILSEQ]: "the offset is not at the start of an instruction",
  [EINVAL]: "the kernel does not let this function be probed (it is on the blacklist or notrace)",
  [EOPNOTSUPP]: "the kernel does not let this function be probed",
};

function refused(
  prog: AttachableProgram,
  site: KprobeSite,
  errno: number,
  call: string,
  known: () => string[],
): never {
  // Before 6.7 the kernel says EINVAL of a name that does not exist when it comes through tracefs.
  if (errno === ENOENT) throw new NotFoundError("kernel function", site.symbol, known());
  const hint = errno === EPERM || errno === EACCES ? undefined : HINTS[errno];
  throw syscallError(errno, call, `Cannot ${attachAction(prog, site.what)}`, hint);
}

/** Names for a hint; none where ftrace is not readable. */
export function kernelFunctions(): string[] {
  try {
    using tracefs = openTracefs();
    return tracefs.functions();
  } catch {
    return [];
  }
}
