/**
 * uprobe, uretprobe: a perf event of the `uprobe` unit (Linux 4.17), or of a probe made in tracefs (older). The kernel
 * places a breakpoint at an offset of a file, in every process that maps it.
 */
import { NotSupportedError } from "../errors.ts";
import { findBinary } from "../kernel/binary_path.ts";
import { findFunction, withElf } from "../kernel/elf_symbols.ts";
import { type Pmu, readPmu } from "../kernel/pmu.ts";
import { openTracefs, probeName } from "../kernel/tracefs.ts";
import { isReturnSection } from "../object/section_name.ts";
import type { Fd } from "../syscall/fd.ts";
import { perfEventOpen } from "../syscall/perf_event.ts";
import { PERF_TYPE_TRACEPOINT } from "../abi/perf.gen.ts";
import { missing } from "./attempt.ts";
import type { Link } from "./link.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Attacher, UprobeOptions } from "./types.ts";

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
  options: ["path", "symbol", "offset", "pid", "retprobe", "cookie", "refCtrOffset", "mode"],
  attach(prog, target, options) {
    const named = target.kind === "uprobe" ? target : undefined;
    const path = findBinary(options.path ?? named?.path ?? missing(prog, "path", '"libc.so.6"'));
    const symbol = options.symbol ??
      (options.offset === undefined || options.path === undefined ? named?.symbol : undefined);
    const added = options.offset ?? named?.offset ?? 0;
    if (symbol === undefined && options.offset === undefined) missing(prog, "symbol", '"malloc"');
    const start = symbol === undefined ? 0 : withElf(path, (elf) => findFunction(elf, symbol).offset);
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    if (retprobe && symbol !== undefined && added !== 0) {
      throw new TypeError(`Cannot attach program "${prog.name}": a return probe takes no offset`);
    }
    const place = symbol === undefined
      ? `0x${added.toString(16)}`
      : `${symbol}${added === 0 ? "" : `+0x${added.toString(16)}`}`;
    return attachUprobeAt(prog, {
      path,
      offset: start + added,
      retprobe,
      refCtrOffset: options.refCtrOffset ?? 0,
      pid: options.pid,
      what: `${retprobe ? "uretprobe" : "uprobe"} "${path}:${place}"`,
    }, options);
  },
};

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
