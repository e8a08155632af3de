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
