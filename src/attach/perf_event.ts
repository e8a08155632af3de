/**
 * perf_event: a program that runs at every sample of a clock or counter, or when memory is touched that a breakpoint
 * watches (Linux 4.9). One event for each CPU, or for each thread of a process.
 */
import { EINVAL, ENOENT, ENOSPC } from "../abi/errno.gen.ts";
import { PERF_TYPE_BREAKPOINT } from "../abi/perf.gen.ts";
import { PERF_ATTR_FLAGS, PERF_FLAG_PID_CGROUP } from "../abi/perf.ts";
import { onlineCpus } from "../kernel/cpus.ts";
import { dupFd, Fd } from "../syscall/fd.ts";
import { openFile, readDir } from "../syscall/files.ts";
import { syscallError } from "../syscall/libc.ts";
import { type PerfEventAttr, type PerfTarget, tryPerfEventOpen } from "../syscall/perf_event.ts";
import { getpid } from "../syscall/process.ts";
import { makeAll, missing } from "./attempt.ts";
import type { Link } from "./link.ts";
import { findPerfEvent } from "./perf_event_names.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Attacher, PerfEventOptions } from "./types.ts";

/** `perf_event_attr.bp_type`, from include/uapi/linux/hw_breakpoint.h. */
const BREAKPOINT_TYPES = { r: 1, w: 2, rw: 3, x: 4 } as const;

export const perfEvent: Attacher<PerfEventOptions> = {
  options: [
    "eventFd",
    "event",
    "type",
    "config",
    "breakpoint",
    "frequency",
    "period",
    "cpus",
    "pid",
    "cgroup",
    "cookie",
  ],
  attach(prog, _target, options) {
    if (options.eventFd !== undefined) {
      const what = `perf event ${options.eventFd}`;
      return attachPerfEvents(prog, [dupFd(options.eventFd)], { what, cookie: options.cookie });
    }
    const attr = { ...eventNumbers(prog, options), ...sampling(prog, options) };
    const what = `perf event ${nameOf(options)}`;
    if (options.cgroup === undefined) return attachTo(prog, options, attr, targets(prog, options), what);
    if (options.pid !== undefined) throw wrong(prog, "give pid or cgroup, not both");
    using directory = typeof options.cgroup === "string" ? openFile(options.cgroup) : dupFd(options.cgroup);
    const members = (options.cpus ?? onlineCpus())
      .map((cpu) => ({ pid: directory.number, cpu, flags: PERF_FLAG_PID_CGROUP }));
    return attachTo(prog, options, attr, members, what);
  },
};

function attachTo(
  prog: AttachableProgram,
  options: PerfEventOptions,
  attr: PerfEventAttr,
  where: readonly PerfTarget[],
  what: string,
): Link {
  const events = makeAll(where, (target) => openEvent(attr, target, what));
  return attachPerfEvents(prog, events, { what, cookie: options.cookie });
}

function openEvent(attr: PerfEventAttr, target: PerfTarget, what: string): Fd {
  const result = tryPerfEventOpen(attr, target);
  if (result >= 0) return new Fd(result);
  const hint = attr.type === PERF_TYPE_BREAKPOINT
    ? BREAKPOINT_HINTS[-result]
    : result === -ENOENT && target.flags === PERF_FLAG_PID_CGROUP
    ? NO_CGROUP_EVENTS
    : undefined;
  throw syscallError(result, "perf_event_open", `Cannot open ${what}`, hint);
}

/** From arch/x86/kernel/hw_breakpoint.c and kernel/events/hw_breakpoint.c. */
const BREAKPOINT_HINTS: Readonly<Record<number, string>> = {
  [EINVAL]: 'the address must be a multiple of the length; x86 cannot watch reads alone: use "rw"',
  [ENOSPC]: "the processor's breakpoints (4 on x86) are all in use",
};

/** Until then no cgroup has the state of perf events (6.12): `cgroup_calc_subtree_ss_mask` adds it to what is asked for. */
const NO_CGROUP_EVENTS = "enable a controller in the root cgroup first, as systemd does: " +
  'write "+pids" to its cgroup.subtree_control';

function nameOf({ event, type, config = 0, breakpoint }: PerfEventOptions): string {
  if (breakpoint !== undefined) return `"breakpoint 0x${breakpoint.address.toString(16)}"`;
  return `"${event ?? `${type}:${config}`}"`;
}

function sampling(prog: AttachableProgram, options: PerfEventOptions): PerfEventAttr {
  const inherit = options.pid === undefined ? 0 : PERF_ATTR_FLAGS.inherit;
  // Whoever watches memory wants to see each access.
  const { frequency, period = options.breakpoint === undefined ? undefined : 1 } = options;
  if (frequency !== undefined) {
    if (options.period !== undefined) throw wrong(prog, "give frequency or period, not both");
    if (!Number.isInteger(frequency) || frequency <= 0) {
      throw new RangeError(`Cannot attach program "${prog.name}": frequency ${frequency} is no positive integer`);
    }
    return { sample_freq: frequency, flags: PERF_ATTR_FLAGS.freq + inherit };
  }
  if (period === undefined) missing(prog, "frequency", '99 (samples a second), or "period"');
  if (period <= 0) throw new RangeError(`Cannot attach program "${prog.name}": period ${period} is not positive`);
  return { sample_period: period, flags: inherit };
}

function eventNumbers(prog: AttachableProgram, options: PerfEventOptions): PerfEventAttr {
  const { event, breakpoint } = options;
  if (breakpoint !== undefined) {
    if (event !== undefined || options.type !== undefined) throw wrong(prog, "give event or breakpoint, not both");
    return { type: PERF_TYPE_BREAKPOINT, ...breakpointAttr(prog, breakpoint) };
  }
  if (event === undefined) {
    return { type: options.type ?? missing(prog, "event", '"cpu-clock"'), config: options.config ?? 0 };
  }
  return { ...findPerfEvent(event) };
}

function breakpointAttr(
  prog: AttachableProgram,
  { address, length, access = "rw" }: NonNullable<PerfEventOptions["breakpoint"]>,
): PerfEventAttr {
  const type = BREAKPOINT_TYPES[access];
  if (type === undefined) throw wrong(prog, `access "${access}" is none of r, w, rw, x`);
  // The kernel takes the size of a long, whatever the instruction's.
  const bytes = length ?? 8;
  if (![1, 2, 4, 8].includes(bytes) || (access === "x" && bytes !== 8)) {
    throw new RangeError(`Cannot attach program "${prog.name}": a breakpoint cannot watch ${bytes} bytes`);
  }
  return { bp_type: type, bp_addr: address, bp_len: bytes };
}

function wrong(prog: AttachableProgram, why: string): TypeError {
  return new TypeError(`Cannot attach program "${prog.name}": ${why}`);
}

function targets(prog: AttachableProgram, { pid, cpus }: PerfEventOptions): PerfTarget[] {
  if (pid === undefined) return (cpus ?? onlineCpus()).map((cpu) => ({ pid: -1, cpu }));
  if (cpus !== undefined) throw wrong(prog, "give pid or cpus, not both");
  // An event of a process follows one thread, and with `inherit` the threads that it starts later.
  const process = pid === 0 ? getpid() : pid;
  return readDir(`/proc/${process}/task`).map((tid) => ({ pid: Number(tid), cpu: -1 }));
}
