/**
 * kprobe, kretprobe, ksyscall: a perf event of the `kprobe` unit (Linux 4.17), or of a probe made in tracefs (older).
 */
import { EACCES, EADDRNOTAVAIL, EILSEQ, EINVAL, ENOENT, EOPNOTSUPP, EPERM } from "../abi/errno.gen.ts";
import { MACHINES } from "../abi/pt_regs.ts";
import { PERF_TYPE_TRACEPOINT } from "../abi/perf.gen.ts";
import { NotFoundError, NotSupportedError } from "../errors.ts";
import { type Pmu, readPmu } from "../kernel/pmu.ts";
import { openTracefs, probeName } from "../kernel/tracefs.ts";
import { isReturnSection } from "../object/section_name.ts";
import { Fd } from "../syscall/fd.ts";
import { exists } from "../syscall/files.ts";
import { arch, syscallError } from "../syscall/libc.ts";
import { perfEventOpen, tryPerfEventOpen } from "../syscall/perf_event.ts";
import { attachAction, errnoOf, missing } from "./attempt.ts";
import { isGlob } from "./glob.ts";
import { attachKprobes } from "./kprobe_multi.ts";
import type { Link } from "./link.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Attacher, Cookie, KprobeOptions, KsyscallOptions, ProbeMode } from "./types.ts";

/** Where a kprobe goes. */
interface Site {
  readonly symbol: string;
  readonly offset: number;
  readonly retprobe: boolean;
  readonly what: string;
}

function siteOf(symbol: string, offset: number, retprobe: boolean): Site {
  const place = offset === 0 ? symbol : `${symbol}+0x${offset.toString(16)}`;
  return { symbol, offset, retprobe, what: `${retprobe ? "kretprobe" : "kprobe"} "${place}"` };
}

export const kprobe: Attacher<KprobeOptions> = {
  options: ["symbol", "offset", "retprobe", "cookie", "mode"],
  attach(prog, target, options) {
    const named = target.kind === "kprobe" ? target : undefined;
    const symbol = options.symbol ?? named?.symbol ?? missing(prog, "symbol", '"do_sys_openat2"');
    const offset = options.offset ?? (options.symbol === undefined ? named?.offset : undefined) ?? 0;
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    if (retprobe && offset !== 0) {
      throw new TypeError(`Cannot attach program "${prog.name}": a return probe takes no offset`);
    }
    if (isGlob(symbol)) {
      if (offset !== 0) throw new TypeError(`Cannot attach program "${prog.name}": a pattern takes no offset`);
      return attachKprobes(prog, symbol, { retprobe, cookie: options.cookie });
    }
    return attachSite(prog, siteOf(symbol, offset, retprobe), options.cookie, options.mode ?? "auto");
  },
};

/** One kprobe at the start of a function, or at its return. */
export function attachKprobeAt(
  prog: AttachableProgram,
  symbol: string,
  options: { retprobe: boolean; cookie: Cookie | undefined },
): Link {
  return attachSite(prog, siteOf(symbol, 0, options.retprobe), options.cookie, "auto");
}

export const ksyscall: Attacher<KsyscallOptions> = {
  options: ["syscall", "retprobe", "cookie"],
  attach(prog, target, options) {
    const named = target.kind === "ksyscall" ? target.syscall : undefined;
    const name = options.syscall ?? named ?? missing(prog, "syscall", '"openat"');
    const retprobe = options.retprobe ?? prog.def?.sec.startsWith("kret") ?? false;
    // Kernels that wrap system calls name them by machine; before 4.17 it was the plain function behind them.
    const symbols = [`${MACHINES[arch()].syscallPrefix}${name}`, `__se_sys_${name}`, `sys_${name}`];
    let first: unknown;
    for (const symbol of symbols) {
      try {
        return attachSite(prog, siteOf(symbol, 0, retprobe), options.cookie, "auto");
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
        first ??= error;
      }
    }
    throw new NotFoundError("system call", name, [], { cause: first, where: `this kernel (${symbols.join(", ")})` });
  },
};

function attachSite(prog: AttachableProgram, site: Site, cookie: Cookie | undefined, mode: ProbeMode): Link {
  const unit = mode === "legacy" ? undefined : readPmu("kprobe");
  if (unit !== undefined) {
    return attachPerfEvents(prog, [openUnit(prog, unit, site)], { what: site.what, cookie, mode });
  }
  if (mode !== "auto" && mode !== "legacy") throw new NotSupportedError("a kprobe as perf event", { since: "4.17" });
  const [event, undo] = openLegacy(prog, site);
  return attachPerfEvents(prog, [event], { what: site.what, cookie, mode, undo });
}

function openUnit(prog: AttachableProgram, unit: Pmu, site: Site): Fd {
  const result = tryPerfEventOpen({
    type: unit.type,
    config: site.retprobe ? 1 << unit.retprobeBit : 0,
    kprobe_func: site.symbol,
    probe_offset: site.offset,
  }, { pid: -1, cpu: 0 });
  if (result >= 0) return new Fd(result);
  return refused(prog, site, -result, "perf_event_open");
}

function openLegacy(prog: AttachableProgram, site: Site): [event: Fd, undo: () => void] {
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
    return refused(prog, site, errno, "write(kprobe_events)");
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

function refused(prog: AttachableProgram, site: Site, errno: number, call: string): never {
  // Before 6.7 the kernel says EINVAL of a name that does not exist when it comes through tracefs.
  if (errno === ENOENT) throw new NotFoundError("kernel function", site.symbol, kernelFunctions());
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
