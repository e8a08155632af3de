/**
 * Jump tables: what clang 22 and later make of a `switch` for the instruction `gotox`. Section `.jumptables` has an
 * 8-byte entry for each case, the place of its code in the function's section; a symbol with a size marks each table.
 * The loader makes a map of instructions (Linux 6.19) of it. Rules are libbpf's (`create_jt_map`): an entry may lead out
 * of its function here, and the verifier refuses the program, not the parser the object.
 */
import { SLOT_SIZE } from "../asm/insn.ts";
import { FormatError } from "../errors.ts";
import { number64 } from "./elf_bytes.ts";
import { describeSymbol } from "./object_file.ts";
import type { ObjectFile } from "./object_file.ts";
import type { FunctionPlace } from "./parse_relocations.ts";
import type { Relocation } from "./spec.ts";

const ENTRY_SIZE = 8;

/** The relocation of a load of a table's address. */
export function parseJumpTable(
  file: ObjectFile,
  place: FunctionPlace,
  insn: number,
  symbol: number,
): Extract<Relocation, { kind: "jump_table" }> {
  const section = file.elf.sections[file.symbols.section(symbol)]!;
  const table = file.symbols.value(symbol);
  const size = file.symbols.size(symbol);
  const path = `${section.path}: table ${describeSymbol(file, symbol)}`;
  const { bytes } = section;
  if (table % ENTRY_SIZE !== 0 || size % ENTRY_SIZE !== 0 || size === 0) {
    throw new FormatError(path, `offset ${table} and size ${size} are not those of entries of ${ENTRY_SIZE} bytes`);
  }
  if (table + size > bytes.length) {
    throw new FormatError(path, `ends at byte ${table + size}, but the section has only ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + table, size);
  const targets: number[] = [];
  for (let at = 0; at < size; at += ENTRY_SIZE) {
    targets.push(Math.floor((number64(view, at, file.elf.littleEndian) - place.offset) / SLOT_SIZE));
  }
  return { kind: "jump_table", insn, table, targets };
}
