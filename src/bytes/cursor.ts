/**
 * A bounds-checked reader over bytes of either byte order. Reading past the end throws `FormatError` with the
 * path of the field, never the engine's bare `RangeError`.
 */
import { FormatError } from "../errors.ts";

export type Endian = "little" | "big";

/** Reads numbers one after the other from `offset` on. */
export class Cursor {
  /** Where these bytes come from, as errors print it. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** Position in `bytes`; may be set. */
  offset: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, options: { endian?: Endian; path?: string; offset?: number } = {}) {
    this.bytes = bytes;
    this.littleEndian = options.endian !== "big";
    this.path = options.path ?? "";
    this.offset = options.offset ?? 0;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  u8(what?: string): number {
    return this.#view.getUint8(this.#take(1, what));
  }

  u16(what?: string): number {
    return this.#view.getUint16(this.#take(2, what), this.littleEndian);
  }

  u32(what?: string): number {
    return this.#view.getUint32(this.#take(4, what), this.littleEndian);
  }

  i32(what?: string): number {
    return this.#view.getInt32(this.#take(4, what), this.littleEndian);
  }

  u64(what?: string): bigint {
    return this.#view.getBigUint64(this.#take(8, what), this.littleEndian);
  }

  /** A 64-bit value that must fit a JavaScript number: a file offset, size or count. */
  size64(what?: string): number {
    const value = this.u64(what);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what ?? "value"} ${value} is out of range`);
    return Number(value);
  }

  /** The next `length` bytes, not copied. */
  take(length: number, what?: string): Uint8Array {
    const start = this.#take(length, what);
    return this.bytes.subarray(start, start + length);
  }

  /** A cursor over part of these bytes, with its own path. */
  slice(start: number, length: number, path: string): Cursor {
    if (start < 0 || length < 0 || start + length > this.bytes.length) {
      throw new FormatError(path, `needs bytes ${start} to ${start + length}, but there are only ${this.bytes.length}`);
    }
    return new Cursor(this.bytes.subarray(start, start + length), {
      endian: this.littleEndian ? "little" : "big",
      path,
    });
  }

  fail(problem: string): never {
    throw new FormatError(this.path, problem, { offset: this.offset });
  }

  #take(length: number, what: string | undefined): number {
    const start = this.offset;
    if (start < 0 || length < 0 || start + length > this.bytes.length) {
      this.fail(`${what ?? "value"} needs ${length} bytes at offset ${start}, but there are only ${this.bytes.length}`);
    }
    this.offset = start + length;
    return start;
  }
}
