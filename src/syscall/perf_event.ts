/**
 * perf_event_open(2), its ioctls and its ring's memory. The attribute is written from the table in src/abi/perf.ts.
 */
import {
  PERF_ATTR_SIZE_VER5,
  perf_event_attr,
  PERF_EVENT_IOC_DISABLE,
  PERF_EVENT_IOC_ENABLE,
  PERF_EVENT_IOC_ID,
  PERF_EVENT_IOC_PAUSE_OUTPUT,
  PERF_EVENT_IOC_PERIOD,
  PERF_EVENT_IOC_QUERY_BPF,
  PERF_EVENT_IOC_REFRESH,
  PERF_EVENT_IOC_RESET,
  PERF_EVENT_IOC_SET_BPF,
  PERF_EVENT_IOC_SET_FILTER,
  PERF_EVENT_IOC_SET_OUTPUT,
  PERF_FLAG_FD_CLOEXEC,
} from "../abi/perf.ts";
import { PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import { ENOSPC } from "../abi/errno.gen.ts";
import { type StructInput, structSize, writeStruct } from "../abi/struct.ts";
import { Fd } from "./fd.ts";
import { call, check } from "./libc.ts";
import { arena, Mapping, pageSize } from "./memory.ts";

/** `struct perf_event_attr`; text and bytes (`uprobe_path`, `kprobe_func`) are copied for the call. */
export type PerfEventAttr =
  & { readonly [F in keyof StructInput<typeof perf_event_attr>]: StructInput<typeof perf_event_attr>[F] | string }
  & { readonly size?: number };

/** Whom an event watches. */
export interface PerfTarget {
  /** A process, 0 for this one, -1 for all (then `cpu` must be given). */
  readonly pid?: number | undefined;
  /** A CPU, or -1 for any. */
  readonly cpu?: number | undefined;
  /** The leader of the event's group. */
  readonly groupFd?: number | undefined;
  /** PERF_FLAG_* besides CLOEXEC; with PERF_FLAG_PID_CGROUP `pid` is the descriptor of a cgroup. */
  readonly flags?: number | undefined;
}

/** perf_event_open(2), returning a number or `-errno`. */
export function tryPerfEventOpen(attr: PerfEventAttr, target: PerfTarget = {}): number {
  using scope = arena().scope();
  const block = scope.alloc(structSize(perf_event_attr));
  const values: Record<string, bigint | number> = {};
  for (const [name, value] of Object.entries(attr)) {
    if (value !== undefined) values[name] = typeof value === "string" ? scope.string(value) : value;
  }
  const used = writeStruct(block.view, 0, perf_event_attr, values);
  // The size must be one the kernel knows, or larger with zeros after; 112 bytes are known since 4.1.
  block.view.setUint32(4, Math.max(used, attr.size ?? PERF_ATTR_SIZE_VER5), true);
  const flags = (target.flags ?? 0) | PERF_FLAG_FD_CLOEXEC;
  return call("perf_event_open", block.address, target.pid ?? -1, target.cpu ?? -1, target.groupFd ?? -1, flags);
}

/** perf_event_open(2) with PERF_FLAG_FD_CLOEXEC. Throws `SyscallError`; `what` names the event in its message. */
export function perfEventOpen(attr: PerfEventAttr, target: PerfTarget = {}, what = "perf event"): Fd {
  return new Fd(check(tryPerfEventOpen(attr, target), "perf_event_open", () => `Cannot open ${what}`));
}

/** Starts counting or sampling. */
export function perfEnable(fd: number): void {
  check(call("ioctl", fd, PERF_EVENT_IOC_ENABLE, 0), "ioctl(PERF_EVENT_IOC_ENABLE)", "Cannot enable the perf event");
}

/** Stops it. */
export function perfDisable(fd: number): void {
  check(call("ioctl", fd, PERF_EVENT_IOC_DISABLE, 0), "ioctl(PERF_EVENT_IOC_DISABLE)", "Cannot disable the perf event");
}

/** Sets the counter to zero. */
export function perfReset(fd: number): void {
  check(call("ioctl", fd, PERF_EVENT_IOC_RESET, 0), "ioctl(PERF_EVENT_IOC_RESET)", "Cannot reset the perf event");
}

/** Lets the event overflow `count` more times. */
export function perfRefresh(fd: number, count: number): void {
  check(
    call("ioctl", fd, PERF_EVENT_IOC_REFRESH, count),
    "ioctl(PERF_EVENT_IOC_REFRESH)",
    "Cannot refresh the perf event",
  );
}

/** Runs a BPF program on the event. Several programs may share a tracepoint or probe (4.14). */
export function perfSetBpf(fd: number, progFd: number): void {
  check(
    call("ioctl", fd, PERF_EVENT_IOC_SET_BPF, progFd),
    "ioctl(PERF_EVENT_IOC_SET_BPF)",
    "Cannot attach the program to the perf event",
  );
}

/** Sends the event's samples to another event's ring. */
export function perfSetOutput(fd: number, otherFd: number): void {
  check(
    call("ioctl", fd, PERF_EVENT_IOC_SET_OUTPUT, otherFd),
    "ioctl(PERF_EVENT_IOC_SET_OUTPUT)",
    "Cannot redirect the perf event",
  );
}

/** Stops or resumes writing to the event's ring: needed to read a ring that overwrites (4.7). */
export function perfPauseOutput(fd: number, pause: boolean): void {
  check(
    call("ioctl", fd, PERF_EVENT_IOC_PAUSE_OUTPUT, pause ? 1 : 0),
    "ioctl(PERF_EVENT_IOC_PAUSE_OUTPUT)",
    "Cannot pause the perf event",
  );
}

/** Changes the period. */
export function perfPeriod(fd: number, period: bigint | number): void {
  using scope = arena().scope();
  check(
    call("ioctl", fd, PERF_EVENT_IOC_PERIOD, scope.u64s([period])),
    "ioctl(PERF_EVENT_IOC_PERIOD)",
    "Cannot set the period",
  );
}

/** Filters a tracepoint by an expression over its fields. */
export function perfSetFilter(fd: number, filter: string): void {
  using scope = arena().scope();
  check(
    call("ioctl", fd, PERF_EVENT_IOC_SET_FILTER, scope.string(filter)),
    "ioctl(PERF_EVENT_IOC_SET_FILTER)",
    `Cannot set the filter "${filter}"`,
  );
}

/** The event's id in samples of a shared ring. */
export function perfId(fd: number): bigint {
  using scope = arena().scope();
  const { address, view } = scope.alloc(8);
  check(call("ioctl", fd, PERF_EVENT_IOC_ID, address), "ioctl(PERF_EVENT_IOC_ID)", "Cannot read the perf event's id");
  return view.getBigUint64(0, true);
}

/** The ids of the programs that run on a tracepoint event (4.15). */
export function perfQueryBpf(fd: number): number[] {
  using scope = arena().scope();
  for (let capacity = 64;; capacity *= 4) {
    // struct perf_event_query_bpf: u32 ids_len, u32 prog_cnt, u32 ids[]
    const { address, view } = scope.alloc(8 + capacity * 4);
    view.setUint32(0, capacity, true);
    const result = call("ioctl", fd, PERF_EVENT_IOC_QUERY_BPF, address);
    if (result === -ENOSPC && capacity < 1 << 16) continue;
    check(result, "ioctl(PERF_EVENT_IOC_QUERY_BPF)", "Cannot list the perf event's programs");
    return Array.from({ length: view.getUint32(4, true) }, (_, i) => view.getUint32(8 + i * 4, true));
  }
}

/** Counter value with enabled and running times, for `read_format` TOTAL_TIME_ENABLED | TOTAL_TIME_RUNNING. */
export function perfRead(fd: number): { value: bigint; enabled: bigint; running: bigint } {
  using scope = arena().scope();
  const { address, view } = scope.alloc(24);
  check(call("read", fd, address, 24), "read", "Cannot read the perf event");
  return {
    value: view.getBigUint64(0, true),
    enabled: view.getBigUint64(8, true),
    running: view.getBigUint64(16, true),
  };
}

/** Maps an event's ring: a control page and `dataPages` (a power of two) of data. */
export function perfMmap(fd: number, dataPages: number, options: { readOnly?: boolean } = {}): Mapping {
  if (!Number.isInteger(Math.log2(dataPages))) {
    throw new RangeError(`Cannot map ${dataPages} pages: the number must be a power of two`);
  }
  // A ring that overwrites is mapped without PROT_WRITE: that is what makes the kernel not wait for the reader.
  const prot = options.readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  return Mapping.ofFd(fd, (dataPages + 1) * pageSize(), { prot, what: "the perf event's ring" });
}
