/**
 * perf_event: a program that runs at every sample of a clock or counter (Linux 4.9). One event for each CPU, or for each
 * thread of a process.
 */
import { perf_hw_id, perf_sw_ids, PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE } from "../abi/perf.gen.ts";
import { PERF_ATTR_FLAGS } from "../abi/perf.ts";
import { NotFoundError } from "../errors.ts";
import { onlineCpus } from "../kernel/cpus.ts";
import { dupFd } from "../syscall/fd.ts";
import { readDir } from "../syscall/files.ts";
import { type PerfEventAttr, perfEventOpen, type PerfTarget } from "../syscall/perf_event.ts";
import { getpid } from "../syscall/process.ts";
import { makeAll, missing } from "./attempt.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Attacher, PerfEventOptions } from "./types.ts";

/** What perf(1) calls some of them besides. */
const ALIASES: Readonly<Record<string, string>> = {
  cycles: "cpu-cycles",
  branches: "branch-instructions",
  faults: "page-faults",
  cs: "context-switches",
  migrations: "cpu-migrations",
};

/** Event names: `cpu-clock`, `page-faults`, `cache-misses`, …, as perf(1) has them. */
export function perfEventNames(): Map<string, { type: number; config: number }> {
  const names = new Map<string, { type: number; config: number }>();
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
  return names;
}

export const perfEvent: Attacher<PerfEventOptions> = {
  options: ["eventFd", "event", "type", "config", "frequency", "period", "cpus", "pid", "cookie"],
  attach(prog, _target, options) {
    if (options.eventFd !== undefined) {
      const what = `perf event ${options.eventFd}`;
      return attachPerfEvents(prog, [dupFd(options.eventFd)], { what, cookie: options.cookie });
    }
    const attr = eventAttr(prog, options);
    const what = `perf event "${options.event ?? `${options.type}:${options.config ?? 0}`}"`;
    const events = makeAll(targets(prog, options), (target) => perfEventOpen(attr, target, what));
    return attachPerfEvents(prog, events, { what, cookie: options.cookie });
  },
};

function eventAttr(prog: AttachableProgram, options: PerfEventOptions): PerfEventAttr {
  const { type, config } = eventNumbers(prog, options);
  const inherit = options.pid === undefined ? 0 : PERF_ATTR_FLAGS.inherit;
  const { frequency, period } = options;
  if (frequency !== undefined) {
    if (period !== undefined) {
      throw new TypeError(`Cannot attach program "${prog.name}": give frequency or period, not both`);
    }
    if (!Number.isInteger(frequency) || frequency <= 0) {
      throw new RangeError(`Cannot attach program "${prog.name}": frequency ${frequency} is no positive integer`);
    }
    return { type, config, sample_freq: frequency, flags: PERF_ATTR_FLAGS.freq + inherit };
  }
  if (period === undefined) missing(prog, "frequency", '99 (samples a second), or "period"');
  if (period <= 0) throw new RangeError(`Cannot attach program "${prog.name}": period ${period} is not positive`);
  return { type, config, sample_period: period, flags: inherit };
}

function eventNumbers(prog: AttachableProgram, options: PerfEventOptions): { type: number; config: bigint | number } {
  if (options.event === undefined) {
    const type = options.type ?? missing(prog, "event", '"cpu-clock"');
    return { type, config: options.config ?? 0 };
  }
  const names = perfEventNames();
  const found = names.get(options.event);
  if (found === undefined) throw new NotFoundError("perf event", options.event, names.keys());
  return found;
}

function targets(prog: AttachableProgram, { pid, cpus }: PerfEventOptions): PerfTarget[] {
  if (pid === undefined) return (cpus ?? onlineCpus()).map((cpu) => ({ pid: -1, cpu }));
  if (cpus !== undefined) throw new TypeError(`Cannot attach program "${prog.name}": give pid or cpus, not both`);
  // An event of a process follows one thread, and with `inherit` the threads that it starts later.
  const process = pid === 0 ? getpid() : pid;
  return readDir(`/proc/${process}/task`).map((tid) => ({ pid: Number(tid), cpu: -1 }));
}
