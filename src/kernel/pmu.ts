/**
 * The performance monitoring units of the kernel: perf_event_open(2) makes kprobes and uprobes through two of them
 * since Linux 4.17. See Documentation/ABI/testing/sysfs-bus-event_source-devices.
 */
import { tryReadText } from "../syscall/files.ts";

/** A unit, and where the bits of its config go. */
export interface Pmu {
  readonly name: string;
  /** `type` of `perf_event_attr`. */
  readonly type: number;
  /** Bit of `config` that makes a return probe. */
  readonly retprobeBit: number;
  /** Lowest bit of `config` for the reference counter's offset; undefined if the kernel has none (before 4.20). */
  readonly refCtrShift: number | undefined;
}

const ROOT = "/sys/bus/event_source/devices";

/** Reads a unit; undefined if the kernel has none of that name. */
export function readPmu(name: string): Pmu | undefined {
  const type = Number(tryReadText(`${ROOT}/${name}/type`)?.trim() || NaN);
  if (!Number.isInteger(type)) return undefined;
  return {
    name,
    type,
    retprobeBit: lowestBit(tryReadText(`${ROOT}/${name}/format/retprobe`)) ?? 0,
    refCtrShift: lowestBit(tryReadText(`${ROOT}/${name}/format/ref_ctr_offset`)),
  };
}

/** `config:32-63` → 32. */
function lowestBit(format: string | undefined): number | undefined {
  const bit = /^config:(\d+)/.exec(format ?? "")?.[1];
  return bit === undefined ? undefined : Number(bit);
}
