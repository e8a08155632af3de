/**
 * Reads the events that programs write to a perf event array: a ring per CPU, of kernel/events/ring_buffer.c. Order holds
 * within a CPU only. What did not fit is counted by the kernel and reported as lost.
 */
import { PERF_RECORD_LOST, PERF_RECORD_SAMPLE } from "../abi/perf.gen.ts";
import { perf_event_mmap_page } from "../abi/perf.ts";
import type { Codec } from "../bytes/codec.ts";
import { FormatError } from "../errors.ts";
import { type Mapping, pageSize } from "../syscall/memory.ts";
import { EventDecoder } from "./event_decoder.ts";
import { EventReader, type ReadOptions } from "./events.ts";
import { type EventArray, type EventRing, openEventRings } from "./perf_event.ts";
import { fence } from "./ring.ts";
import type { RecordVisitor } from "./walk.ts";

/** Options of opening a perf event array. */
export interface PerfBufferOptions {
  /** Pages per CPU, a power of two; 64 by default. */
  readonly pages?: number;
  /** Wake the reader every n-th event; 1 by default. Give readers `flushMs` for the events before the n-th. */
  readonly wakeupEvents?: number;
  /** The CPUs; the online ones by default. */
  readonly cpus?: readonly number[];
  /** Called when events of a CPU were lost. They are counted in `stats().lost` as well. */
  readonly onLost?: (cpu: number, count: number) => void;
}

/** Numbers of a perf buffer since it was opened. */
export interface PerfStats {
  /** Events read. */
  readonly records: number;
  readonly bytes: number;
  /** Events that did not fit, as the kernel reported them so far: it does so with the next event that fits. */
  readonly lost: number;
  readonly queued: number;
  /** CPU → lost events. */
  readonly lostByCpu: ReadonlyMap<number, number>;
}

const DATA_HEAD = perf_event_mmap_page.data_head[0];
const DATA_TAIL = perf_event_mmap_page.data_tail[0];
const RECORD_HEADER = 8;

/**
 * A reader of one perf event array.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * using buffer = array.open({ pages: 16, onLost: (cpu, count) => console.warn(`CPU ${cpu} lost ${count}`) });
 * for await (const event of buffer) console.log(event);
 * ```
 */
export class PerfBuffer<T = Uint8Array> implements AsyncIterable<T>, Disposable {
  readonly #array: EventArray;
  readonly #decoder: EventDecoder<T>;
  readonly #events: readonly EventRing[];
  readonly #rings: readonly PerfRing[];
  readonly #reader: EventReader<T>;
  readonly #onLost: ((cpu: number, count: number) => void) | undefined;
  readonly #lost: Map<number, number> = new Map();
  #nextRing = 0;
  #closed = false;

  /** Use `PerfEventArray.open`. */
  constructor(array: EventArray, codec: Codec<T> | undefined, options: PerfBufferOptions) {
    const { pages = 64, wakeupEvents = 1, onLost } = options;
    if (!Number.isInteger(wakeupEvents) || wakeupEvents < 1) {
      throw new RangeError(`Cannot open "${array.name}": cannot wake every ${wakeupEvents} events`);
    }
    this.#array = array;
    this.#decoder = new EventDecoder(codec, `perf event array "${array.name}"`);
    this.#onLost = onLost;
    this.#events = openEventRings(array, { cpus: options.cpus, pages, wakeupEvents, overwrite: false });
    this.#rings = this.#events.map(({ cpu, mapping }) => new PerfRing(cpu, mapping));
    this.#reader = new EventReader<T>({
      fds: this.#events.map((event) => event.fd.number),
      mode: "edge",
      drain: (out, limit) => this.#consume((event) => void out.push(event), limit),
      busy: () => false, // the head moves when a record is complete
    });
  }

  /** The CPUs that are read. */
  get cpus(): number[] {
    return this.#rings.map((ring) => ring.cpu);
  }

  /** The events, one by one. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#reader.read();
  }

  /** The same with options: an AbortSignal, a flush interval. */
  read(options?: ReadOptions): AsyncIterableIterator<T> {
    return this.#reader.read(options);
  }

  /** Arrays of the events that were there. */
  batches(options?: ReadOptions): AsyncIterableIterator<T[]> {
    return this.#reader.batches(options);
  }

  /** The next event, or undefined if none came within `timeoutMs`. */
  next(timeoutMs?: number): Promise<T | undefined> {
    return this.#reader.next(timeoutMs);
  }

  /** Calls `handler` with each event that is there; it may return false to stop. Returns how many there were. */
  consume(handler: (event: T) => boolean | void, limit: number = Infinity): number {
    const { count, stopped } = this.#reader.consumeQueued(handler, limit);
    return stopped ? count : count + this.#consume(handler, limit - count);
  }

  /** The same with one object for all events, whose properties are read when asked for: see `RingBuffer.each`. */
  each(handler: (event: Readonly<T>) => boolean | void, limit: number = Infinity): number {
    const { count, stopped } = this.#reader.consumeQueued(handler, limit);
    return stopped ? count : count + this.#decoder.each(handler, (visit) => this.#drain(visit, limit - count));
  }

  /** Calls `visit` with the bytes of each event, valid during the call only. */
  scan(visit: RecordVisitor, limit: number = Infinity): number {
    return this.#drain(visit, limit);
  }

  /** Events lost so far, over all CPUs. */
  get lost(): number {
    let total = 0;
    for (const count of this.#lost.values()) total += count;
    return total;
  }

  stats(): PerfStats {
    return {
      records: this.#rings.reduce((sum, ring) => sum + ring.records, 0),
      bytes: this.#rings.reduce((sum, ring) => sum + ring.bytes, 0),
      lost: this.lost,
      queued: this.#reader.queued,
      lostByCpu: new Map(this.#lost),
    };
  }

  /** Ends all loops, takes the events out of the array and closes them. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.close();
    for (const event of this.#events) event.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads the rings in turn, starting with another one each time, so that a busy CPU does not starve the others. */
  #drain(visit: RecordVisitor, limit: number): number {
    if (this.#closed) throw new TypeError(`Cannot read perf buffer "${this.#array.name}": it is closed`);
    let total = 0;
    for (let i = 0; i < this.#rings.length && total < limit; i++) {
      const ring = this.#rings[(this.#nextRing + i) % this.#rings.length]!;
      total += ring.scan(visit, limit - total, (count) => this.#addLost(ring.cpu, count));
      if (ring.stopped) break;
    }
    if (this.#rings.length > 0) this.#nextRing = (this.#nextRing + 1) % this.#rings.length;
    return total;
  }

  #addLost(cpu: number, count: number): void {
    this.#lost.set(cpu, (this.#lost.get(cpu) ?? 0) + count);
    this.#onLost?.(cpu, count);
  }

  #consume(handler: (event: T) => boolean | void, limit: number): number {
    return this.#decoder.consume(handler, (visit) => this.#drain(visit, limit));
  }
}

/** One CPU's ring: head written by the kernel, tail by this side. */
class PerfRing {
  readonly cpu: number;
  /** Samples visited, and their bytes. */
  records = 0;
  bytes = 0;
  /** Whether the last visitor stopped. */
  stopped = false;
  readonly #words: Int32Array;
  readonly #tail: BigUint64Array;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  readonly #dataAt: number;
  #position: number;
  /** Holds records that wrap. */
  #scratch: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));
  #scanning = false;

  constructor(cpu: number, mapping: Mapping) {
    this.cpu = cpu;
    this.#dataAt = pageSize();
    this.#size = mapping.length - this.#dataAt;
    this.#words = new Int32Array(mapping.buffer);
    this.#tail = new BigUint64Array(mapping.buffer, DATA_TAIL, 1);
    this.#view = new DataView(mapping.buffer);
    this.#bytes = new Uint8Array(mapping.buffer);
    this.#position = Number(this.#tail[0]);
  }

  /**
   * Visits the samples that are there, at most `limit`, and reports losses; see ring.ts about ordering: the head tells of
   * whole records, so one fence is enough. Returns how many.
   */
  scan(visit: RecordVisitor, limit: number, onLost: (count: number) => void): number {
    if (this.#scanning) throw new TypeError("Cannot read the perf buffer: it is being read by an outer call");
    this.#scanning = true;
    this.stopped = false;
    const words = this.#words;
    const view = this.#view;
    const dataAt = this.#dataAt;
    const mask = this.#size - 1;
    const start = this.#position | 0;
    const available = (words[DATA_HEAD >>> 2]! - start) >>> 0;
    const end = dataAt + this.#size;
    fence();
    let done = 0;
    let released = 0;
    let count = 0;
    let bytes = 0;
    try {
      while (done < available && count < limit) {
        const at = dataAt + ((start + done) & mask);
        const size = view.getUint16(at + 6, true);
        if (size < RECORD_HEADER) throw new FormatError("perf buffer", `a record has ${size} bytes`);
        done += size;
        if (view.getInt32(at, true) === PERF_RECORD_SAMPLE) {
          // struct { header; u32 size; char data[size]; }
          const wraps = at + size > end;
          const record = wraps ? this.#unwrap(at, size, end) : view;
          const dataOf = (wraps ? 0 : at) + RECORD_HEADER;
          const length = record.getInt32(dataOf, true);
          count++;
          bytes += length;
          if (visit(record, dataOf + 4, length) === false) {
            this.stopped = true;
            break;
          }
        } else if (view.getInt32(at, true) === PERF_RECORD_LOST) {
          onLost(this.#lost(at, size, end));
        }
        if (done - released > this.#size >> 2) this.#release(released = done);
      }
    } finally {
      this.records += count;
      this.bytes += bytes;
      this.#release(done);
      this.#position += done;
      this.#scanning = false;
    }
    return count;
  }

  /** Gives space back to the kernel: one 64-bit store, release-ordered. */
  #release(ahead: number): void {
    if (ahead > 0) Atomics.store(this.#tail, 0, BigInt(this.#position + ahead));
  }

  /** struct { header; u64 id; u64 lost; } */
  #lost(at: number, size: number, end: number): number {
    const wraps = at + size > end;
    return Number((wraps ? this.#unwrap(at, size, end) : this.#view).getBigUint64((wraps ? 0 : at) + 16, true));
  }

  #unwrap(at: number, size: number, end: number): DataView {
    if (this.#scratch.byteLength < size) this.#scratch = new DataView(new ArrayBuffer(1 << 16));
    const scratch = new Uint8Array(this.#scratch.buffer);
    scratch.set(this.#bytes.subarray(at, end));
    scratch.set(this.#bytes.subarray(this.#dataAt, this.#dataAt + size - (end - at)), end - at);
    return this.#scratch;
  }
}
