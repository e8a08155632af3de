/**
 * Perf events by the names that perf(1) gives them: clocks and counters (`cpu-clock`, `cycles`), caches
 * (`LLC-load-misses`), raw codes of the processor (`r01c2`). Gives numbers for `perf_event_attr`; see
 * include/uapi/linux/perf_event.h and perf-list(1).
 */
import {
  perf_hw_cache_id,
  perf_hw_cache_op_id,
  perf_hw_id,
  perf_sw_ids,
  PERF_TYPE_HARDWARE,
  PERF_TYPE_HW_CACHE,
  PERF_TYPE_RAW,
  PERF_TYPE_SOFTWARE,
} from "../abi/perf.gen.ts";
import { NotFoundError } from "../errors.ts";

/** What a name stands for. */
export interface PerfEventNumbers {
  /** `PERF_TYPE_*`. */
  readonly type: number;
  /** `perf_event_attr.config`. */
  readonly config: number | bigint;
}

/** What perf(1) or bpftrace call some of them besides. */
const ALIASES: Readonly<Record<string, string>> = {
  "cpu": "cpu-clock",
  "cycles": "cpu-cycles",
  "branches": "branch-instructions",
  "faults": "page-faults",
  "minor-faults": "page-faults-min",
  "major-faults": "page-faults-maj",
  "cs": "context-switches",
  "migrations": "cpu-migrations",
  "frontend-stalls": "stalled-cycles-frontend",
  "backend-stalls": "stalled-cycles-backend",
};

/** perf's spelling of `PERF_COUNT_HW_CACHE_*`, by number. */
const CACHES = ["L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"];

/** perf's spelling of what is done to a cache, by number of `PERF_COUNT_HW_CACHE_OP_*`: all of it, and the misses. */
const CACHE_OPERATIONS = [["loads", "load-misses"], ["stores", "store-misses"], ["prefetches", "prefetch-misses"]];

/** Every name but raw ones. */
export function perfEventNames(): Map<string, PerfEventNumbers> {
  const names = new Map<string, PerfEventNumbers>();
  const add = (table: readonly string[], prefix: string, type: number) => {
    for (const [config, name] of table.entries()) {
      if (name !== "") names.set(name.slice(prefix.length).toLowerCase().replaceAll("_", "-"), { type, config });
    }
  };
  add(perf_hw_id, "PERF_COUNT_HW_", PERF_TYPE_HARDWARE);
  add(perf_sw_ids, "PERF_COUNT_SW_", PERF_TYPE_SOFTWARE);
  for (const alias in ALIASES) {
    const event = names.get(ALIASES[alias]!);
    if (event !== undefined) names.set(alias, event);
  }
  for (const cache of perf_hw_cache_id.keys()) {
    for (const operation of perf_hw_cache_op_id.keys()) {
      for (const [result, name] of CACHE_OPERATIONS[operation]!.entries()) {
        const config = cache | operation << 8 | result << 16;
        names.set(`${CACHES[cache]}-${name}`, { type: PERF_TYPE_HW_CACHE, config });
      }
    }
  }
  return names;
}

/** The numbers of a name, `r` and hex digits for a raw code. Throws `NotFoundError`. */
export function findPerfEvent(name: string): PerfEventNumbers {
  const names = perfEventNames();
  const found = names.get(name);
  if (found !== undefined) return found;
  if (/^r[0-9a-f]{1,16}$/.test(name)) return { type: PERF_TYPE_RAW, config: BigInt(`0x${name.slice(1)}`) };
  throw new NotFoundError("perf event", name, names.keys(), {
    // The kernel runs programs of this type at no tracing event.
    ...(name.includes(":") ? { hint: `for tracepoints there are programs of their own: tracepoint:${name}` } : {}),
  });
}
