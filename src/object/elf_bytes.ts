/**
 * The two readings every ELF table needs: 64-bit numbers and names. Follows the System V ABI (`man 5 elf`).
 */
import { FormatError } from "../errors.ts";

/** A 64-bit number; inexact above 2^53, where every bounds check fails anyway. */
export function number64(view: DataView, at: number, littleEndian: boolean): number {
  const low = view.getUint32(littleEndian ? at : at + 4, littleEndian);
  const high = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
  return high === 0 ? low : high * 0x1_0000_0000 + low;
}

const utf8 = new TextDecoder();
const NOT_ASCII = /[^\0-\x7f]/;
/** Larger tables are those of programs with thousands of symbols, of which few are asked for. */
const WHOLE_TABLE = 1 << 14;

/** A string table. Those of objects become text at once: cutting names out of it is the engine's own work. */
export class NameTable {
  readonly #bytes: Uint8Array;
  #text: string | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The string at `offset`. `path` is only called for the error. */
  get(offset: number, path: () => string): string {
    const text = this.#text ??= this.#decode();
    const end = text === "" ? -1 : text.indexOf("\0", offset);
    return end < 0 || end - offset > LONGEST_NAME ? cString(this.#bytes, offset, path) : text.slice(offset, end);
  }

  /** Empty if names have to be taken one by one. */
  #decode(): string {
    if (this.#bytes.length > WHOLE_TABLE) return "";
    const text = utf8.decode(this.#bytes);
    return text.length === this.#bytes.length && !NOT_ASCII.test(text) ? text : "";
  }
}
/** Bounds the scan for the end of a name, so that a table without NULs cannot make reading names quadratic. */
const LONGEST_NAME = 0x1_0000;

/** The NUL-terminated string at `offset` of a string table. `path` is only called for the error. */
export function cString(table: Uint8Array, offset: number, path: () => string): string {
  if (offset === 0 && table.length === 0) return "";
  // Section and symbol names are short and nearly always ASCII, where this loop is faster than TextDecoder.
  for (let i = offset; i < offset + 64; i++) {
    const byte = table[i];
    if (byte === 0) return String.fromCharCode.apply(null, table.subarray(offset, i) as unknown as number[]);
    if (byte === undefined || byte >= 0x80) break;
  }
  const rest = table.subarray(offset, offset + LONGEST_NAME);
  const end = rest.indexOf(0);
  if (end < 0) throw new FormatError(path(), `offset ${offset} is not a string in a table of ${table.length} bytes`);
  return utf8.decode(rest.subarray(0, end));
}
