/**
 * .xz files with LZMA2, which is what `xz` writes: the section `.gnu_debugdata` of programs has one. After "The .xz File
 * Format" 1.1.0. Headers are checked; the checksum of the contents is checked where it is CRC-32, and passed over
 * otherwise (CRC-64, SHA-256). Filters for machine code (BCJ) are refused.
 */
import { FormatError } from "../errors.ts";
import { crc32 } from "./crc32.ts";
import { decodeLzma2 } from "./lzma.ts";

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
/** Bytes of the check by its id. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CHECK_CRC32 = 1;
const FILTER_LZMA2 = 0x21n;

/** The contents of an .xz file. Throws `FormatError`. */
export function unxz(bytes: Uint8Array, path = "xz data"): Uint8Array {
  const parts: Uint8Array[] = [];
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw new FormatError(path, "is not xz data");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  need(bytes, 12, path);
  if (crc32(bytes.subarray(6, 8)) !== view.getUint32(8, true)) throw new FormatError(path, "the header is damaged");
  const check = bytes[7]! & 15;
  // An index, which begins with 0, ends the blocks.
  for (let at = 12; (need(bytes, at + 1, path), bytes[at] !== 0);) {
    const data = at + blockHeader(bytes, view, at, path);
    const block = decodeLzma2(bytes, data, path);
    parts.push(block.bytes);
    const checkAt = data + Math.ceil((block.end - data) / 4) * 4;
    at = checkAt + CHECK_SIZES[check]!;
    need(bytes, at, path);
    if (check === CHECK_CRC32 && crc32(block.bytes) !== view.getUint32(checkAt, true)) {
      throw new FormatError(path, "the checksum of the contents differs", { offset: checkAt });
    }
  }
  return parts.length === 1 ? parts[0]! : concat(parts);
}

function need(bytes: Uint8Array, end: number, path: string): void {
  if (end > bytes.length) throw new FormatError(path, "is cut off", { offset: bytes.length });
}

/** Checks the header of a block; returns its size. */
function blockHeader(bytes: Uint8Array, view: DataView, at: number, path: string): number {
  const size = (bytes[at]! + 1) * 4;
  need(bytes, at + size, path);
  if (crc32(bytes.subarray(at, at + size - 4)) !== view.getUint32(at + size - 4, true)) {
    throw new FormatError(path, "the header of a block is damaged", { offset: at });
  }
  const flags = bytes[at + 1]!;
  let next = at + 2;
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[next++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  // Sizes of the block, which the chunks tell as well.
  for (const flag of [0x40, 0x80]) if ((flags & flag) !== 0) number();
  const filter = number();
  if ((flags & 3) !== 0 || filter !== FILTER_LZMA2) {
    throw new FormatError(path, `filter ${filter} is not supported, only LZMA2`, { offset: at });
  }
  return size;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
