/**
 * The memory of a BPF ring buffer as its reader sees it: kernel/bpf/ringbuf.c. One page with the consumer position,
 * which this side writes; one page with the producer position and the data, mapped twice in a row, so that a record
 * that wraps lies in one piece.
 *
 * Ordering. A record's data may be read only after its header was seen not busy, and the consumer position may be
 * written only after the data was read. x86-64 keeps loads in order and loads before stores, so there a record is visited
 * as soon as its header is read. arm64 does not, and JavaScript has no load-acquire for memory like this (Bun 1.4 crashes
 * in Atomics.load over a read-only mapping), so there a piece of the ring is taken in steps: read the headers up to the
 * first busy one, `fence()`, read the data. On both the position is stored with Atomics.store (stlr on arm64: everything
 * before it is done). `fence()` stores to and loads from a private word: earlier accesses come before the store-release,
 * that before the load-acquire, that before later accesses. It also keeps the compilers from moving loads. A fence costs
 * about 15 ns: one per record would cost more than decoding; a second walk over the headers of a piece costs 5 ns a record.
 */
import type { Arch } from "../abi/arch.ts";
import { PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import { Mapping, pageSize } from "../syscall/memory.ts";
import { runtime } from "../syscall/runtime/mod.ts";
import { type RecordVisitor, type Walk, type Walked, walkRecords } from "./walk.ts";

const LENGTH = 0x3fff_ffff;
const HEADER = 8;

/** Records of one piece; positions are released, and memory ordered, once per piece. */
const PIECE_RECORDS = 1024;

const word = new Int32Array(new SharedArrayBuffer(4));

/** Orders all memory accesses before it and after it. */
export function fence(): void {
  Atomics.store(word, 0, 0);
  Atomics.load(word, 0);
}

/** Counts since the ring was opened. */
export interface RingCounters {
  /** Records delivered. */
  records: number;
  /** Bytes of them. */
  bytes: number;
  /** Records that the program reserved and discarded. */
  discarded: number;
}

/** A mapped ring. */
export class Ring implements Disposable {
  /** Bytes of data: the map's max_entries. */
  readonly size: number;
  readonly counters: RingCounters = { records: 0, bytes: 0, discarded: 0 };
  readonly #consumer: Mapping;
  readonly #producer: Mapping;
  readonly #consumerPosition: BigUint64Array;
  readonly #consumerLow: Int32Array;
  /** The producers' position. */
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #dataAt: number;
  readonly #mask: number;
  readonly #pieceBytes: number;
  /** Where reading goes on: a count of bytes that only grows; exact up to 2^53, and a year has 2^55 nanoseconds. */
  #position: number;
  #scanning = false;
  /** Of the last piece. */
  readonly #walked: Walked = { done: 0, records: 0, bytes: 0, discarded: 0, stopped: false };
  /** The machine may read data before the header that was read before it. */
  readonly #reorders: boolean;

  /** Maps the ring of a BPF_MAP_TYPE_RINGBUF. Throws `SyscallError`. */
  constructor(fd: number, size: number, arch: Arch = runtime().arch) {
    const page = pageSize();
    this.size = size;
    this.#mask = size - 1;
    this.#consumer = Mapping.ofFd(fd, page, { prot: PROT_READ | PROT_WRITE, what: "the ring's consumer page" });
    try {
      this.#producer = Mapping.ofFd(fd, page + 2 * size, { prot: PROT_READ, offset: page, what: "the ring's data" });
    } catch (error) {
      this.#consumer.close();
      throw error;
    }
    this.#consumerPosition = new BigUint64Array(this.#consumer.buffer, 0, 1);
    this.#consumerLow = new Int32Array(this.#consumer.buffer, 0, 1);
    this.#words = new Int32Array(this.#producer.buffer, 0, 2);
    this.#view = new DataView(this.#producer.buffer);
    this.#dataAt = page;
    this.#position = Number(this.#consumerPosition[0]);
    this.#reorders = arch !== "x86_64";
    // Space is given back to the producers a quarter of the ring at a time, and every 1024 records.
    this.#pieceBytes = Math.max(size >>> 2, 8);
  }

  /** Bytes written and not read yet, headers included. */
  get available(): number {
    return (this.#words[0]! - (this.#position | 0)) >>> 0;
  }

  /**
   * Visits the records that are there, at most `limit`. Stops at a record that is still being written. Returns how
   * many it visited. If `visit` throws, its record counts as read and the error passes through. `walk` is the loop.
   */
  scan(visit: RecordVisitor, limit: number = Infinity, walk: Walk = walkRecords): number {
    if (this.#scanning) throw new TypeError("Cannot read the ring: it is being read by an outer call");
    this.#scanning = true;
    const walked = this.#walked;
    let total = 0;
    try {
      while (total < limit) {
        this.#piece(visit, Math.min(limit - total, PIECE_RECORDS), walk);
        total += walked.records;
        if (walked.stopped || walked.done === 0) break; // 0: empty, or the oldest record is busy
      }
    } finally {
      this.#scanning = false;
    }
    return total;
  }

  close(): void {
    this.#consumer.close();
    this.#producer.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Visits one piece, at most `limit` records. */
  #piece(visit: RecordVisitor, limit: number, walk: Walk): void {
    const walked = this.#walked;
    walked.done =
      walked.records =
      walked.bytes =
      walked.discarded =
        0;
    walked.stopped = false;
    const available = Math.min(this.available, this.#pieceBytes);
    if (available === 0) return;
    const from = this.#dataAt + (this.#position & this.#mask);
    const stop = from + (this.#reorders ? this.#ready(from, limit, available) : available);
    try {
      walk(this.#view, from, stop, limit, visit, walked);
    } finally {
      const { counters } = this;
      counters.records += walked.records;
      counters.bytes += walked.bytes;
      counters.discarded += walked.discarded;
      if (walked.done > 0) this.#release(walked.done);
    }
  }

  /** How many of `bytes` are records that are written, about `limit` of them. Their data may be read after it. */
  #ready(from: number, limit: number, bytes: number): number {
    fence();
    const view = this.#view;
    const stop = from + bytes;
    let at = from;
    for (let count = 0; at < stop && count < limit; count++) {
      const header = view.getInt32(at, true);
      if (header < 0) break; // busy
      at += ((header & LENGTH) + HEADER + 7) & ~7;
    }
    fence();
    return at - from;
  }

  /**
   * Gives the first `bytes` back to the producers, release-ordered. The kernel reads 64 bits: the upper half is stored
   * only when it changes, with the lower one in one go; a store of 64 bits takes a BigInt, ten times the cost.
   */
  #release(bytes: number): void {
    const before = this.#position;
    this.#position += bytes;
    if (Math.floor(before / 2 ** 32) === Math.floor(this.#position / 2 ** 32)) {
      Atomics.store(this.#consumerLow, 0, this.#position | 0);
    } else {
      Atomics.store(this.#consumerPosition, 0, BigInt(this.#position));
    }
  }
}
