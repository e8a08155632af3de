/**
 * The header of a BTF blob: which byte order, where types, strings and the layout of kinds lie. Everything is checked
 * against the bytes present. Follows include/uapi/linux/btf.h; the layout section came with Linux 7.2.
 */
import type { Endian } from "../bytes/cursor.ts";
import { Cursor } from "../bytes/cursor.ts";
import { FormatError } from "../errors.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_VERSION } from "./kinds.ts";

/** Length of a kind as the blob itself describes it, in words. */
export interface BtfLayout {
  fixed: number;
  element: number;
}

export interface BtfHeader {
  endian: Endian;
  /** The type section as words in the machine's byte order. A view of the blob where that is possible. */
  words: Uint32Array;
  strings: Uint8Array;
  /** By kind number; empty without a layout section. */
  layout: readonly BtfLayout[];
}

/** `.BTF` and `.BTF.ext` start alike: magic, version, flags, header length. */
export function parsePreamble(
  bytes: Uint8Array,
  path: string,
  minimum: number,
): { cursor: Cursor; headerSize: number } {
  if (bytes.length < 8) throw new FormatError(path, `is too short for a BTF header: ${bytes.length} bytes`);
  const little = bytes[0]! | (bytes[1]! << 8);
  const big = bytes[1]! | (bytes[0]! << 8);
  if (little !== BTF_MAGIC && big !== BTF_MAGIC) {
    throw new FormatError(path, `is not BTF: magic 0x${little.toString(16)}`, { offset: 0 });
  }
  const cursor = new Cursor(bytes, { endian: little === BTF_MAGIC ? "little" : "big", path, offset: 2 });
  const version = cursor.u8("version");
  if (version !== BTF_VERSION) cursor.fail(`version ${version} is not supported`);
  const flags = cursor.u8("flags");
  if (flags !== 0) cursor.fail(`flags 0x${flags.toString(16)} are not supported`);
  const headerSize = cursor.u32("hdr_len");
  if (headerSize < minimum) cursor.fail(`hdr_len ${headerSize} is less than ${minimum}`);
  if (headerSize > bytes.length) cursor.fail(`hdr_len ${headerSize} is more than the ${bytes.length} bytes there are`);
  return { cursor, headerSize };
}

export function parseBtfHeader(bytes: Uint8Array, path: string, split: boolean): BtfHeader {
  const { cursor, headerSize } = parsePreamble(bytes, path, BTF_HEADER_SIZE);
  const section = (name: string): Uint8Array => {
    const offset = cursor.u32(`${name}_off`);
    const length = cursor.u32(`${name}_len`);
    if (headerSize + offset + length > bytes.length) {
      cursor.fail(
        `${name} section (${length} bytes at ${headerSize + offset}) is outside of the ${bytes.length} bytes`,
      );
    }
    return bytes.subarray(headerSize + offset, headerSize + offset + length);
  };
  const types = section("type");
  const strings = section("str");
  const layout = headerSize >= BTF_HEADER_SIZE + 8 ? section("layout") : new Uint8Array(0);
  const endian = cursor.littleEndian ? "little" : "big";
  if (types.length % 4 !== 0) cursor.fail(`type section of ${types.length} bytes is not made of 32-bit words`);
  checkStrings(strings, path, split);
  return { endian, words: toWords(types, endian), strings, layout: parseLayout(layout, path) };
}

function checkStrings(strings: Uint8Array, path: string, split: boolean): void {
  if (strings.length === 0) {
    if (split) return;
    throw new FormatError(path, "string section is empty");
  }
  if (strings[strings.length - 1] !== 0) throw new FormatError(path, "string section does not end with a NUL");
  if (!split && strings[0] !== 0) throw new FormatError(path, "string section does not start with the empty string");
}

/** Bytes as 32-bit words, a view where that is possible. The host is little-endian wherever the two runtimes exist. */
export function toWords(bytes: Uint8Array, endian: Endian): Uint32Array {
  const count = bytes.length >>> 2;
  if (endian === "little" && bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  if (endian === "little") return new Uint32Array(bytes.slice().buffer, 0, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = view.getUint32(i * 4, false);
  return words;
}

/** `struct btf_layout`: u8 info_sz, u8 elem_sz, u16 flags, one for each kind from 0 on. */
function parseLayout(bytes: Uint8Array, path: string): BtfLayout[] {
  const layout: BtfLayout[] = [];
  for (let i = 0; i + 4 <= bytes.length; i += 4) {
    const [fixed, element] = [bytes[i]!, bytes[i + 1]!];
    if (fixed % 4 !== 0 || element % 4 !== 0) {
      throw new FormatError(path, `layout of kind ${i / 4} is not made of 32-bit words`);
    }
    layout.push({ fixed: fixed / 4, element: element / 4 });
  }
  return layout;
}
