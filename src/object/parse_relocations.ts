/**
 * Relocations of instructions: what each REL entry means for the loader. One entry says "this place, that symbol"; the
 * instruction's form and the symbol's section decide what has to be put there. The rules are libbpf's.
 */
import { InsnView, SLOT_SIZE } from "../asm/insn.ts";
import { CALL } from "../asm/opcodes.ts";
import { isWideLoad } from "./core_apply.ts";
import { BPF_PSEUDO_CALL } from "../abi/defines.ts";
import { FormatError } from "../errors.ts";
import { R_BPF_64_32, R_BPF_64_64, SHN_UNDEF, STT_SECTION } from "../abi/elf.ts";
import type { ElfRelocation } from "./elf_tables.ts";
import type { ObjectFile } from "./object_file.ts";
import { describeSymbol } from "./object_file.ts";
import { parseJumpTable } from "./parse_jump_tables.ts";
import type { Relocation } from "./spec.ts";

/** What relocations may refer to, found by earlier steps. */
export interface Referents {
  /** Declared maps by `section index:offset`. */
  maps: ReadonlyMap<string, string>;
  /** Data maps by section index. */
  dataMaps: ReadonlyMap<number, string>;
}

/** A function's place in the file. */
export interface FunctionPlace {
  name: string;
  /** Index of its section. */
  section: number;
  /** Byte offset in it. */
  offset: number;
  insns: Uint8Array;
}

/** The relocations of one function, those that clang leaves out (calls within a section) included; sorted by slot. */
export function parseRelocations(file: ObjectFile, place: FunctionPlace, referents: Referents): Relocation[] {
  const slots = new InsnView(place.insns, file.elf.endian);
  const relocations: Relocation[] = [];
  const entries = file.relocations.get(place.section) ?? [];
  let next = firstAtOrAfter(entries, place.offset);
  for (let slot = 0; slot < slots.count; slot++) {
    const at = place.offset + slot * SLOT_SIZE;
    const entry = entries[next];
    if (entry !== undefined && entry.offset < at + SLOT_SIZE) {
      next++;
      if (entry.offset !== at) fail(file, place, slot, `relocation at offset ${entry.offset} is not at an instruction`);
      relocations.push(classify(file, place, slots, slot, entry, referents));
      if (isWideLoad(slots, slot)) slot++;
    } else if (slots.code(slot) === CALL && slots.src(slot) === BPF_PSEUDO_CALL) {
      const offset = at + (slots.imm(slot) + 1) * SLOT_SIZE;
      relocations.push({ kind: "call", insn: slot, section: file.keys[place.section]!, offset });
    } else if (isWideLoad(slots, slot)) slot++;
  }
  return relocations;
}

function classify(
  file: ObjectFile,
  place: FunctionPlace,
  slots: InsnView,
  slot: number,
  entry: ElfRelocation,
  referents: Referents,
): Relocation {
  const isCall = slots.code(slot) === CALL;
  if (entry.type !== R_BPF_64_64 && entry.type !== R_BPF_64_32) {
    fail(file, place, slot, `relocation type ${entry.type} is not one for instructions`);
  }
  if (!isCall && !isWideLoad(slots, slot)) {
    fail(file, place, slot, `relocation applies to opcode 0x${slots.code(slot).toString(16)}, which takes none`);
  }
  const section = file.symbols.section(entry.symbol);
  if (section === SHN_UNDEF) return externRelocation(file, place, slots, slot, entry.symbol);
  if (isCall) return callRelocation(file, place, slots, slot, entry.symbol);
  return loadRelocation(file, place, slots, slot, entry.symbol, referents);
}

function externRelocation(
  file: ObjectFile,
  place: FunctionPlace,
  slots: InsnView,
  slot: number,
  symbol: number,
): Relocation {
  const extern = file.symbols.name(symbol);
  if (extern === "") fail(file, place, slot, `relocation refers to symbol ${symbol}, which has no name and no section`);
  if (slots.code(slot) === CALL) return { kind: "extern_func", insn: slot, extern };
  return { kind: "extern_var", insn: slot, extern, offset: slots.imm(slot) };
}

function callRelocation(
  file: ObjectFile,
  place: FunctionPlace,
  slots: InsnView,
  slot: number,
  symbol: number,
): Relocation {
  if (slots.src(slot) !== BPF_PSEUDO_CALL) {
    fail(file, place, slot, `call of ${describeSymbol(file, symbol)} has source register ${slots.src(slot)}, not 1`);
  }
  const section = file.symbols.section(symbol);
  requireCode(file, place, slot, symbol);
  // A global function has its own symbol and imm -1; a static one the section's symbol and its place in imm.
  const offset = file.symbols.value(symbol) + (slots.imm(slot) + 1) * SLOT_SIZE;
  return { kind: "call", insn: slot, section: file.keys[section]!, offset };
}

function loadRelocation(
  file: ObjectFile,
  place: FunctionPlace,
  slots: InsnView,
  slot: number,
  symbol: number,
  referents: Referents,
): Relocation {
  const section = file.symbols.section(symbol);
  const value = file.symbols.value(symbol);
  const addend = slots.imm(slot);
  const role = file.roles[section];
  if (role === "code") {
    const offset = value + addend;
    if (offset % SLOT_SIZE !== 0) fail(file, place, slot, `address ${offset} of a function is not a multiple of 8`);
    return { kind: "func", insn: slot, section: file.keys[section]!, offset };
  }
  if (role === "maps" || role === "legacy_maps") {
    const map = referents.maps.get(`${section}:${value}`);
    if (map === undefined) fail(file, place, slot, `no map at offset ${value} of "${file.keys[section]}"`);
    return { kind: "map", insn: slot, map };
  }
  if (role === "jump_tables") return parseJumpTable(file, place, slot, symbol);
  const map = referents.dataMaps.get(section);
  if (map === undefined) {
    const name = file.elf.sections[section]?.name ?? `${section}`;
    fail(
      file,
      place,
      slot,
      `relocation against symbol ${describeSymbol(file, symbol)} in section "${name}" is not known`,
    );
  }
  // libbpf takes the symbol's value and adds what the instruction holds; section symbols have value 0.
  return { kind: "map_value", insn: slot, map, offset: value + addend };
}

function requireCode(file: ObjectFile, place: FunctionPlace, slot: number, symbol: number): void {
  const section = file.symbols.section(symbol);
  if (file.roles[section] !== "code") {
    fail(file, place, slot, `call of ${describeSymbol(file, symbol)}: its section holds no instructions`);
  }
  const value = file.symbols.value(symbol);
  if (file.symbols.type(symbol) !== STT_SECTION && value % SLOT_SIZE !== 0) {
    fail(file, place, slot, `call of ${describeSymbol(file, symbol)}: its offset ${value} is not a multiple of 8`);
  }
}

function firstAtOrAfter(entries: readonly ElfRelocation[], offset: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function fail(file: ObjectFile, place: FunctionPlace, slot: number, problem: string): never {
  const section = file.elf.sections[place.section]!.name;
  throw new FormatError(`${file.elf.at(section)}: function "${place.name}": instruction ${slot}`, problem);
}
