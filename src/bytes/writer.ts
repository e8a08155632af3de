/** A growing byte buffer of either byte order, with back-patching: the counterpart of `Cursor`. */
import type { Endian } from "./cursor.ts";

/** Appends numbers and bytes; zeros are zeros because new memory is. */
export class Writer {
  readonly littleEndian: boolean;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(options: { endian?: Endian; capacity?: number } = {}) {
    this.littleEndian = options.endian !== "big";
    this.#bytes = new Uint8Array(options.capacity ?? 256);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far, which is also the offset of the next write. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const start = this.#grow(1);
    this.#view.setUint8(start, value);
    return this;
  }

  u16(value: number): this {
    const start = this.#grow(2);
    this.#view.setUint16(start, value, this.littleEndian);
    return this;
  }

  u32(value: number): this {
    const start = this.#grow(4);
    this.#view.setUint32(start, value, this.littleEndian);
    return this;
  }

  u64(value: bigint | number): this {
    if (typeof value === "number" && value >= 0 && Number.isSafeInteger(value)) {
      const high = Math.floor(value / 0x1_0000_0000);
      return this.littleEndian ? this.u32(value >>> 0).u32(high) : this.u32(high).u32(value >>> 0);
    }
    const start = this.#grow(8);
    this.#view.setBigUint64(start, BigInt.asUintN(64, BigInt(value)), this.littleEndian);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const start = this.#grow(bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  /** `count` zero bytes. */
  zeros(count: number): this {
    this.#grow(count);
    return this;
  }

  /** Zero bytes up to a multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Overwrites four bytes written before. */
  patchU32(offset: number, value: number): void {
    if (offset < 0 || offset + 4 > this.#length) throw new RangeError(`Cannot patch offset ${offset}: out of range`);
    this.#view.setUint32(offset, value, this.littleEndian);
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** Makes room and returns where it starts. It may replace #bytes and #view: call it before reading either. */
  #grow(count: number): number {
    const start = this.#length;
    const needed = start + count;
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      bytes.set(this.#bytes.subarray(0, start));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    this.#length = needed;
    return start;
  }
}
