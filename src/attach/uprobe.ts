/**
 * uprobe, uretprobe: a perf event of the `uprobe` unit (Linux 4.17), or of a probe made in tracefs (older). The kernel
 * places a breakpoint at an offset of a file, in every process that maps it.
 */
import { BPF_TRACE_UPROBE_MULTI } from "../abi/bpf.gen.ts";
import { NotSupportedError } from "../errors.ts";
import { fileOffset, withElf } from "../kernel/elf_symbols.ts";
import { findBinaryOf } from "../kernel/process_files.ts";
import { functionOffset, matchingFunctions } from "../kernel/file_functions.ts";
import { type Pmu, readPmu } from "../kernel/pmu.ts";
import { openTracefs, probeName } from "../kernel/tracefs.ts";
import { isReturnSection } from "../object/section_name.ts";
import type { Fd } from "../syscall/fd.ts";
import { perfEventOpen } from "../syscall/perf_event.ts";
import { PERF_TYPE_TRACEPOINT } from "../abi/perf.gen.ts";
import { missing } from "./attempt.ts";
import { globToRegExp, isGlob } from "./glob.ts";
import { Link } from "./link.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Attacher, Cookie, UprobeOptions } from "./types.ts";
import { linkUprobes } from "./uprobe_multi.ts";

/** Where a uprobe goes. */
export interface UprobeSite {
  readonly path: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly retprobe: boolean;
  readonly refCtrOffset: number;
  readonly pid: number | undefined;
  readonly what: string;
}

export const uprobe: Attacher<UprobeOptions> = {
  options: ["path", "symbol", "address", "offset", "pid", "retprobe", "cookie", "refCtrOffset", "mode"],
  attach(prog, target, options) {
    const named = target.kind === "uprobe" ? target : undefined;
    const path = findBinaryOf(options.path ?? named?.path ?? missing(prog, "path", '"libc.so.6"'), options.pid);
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    const isWhole = options.address !== undefined || options.offset !== undefined && options.path !== undefined;
    const symbol = options.symbol ?? (isWhole ? undefined : named?.symbol);
    if (symbol !== undefined && isGlob(symbol)) return attachPattern(prog, path, symbol, retprobe, options);
    const place = findPlace(prog, path, symbol, retprobe, { ...options, offset: options.offset ?? named?.offset });
    return attachUprobeAt(prog, siteOf(path, place, retprobe, options), options);
  },
};

/** Where in the file, and how messages print it. */
interface Place {
  readonly offset: number;
  readonly label: string;
}

function siteOf(path: string, place: Place, retprobe: boolean, options: UprobeOptions): UprobeSite {
  const { refCtrOffset = 0, pid } = options;
  const what = `${retprobe ? "uretprobe" : "uprobe"} "${path}:${place.label}"`;
  return { path, offset: place.offset, retprobe, refCtrOffset, pid, what };
}

function findPlace(
  prog: AttachableProgram,
  path: string,
  symbol: string | undefined,
  retprobe: boolean,
  { address, offset }: { address?: Cookie; offset?: number | undefined },
): Place {
  const where = address ?? (symbol !== undefined && /^0x[0-9a-f]+$/i.test(symbol) ? BigInt(symbol) : undefined);
  if (where !== undefined) {
    const start = withElf(path, (elf) => fileOffset(elf, Number(where)));
    return { offset: start + (offset ?? 0), label: `0x${where.toString(16)}` };
  }
  if (symbol === undefined) {
    if (offset === undefined) missing(prog, "symbol", '"malloc"');
    return { offset, label: `0x${offset.toString(16)}` };
  }
  const added = offset ?? 0;
  if (retprobe && added !== 0) {
    throw new TypeError(`Cannot attach program "${prog.name}": a return probe takes no offset`);
  }
  const label = added === 0 ? symbol : `${symbol}+0x${added.toString(16)}`;
  return { offset: functionOffset(path, symbol) + added, label };
}

/** All functions that match: one link where the program was loaded for it (6.6), else one uprobe for each. */
function attachPattern(
  prog: AttachableProgram,
  path: string,
  pattern: string,
  retprobe: boolean,
  options: UprobeOptions,
): Link {
  if (options.offset !== undefined || options.refCtrOffset !== undefined) {
    throw new TypeError(`Cannot attach program "${prog.name}": a pattern takes no offset`);
  }
  const what = `functions "${path}:${pattern}"`;
  const places = matchingFunctions(path, globToRegExp(pattern), pattern);
  const { pid, cookie } = options;
  if (prog.expectedAttachType === BPF_TRACE_UPROBE_MULTI) {
    const cookies = cookie === undefined ? [] : places.map(() => cookie);
    return linkUprobes(prog, what, { path, offsets: places.map((p) => p.offset), cookies, pid, retprobe });
  }
  const links: Link[] = [];
  try {
    for (const { name, offset } of places) {
      links.push(attachUprobeAt(prog, siteOf(path, { offset, label: name }, retprobe, options), options));
    }
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  return Link.group(what, links);
}

/** One uprobe. Throws `SyscallError` and `NotSupportedError`. */
export function attachUprobeAt(
  prog: AttachableProgram,
  site: UprobeSite,
  options: Pick<UprobeOptions, "mode" | "cookie">,
): Link {
  const { mode = "auto", cookie } = options;
  const unit = mode === "legacy" ? undefined : readPmu("uprobe");
  if (unit !== undefined) return attachPerfEvents(prog, [openUnit(unit, site)], { what: site.what, cookie, mode });
  if (mode !== "auto" && mode !== "legacy") throw new NotSupportedError("a uprobe as perf event", { since: "4.17" });
  const [event, undo] = openLegacy(site);
  return attachPerfEvents(prog, [event], { what: site.what, cookie, mode, undo });
}

/** An event follows one process on any CPU, or all processes; for those the CPU does not matter to the program. */
function perfTarget(pid: number | undefined): { pid: number; cpu: number } {
  return pid === undefined ? { pid: -1, cpu: 0 } : { pid, cpu: -1 };
}

function openUnit(unit: Pmu, site: UprobeSite): Fd {
  if (site.refCtrOffset !== 0 && unit.refCtrShift === undefined) {
    throw new NotSupportedError("a uprobe with a reference counter", { since: "4.20" });
  }
  const counter = BigInt(site.refCtrOffset) << BigInt(unit.refCtrShift ?? 32);
  const config = counter | BigInt(site.retprobe ? 1 << unit.retprobeBit : 0);
  return perfEventOpen(
    { type: unit.type, config, uprobe_path: site.path, probe_offset: site.offset },
    perfTarget(site.pid),
    site.what,
  );
}

function openLegacy(site: UprobeSite): [event: Fd, undo: () => void] {
  const name = probeName(site.path.replace(/^.*\//, ""), site.offset);
  const counter = site.refCtrOffset === 0 ? "" : `(0x${site.refCtrOffset.toString(16)})`;
  const definition = `${site.path}:0x${site.offset.toString(16)}${counter}`;
  using tracefs = openTracefs();
  const id = tracefs.addProbe("uprobe", { name, definition, retprobe: site.retprobe });
  try {
    const event = perfEventOpen({ type: PERF_TYPE_TRACEPOINT, config: id }, perfTarget(site.pid), site.what);
    return [event, () => removeLegacy(name)];
  } catch (error) {
    tracefs.removeProbe("uprobe", name);
    throw error;
  }
}

function removeLegacy(name: string): void {
  using tracefs = openTracefs();
  tracefs.removeProbe("uprobe", name);
}
