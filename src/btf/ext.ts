/**
 * The `.BTF.ext` section: which function and which source line an instruction belongs to, and the CO-RE records, each
 * grouped by the ELF section of the instructions. Columns are typed arrays: an object has thousands of lines and few
 * readers. Offsets are bytes within the section, as in the file. Follows Documentation/bpf/btf.rst.
 */
import type { Endian } from "../bytes/cursor.ts";
import { Cursor } from "../bytes/cursor.ts";
import { Writer } from "../bytes/writer.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import { parsePreamble, toWords } from "./header.ts";
import { BTF_MAGIC, BTF_VERSION } from "./kinds.ts";

/** Records of one ELF section. All arrays of one block have the same length. */
export interface BtfExtBlock {
  /** Name of the ELF section. */
  section: string;
  /** Byte offset of the instruction in that section. */
  insnOff: Uint32Array;
}

/** `struct bpf_func_info`. */
export interface BtfFuncInfo extends BtfExtBlock {
  /** BTF id of the FUNC. */
  typeId: Uint32Array;
}

/** `struct bpf_line_info`. `fileOff` and `lineOff` are offsets in the strings of `.BTF`. */
export interface BtfLineInfo extends BtfExtBlock {
  fileOff: Uint32Array;
  lineOff: Uint32Array;
  /** Line << 10 | column. */
  lineCol: Uint32Array;
}

/** `struct bpf_core_relo`. */
export interface BtfCoreInfo extends BtfExtBlock {
  /** BTF id of the root type. */
  typeId: Uint32Array;
  /** Offset of the access string (`0:1:2`) in the strings of `.BTF`. */
  accessOff: Uint32Array;
  /** `enum bpf_core_relo_kind`. */
  kind: Uint32Array;
}

/** A parsed `.BTF.ext`. Blocks keep the order of the file. */
export interface BtfExt {
  endian: Endian;
  funcInfo: BtfFuncInfo[];
  lineInfo: BtfLineInfo[];
  core: BtfCoreInfo[];
}

/** Columns of the three record types in their order in the file. */
const FUNC_COLUMNS = ["insnOff", "typeId"] as const;
const LINE_COLUMNS = ["insnOff", "fileOff", "lineOff", "lineCol"] as const;
const CORE_COLUMNS = ["insnOff", "typeId", "accessOff", "kind"] as const;

const HEADER_WITHOUT_CORE = 24;
const HEADER_SIZE = 32;

/**
 * Reads a `.BTF.ext` section; `btf` is the object's `.BTF`. Records longer than known here are read as far as known.
 * Throws `FormatError`.
 */
export function parseBtfExt(bytes: Uint8Array, btf: Btf, path = ".BTF.ext"): BtfExt {
  const { cursor, headerSize } = parsePreamble(bytes, path, HEADER_WITHOUT_CORE);
  const part = (name: string): Cursor | undefined => {
    const offset = cursor.u32(`${name}_off`);
    const length = cursor.u32(`${name}_len`);
    return length === 0 ? undefined : cursor.slice(headerSize + offset, length, `${path}: ${name}`);
  };
  const funcInfo = readBlocks(part("func_info"), btf, FUNC_COLUMNS);
  const lineInfo = readBlocks(part("line_info"), btf, LINE_COLUMNS);
  const core = readBlocks(headerSize >= HEADER_SIZE ? part("core_relo") : undefined, btf, CORE_COLUMNS);
  return { endian: cursor.littleEndian ? "little" : "big", funcInfo, lineInfo, core };
}

type Block<C extends string> = { section: string } & Record<C, Uint32Array>;

function readBlocks<C extends string>(cursor: Cursor | undefined, btf: Btf, columns: readonly C[]): Block<C>[] {
  const blocks: Block<C>[] = [];
  if (cursor === undefined) return blocks;
  const recordSize = cursor.u32("record size");
  if (recordSize < columns.length * 4 || recordSize % 4 !== 0) {
    cursor.fail(`record size ${recordSize} is not supported`);
  }
  while (cursor.remaining > 0) {
    const section = sectionName(cursor, btf);
    const count = cursor.u32("number of records");
    if (count === 0) cursor.fail(`section "${section}" has no records`);
    if (count > cursor.remaining / recordSize) cursor.fail(`section "${section}" has fewer than its ${count} records`);
    blocks.push(readBlock(cursor, section, count, recordSize, columns));
  }
  return blocks;
}

function sectionName(cursor: Cursor, btf: Btf): string {
  const offset = cursor.u32("section name");
  const name = offset < btf.strings.end ? btf.string(offset) : "";
  if (name === "") cursor.fail(`section name at string offset ${offset} does not exist`);
  return name;
}

function readBlock<C extends string>(
  cursor: Cursor,
  section: string,
  count: number,
  recordSize: number,
  columns: readonly C[],
): Block<C> {
  const block: Record<string, string | Uint32Array> = { section };
  const words = toWords(cursor.take(count * recordSize), cursor.littleEndian ? "little" : "big");
  const stride = recordSize / 4;
  for (let c = 0; c < columns.length; c++) {
    const array = block[columns[c]!] = new Uint32Array(count);
    for (let i = 0, at = c; i < count; i++, at += stride) array[i] = words[at]!;
  }
  return block as Block<C>;
}

/** Throws `FormatError` for the first record whose type id or string offset is outside of `btf`. */
export function validateBtfExt(ext: BtfExt, btf: Btf, path = ".BTF.ext"): void {
  const check = (blocks: readonly BtfExtBlock[], what: string, column: string, limit: number): void => {
    for (const block of blocks) {
      const values = (block as unknown as Record<string, Uint32Array>)[column]!;
      let wrong = 0;
      while (wrong < values.length && values[wrong]! < limit) wrong++;
      if (wrong === values.length) continue;
      throw new FormatError(
        `${path}: ${what}: section "${block.section}": record ${wrong}`,
        `${column} ${values[wrong]} is out of range`,
      );
    }
  };
  check(ext.funcInfo, "func_info", "typeId", btf.typeCount);
  check(ext.lineInfo, "line_info", "fileOff", btf.strings.end);
  check(ext.lineInfo, "line_info", "lineOff", btf.strings.end);
  check(ext.core, "core_relo", "typeId", btf.typeCount);
  check(ext.core, "core_relo", "accessOff", btf.strings.end);
}

/** The bytes of a `.BTF.ext` section. `string` interns section names in the `.BTF` that goes with it. */
export function writeBtfExt(ext: BtfExt, string: (text: string) => number): Uint8Array<ArrayBuffer> {
  const parts = [
    writeBlocks(ext.funcInfo, FUNC_COLUMNS, ext.endian, string),
    writeBlocks(ext.lineInfo, LINE_COLUMNS, ext.endian, string),
    writeBlocks(ext.core, CORE_COLUMNS, ext.endian, string),
  ];
  const writer = new Writer({ endian: ext.endian });
  writer.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(HEADER_SIZE);
  let offset = 0;
  for (const part of parts) {
    writer.u32(offset).u32(part.length);
    offset += part.length;
  }
  for (const part of parts) writer.raw(part);
  return writer.toBytes();
}

function writeBlocks<C extends string>(
  blocks: readonly Block<C>[],
  columns: readonly C[],
  endian: Endian,
  string: (text: string) => number,
): Uint8Array {
  const recordSize = columns.length * 4;
  const filled = blocks.filter((block) => block[columns[0]!].length > 0);
  const size = filled.reduce((sum, block) => sum + 8 + block[columns[0]!].length * recordSize, 0);
  const bytes = new Uint8Array(blocks.length > 0 ? 4 + size : 0);
  if (blocks.length === 0) return bytes;
  const view = new DataView(bytes.buffer);
  const little = endian === "little";
  view.setUint32(0, recordSize, little);
  let at = 4;
  for (const block of filled) {
    const count = block[columns[0]!].length;
    view.setUint32(at, string(block.section), little);
    view.setUint32(at + 4, count, little);
    at += 8;
    for (let c = 0; c < columns.length; c++) {
      const values = block[columns[c]!];
      for (let i = 0, to = at + c * 4; i < count; i++, to += recordSize) view.setUint32(to, values[i]!, little);
    }
    at += count * recordSize;
  }
  return bytes;
}
