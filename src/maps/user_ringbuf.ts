/**
 * BPF_MAP_TYPE_USER_RINGBUF (6.1): records from the script to programs, which take them with bpf_user_ringbuf_drain.
 * Here the producer side is ours: we write its position and the data, the kernel writes the consumer position.
 */
import { EPOLLOUT, PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import type { Codec } from "../bytes/codec.ts";
import { describeValue } from "../bytes/layout.ts";
import type { Fd } from "../syscall/fd.ts";
import { Mapping, pageSize } from "../syscall/memory.ts";
import { MapBase, type MapParams } from "./base.ts";
import { bytesCodec } from "./codecs.ts";
import { fence } from "./ring.ts";
import { waiter, type WaitSource } from "./waiter.ts";

const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;
const HEADER = 8;

/** Room for one record in the ring. Submit or discard it; until then programs stop before it. */
export interface Reservation {
  /** The record's bytes, in place. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Hands it to the programs. */
  submit(): void;
  /** Gives it up: programs skip it. */
  discard(): void;
}

/** A user ring buffer. */
export class UserRingBuffer<T = Uint8Array> extends MapBase {
  readonly #codec: Codec<T> | undefined;
  #consumer: Mapping | undefined;
  #producer: Mapping | undefined;
  #consumerWords: Int32Array = new Int32Array(0);
  #producerPosition: BigUint64Array = new BigUint64Array(0);
  #words: Int32Array = new Int32Array(0);
  #position = 0;
  #source: WaitSource | undefined;

  constructor(fd: Fd, params: MapParams, codec?: Codec<T>) {
    super(fd, params);
    this.#codec = codec;
  }

  /** Bytes that fit now, a header of 8 included. */
  get free(): number {
    this.#open();
    return this.maxEntries - this.#used();
  }

  /** Writes one record. False if the ring is full. */
  send(value: T): boolean {
    const codec = this.#codec ?? (bytesCodec(lengthOf(value)) as unknown as Codec<T>);
    const record = this.reserve(codec.size);
    if (record === undefined) return false;
    try {
      codec.write(record.view, 0, value, "record");
    } catch (error) {
      record.discard();
      throw error;
    }
    record.submit();
    return true;
  }

  /** Writes one record, waiting for room. False if there was none within `timeoutMs`, or the ring was closed. */
  async sendWait(value: T, timeoutMs?: number): Promise<boolean> {
    const end = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    for (;;) {
      if (this.closed) return false;
      if (this.send(value)) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      // The kernel wakes writers once per drain, whatever room there is then.
      this.#source ??= waiter().source([this.fd], "level", EPOLLOUT);
      await this.#source.wait(left === Infinity ? undefined : left);
    }
  }

  /** Room for a record of `size` bytes; undefined if the ring is full. Throws `RangeError` if it can never fit. */
  reserve(size: number): Reservation | undefined {
    this.#open();
    const total = (HEADER + size + 7) & ~7;
    if (!Number.isInteger(size) || size < 0 || total > this.maxEntries) {
      throw new RangeError(`Cannot send ${size} bytes through "${this.name}": it has ${this.maxEntries}`);
    }
    if (this.maxEntries - this.#used() < total) return undefined;
    const page = pageSize();
    const at = page + ((this.#position | 0) & (this.maxEntries - 1));
    // The header must say busy before the position says that a record is there.
    this.#words[at >>> 2] = size | BUSY;
    this.#words[(at >>> 2) + 1] = 0;
    this.#position += total;
    Atomics.store(this.#producerPosition, 0, BigInt(this.#position));
    const { buffer } = this.#producer!;
    return {
      bytes: new Uint8Array(buffer, at + HEADER, size),
      view: new DataView(buffer, at + HEADER, size),
      submit: () => this.#commit(at, size),
      discard: () => this.#commit(at, size | DISCARD),
    };
  }

  override close(): void {
    this.#source?.close();
    this.#consumer?.close();
    this.#producer?.close();
    super.close();
  }

  /** Ends a reservation. Atomics.store orders it after the data on every machine. */
  #commit(at: number, header: number): void {
    if (this.closed) throw new TypeError(`Cannot use map "${this.name}": it is closed`);
    Atomics.store(this.#words, at >>> 2, header | 0);
  }

  #used(): number {
    const used = ((this.#position | 0) - this.#consumerWords[0]!) >>> 0;
    fence(); // what the kernel has given back may be overwritten only after this was seen
    return used;
  }

  #open(): void {
    const { fd } = this;
    if (this.#producer !== undefined) return;
    const page = pageSize();
    const what = `user ring buffer "${this.name}"`;
    this.#consumer = Mapping.ofFd(fd, page, { prot: PROT_READ, what });
    this.#producer = Mapping.ofFd(fd, page + 2 * this.maxEntries, { prot: PROT_READ | PROT_WRITE, offset: page, what });
    this.#consumerWords = new Int32Array(this.#consumer.buffer);
    this.#words = new Int32Array(this.#producer.buffer);
    this.#producerPosition = new BigUint64Array(this.#producer.buffer, 0, 1);
    this.#position = Number(this.#producerPosition[0]);
  }
}

function lengthOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  throw new TypeError(`Cannot encode record: takes a Uint8Array, not ${describeValue(value)}`);
}
