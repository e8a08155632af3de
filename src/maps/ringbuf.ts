/**
 * BPF_MAP_TYPE_RINGBUF (Linux 5.8): records from programs, in order over all CPUs, never lost once the kernel accepted
 * them. A program whose record does not fit gets an error and must count it itself: the kernel keeps no count.
 */
import { BPF_F_RB_OVERWRITE } from "../abi/bpf.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import { NotSupportedError } from "../errors.ts";
import type { Fd } from "../syscall/fd.ts";
import { MapBase, type MapParams } from "./base.ts";
import { EventDecoder } from "./event_decoder.ts";
import { EventReader, type ReadOptions } from "./events.ts";
import { OwnCode } from "./own_code.ts";
import { Ring } from "./ring.ts";
import { type RecordVisitor, type Walk, walkRecords } from "./walk.ts";

/** Numbers of a ring since it was opened here. */
export interface RingStats {
  /** Records read. */
  readonly records: number;
  /** Bytes of them, without headers. */
  readonly bytes: number;
  /** Records that programs reserved and discarded. */
  readonly discarded: number;
  /** Bytes in the kernel's buffer, not read yet, headers included. */
  readonly available: number;
  /** Records decoded and waiting for an async reader. */
  readonly queued: number;
  /** Bytes of the ring. */
  readonly size: number;
}

/**
 * A ring buffer. Without a codec events are copies of the records' bytes.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * for await (const event of ring) console.log(event.pid, event.comm);
 * ```
 */
export class RingBuffer<T = Uint8Array> extends MapBase implements AsyncIterable<T> {
  readonly #decoder: EventDecoder<T>;
  readonly #reader: EventReader<T>;
  /** The loop of `scan`. */
  readonly #walk: OwnCode<Walk> = new OwnCode(walkRecords);
  #ring: Ring | undefined;

  constructor(fd: Fd, params: MapParams, codec?: Codec<T>) {
    super(fd, params);
    this.#decoder = new EventDecoder(codec, `ring buffer "${params.name}"`);
    this.#reader = new EventReader<T>({
      fds: [this.fd],
      mode: "level",
      drain: (out, limit) => this.#scan((event) => void out.push(event), limit),
      busy: () => this.#open().available > 0,
    });
  }

  /** The events, one by one, until the loop or the ring ends. One reader at a time gets each event. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#reader.read();
  }

  /** The same with options: an AbortSignal, a flush interval. */
  read(options?: ReadOptions): AsyncIterableIterator<T> {
    return this.#reader.read(options);
  }

  /** Arrays of the events that were there, at most 1024 each: cheaper than one by one. */
  batches(options?: ReadOptions): AsyncIterableIterator<T[]> {
    return this.#reader.batches(options);
  }

  /** The next event, or undefined if none came within `timeoutMs`. */
  next(timeoutMs?: number): Promise<T | undefined> {
    return this.#reader.next(timeoutMs);
  }

  /**
   * Calls `handler` with each event that is there, at most `limit`, without waiting; the fastest way to read objects.
   * The handler may return false to stop. Returns how many there were.
   */
  consume(handler: (event: T) => boolean | void, limit: number = Infinity): number {
    const { count, stopped } = this.#reader.consumeQueued(handler, limit);
    return stopped ? count : count + this.#scan(handler, limit - count);
  }

  /**
   * The same with one object for all events, whose properties are read from the ring when they are asked for: the
   * fastest way to read fields by name. It holds during the call only; what is to be kept is copied out of it, or read
   * with `consume`. Fields that are structs or arrays are objects of their own.
   *
   * @example
   * ```ts ignore
   * // ignored: needs a running kernel
   * ring.each((event) => void (total += event.bytes));
   * ```
   */
  each(handler: (event: Readonly<T>) => boolean | void, limit: number = Infinity): number {
    const { count, stopped } = this.#reader.consumeQueued(handler, limit);
    if (stopped) return count;
    return count + this.#decoder.each(handler, (visit, walk) => this.#open().scan(visit, limit - count, walk));
  }

  /**
   * Calls `visit` with the bytes of each record, in place: nothing is copied or decoded. They are valid during the call
   * only. The fastest way to read a field or two.
   *
   * @example
   * ```ts ignore
   * // ignored: needs a running kernel
   * let total = 0;
   * ring.scan((view, offset) => void (total += view.getUint32(offset + 8, true)));
   * ```
   */
  scan(visit: RecordVisitor, limit: number = Infinity): number {
    const count = this.#open().scan(visit, limit, this.#walk.code);
    this.#walk.warm(count);
    return count;
  }

  /** Counts, and how full the ring is. */
  stats(): RingStats {
    const ring = this.#ring;
    const counters = ring?.counters ?? { records: 0, bytes: 0, discarded: 0 };
    return {
      ...counters,
      available: ring === undefined || this.closed ? 0 : ring.available,
      queued: this.#reader.queued,
      size: this.maxEntries,
    };
  }

  override close(): void {
    this.#reader.close();
    this.#ring?.close();
    super.close();
  }

  #open(): Ring {
    const { fd } = this; // throws once closed
    if (this.#ring !== undefined) return this.#ring;
    if (this.flags & BPF_F_RB_OVERWRITE) {
      throw new NotSupportedError("reading a ring buffer that overwrites", {
        message: `Cannot read ring buffer "${this.name}": it overwrites old records (BPF_F_RB_OVERWRITE)`,
        hint: "create it without BPF_F_RB_OVERWRITE",
      });
    }
    return this.#ring = new Ring(fd, this.maxEntries);
  }

  #scan(handler: (event: T) => boolean | void, limit: number): number {
    return this.#decoder.consume(handler, (visit, walk) => this.#open().scan(visit, limit, walk));
  }
}
