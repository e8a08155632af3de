/** The perf events behind a perf event array: one for each CPU, which programs write samples to. */
import { ENODEV } from "../abi/errno.gen.ts";
import { PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW, PERF_TYPE_SOFTWARE } from "../abi/perf.gen.ts";
import { PERF_ATTR_FLAGS } from "../abi/perf.ts";
import { SyscallError } from "../errors.ts";
import { onlineCpus } from "../kernel/cpus.ts";
import type { Fd } from "../syscall/fd.ts";
import type { Mapping } from "../syscall/memory.ts";
import { perfEnable, perfEventOpen, perfMmap } from "../syscall/perf_event.ts";

/** Where perf events go: a perf event array. */
export interface EventArray {
  readonly name: string;
  readonly maxEntries: number;
  set(cpu: number, event: Fd): unknown;
  delete(cpu: number): boolean;
}

/** How the events of an array are opened. */
export interface EventRings {
  /** The CPUs; all online ones that the array has a slot for if left out. */
  readonly cpus: readonly number[] | undefined;
  /** Of data, a power of two. */
  readonly pages: number;
  readonly wakeupEvents: number;
  /** New events go over the oldest ones. */
  readonly overwrite: boolean;
}

/** One CPU's event, its ring mapped and the event in the array. */
export class EventRing implements Disposable {
  readonly cpu: number;
  readonly fd: Fd;
  readonly mapping: Mapping;
  readonly #array: EventArray;

  constructor(cpu: number, fd: Fd, mapping: Mapping, array: EventArray) {
    this.cpu = cpu;
    this.fd = fd;
    this.mapping = mapping;
    this.#array = array;
  }

  close(): void {
    if (this.fd.closed) return;
    try {
      this.#array.delete(this.cpu);
    } catch {
      // The array is closed already; the kernel takes events out with the descriptor that put them in.
    }
    this.mapping.close();
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens an event for each CPU and puts them into the array; if one cannot be, none stays. */
export function openEventRings(array: EventArray, { cpus, pages, wakeupEvents, overwrite }: EventRings): EventRing[] {
  if (pages < 1 || !Number.isInteger(Math.log2(pages))) {
    throw new RangeError(`Cannot open "${array.name}": ${pages} pages is not a power of two`);
  }
  const rings: EventRing[] = [];
  try {
    for (const cpu of cpus ?? onlineCpus()) {
      if (cpu >= array.maxEntries && cpus === undefined) continue;
      const fd = openEvent(cpu, wakeupEvents, overwrite);
      if (fd !== undefined) rings.push(openRing(array, cpu, fd, pages, overwrite));
    }
  } catch (error) {
    for (const ring of rings) ring.close();
    throw error;
  }
  return rings;
}

/** The event of a CPU; undefined if it went offline. */
function openEvent(cpu: number, wakeupEvents: number, overwrite: boolean): Fd | undefined {
  try {
    return perfEventOpen(
      {
        type: PERF_TYPE_SOFTWARE,
        config: PERF_COUNT_SW_BPF_OUTPUT,
        sample_type: PERF_SAMPLE_RAW,
        sample_period: wakeupEvents,
        wakeup_events: wakeupEvents,
        flags: overwrite ? PERF_ATTR_FLAGS.write_backward : 0,
      },
      { pid: -1, cpu },
      `the perf event of CPU ${cpu}`,
    );
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENODEV) return undefined;
    throw error;
  }
}

function openRing(array: EventArray, cpu: number, fd: Fd, pages: number, overwrite: boolean): EventRing {
  let mapping: Mapping | undefined;
  try {
    mapping = perfMmap(fd.number, pages, { readOnly: overwrite });
    perfEnable(fd.number);
    array.set(cpu, fd);
    return new EventRing(cpu, fd, mapping, array);
  } catch (error) {
    mapping?.close();
    fd.close();
    throw error;
  }
}
