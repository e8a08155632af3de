/**
 * A perf event array as a flight recorder (Linux 4.7): programs always write, the newest event goes over the oldest, and
 * nobody is woken. What is there is read when something interesting has happened. The kernel fills such a ring from its end
 * to its start, so that reading from the head on gives the newest event first; it is paused meanwhile.
 */
import { PERF_RECORD_SAMPLE } from "../abi/perf.gen.ts";
import { perf_event_mmap_page } from "../abi/perf.ts";
import type { Codec } from "../bytes/codec.ts";
import { FormatError } from "../errors.ts";
import { pageSize } from "../syscall/memory.ts";
import { perfPauseOutput } from "../syscall/perf_event.ts";
import { EventDecoder } from "./event_decoder.ts";
import { type EventArray, type EventRing, openEventRings } from "./perf_event.ts";
import { fence } from "./ring.ts";
import type { RecordVisitor } from "./walk.ts";

/** Options of opening a perf event array that overwrites. */
export interface PerfOverwriteOptions {
  /** Pages per CPU, a power of two; 64 by default. */
  readonly pages?: number;
  /** The CPUs; the online ones by default. */
  readonly cpus?: readonly number[];
}

const HEAD = perf_event_mmap_page.data_head[0];
const HEADER = 8;

/**
 * The newest events of each CPU.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * using recorder = array.openOverwrite({ pages: 16 });
 * await trouble();
 * for (const event of recorder.snapshot()) console.log(event);
 * ```
 */
export class PerfOverwriteBuffer<T = Uint8Array> implements Disposable {
  readonly #name: string;
  readonly #decoder: EventDecoder<T>;
  readonly #rings: readonly EventRing[];
  /** By ring: its head at the last reading, a count of bytes that goes down from 0. */
  readonly #heads: bigint[];
  #closed = false;

  /** Use `PerfEventArray.openOverwrite`. */
  constructor(array: EventArray, codec: Codec<T> | undefined, { pages = 64, cpus }: PerfOverwriteOptions) {
    this.#name = array.name;
    this.#decoder = new EventDecoder(codec, `perf event array "${array.name}"`);
    this.#rings = openEventRings(array, { cpus, pages, wakeupEvents: 1, overwrite: true });
    this.#heads = this.#rings.map(() => 0n);
  }

  /** The CPUs that are recorded. */
  get cpus(): number[] {
    return this.#rings.map((ring) => ring.cpu);
  }

  /**
   * The events since the last snapshot that were not overwritten, CPU by CPU, within a CPU the oldest first. What programs
   * write to a CPU's ring while it is read is lost; it takes microseconds.
   */
  snapshot(): T[] {
    if (this.#closed) throw new TypeError(`Cannot read perf buffer "${this.#name}": it is closed`);
    const events: T[] = [];
    for (const [i, ring] of this.#rings.entries()) {
      const ofCpu: T[] = [];
      this.#decoder.consume((event) => void ofCpu.push(event), (visit) => {
        perfPauseOutput(ring.fd.number, true);
        try {
          this.#heads[i] = readBackwards(ring, this.#heads[i]!, visit);
        } finally {
          perfPauseOutput(ring.fd.number, false);
        }
        return ofCpu.length;
      });
      for (const event of ofCpu.reverse()) events.push(event);
    }
    return events;
  }

  /** Takes the events out of the array and closes them. */
  close(): void {
    this.#closed = true;
    for (const ring of this.#rings) ring.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Visits what was written since `last`, the newest first. Returns the head. */
function readBackwards({ mapping }: EventRing, last: bigint, visit: RecordVisitor): bigint {
  const dataAt = pageSize();
  const size = mapping.length - dataAt;
  const ring = new Uint8Array(mapping.buffer, dataAt, size);
  const head = new DataView(mapping.buffer).getBigInt64(HEAD, true);
  fence();
  // Copied so that no record wraps: from the head on, as much as was written and is not overwritten.
  const start = Number(BigInt.asUintN(52, head)) % size;
  const length = Math.min(Number(last - head), size);
  const copy = new Uint8Array(length);
  const first = Math.min(length, size - start);
  copy.set(ring.subarray(start, start + first));
  copy.set(ring.subarray(0, length - first), first);
  const view = new DataView(copy.buffer);
  for (let at = 0; at + HEADER <= length;) {
    const bytes = view.getUint16(at + 6, true);
    if (bytes < HEADER) throw new FormatError("perf buffer", `a record has ${bytes} bytes`);
    if (at + bytes > length) break; // its end is overwritten
    // struct { header; u32 size; char data[size]; }
    if (view.getUint32(at, true) === PERF_RECORD_SAMPLE) {
      visit(view, at + HEADER + 4, view.getUint32(at + HEADER, true));
    }
    at += bytes;
  }
  return head;
}
