/**
 * Writes relocatable ELF64 files: what `writeObject` and the linker hand out. Takes sections, symbols and relocations as
 * plain data; adds the symbol table, the string table and one `.rel` section for each section that has relocations, and
 * puts local symbols first, as the format demands. Follows the System V ABI, chapter 4.
 */
import type { Endian } from "../bytes/cursor.ts";
import { Writer } from "../bytes/writer.ts";
import {
  EM_BPF,
  ET_REL,
  SHF_EXECINSTR,
  SHF_INFO_LINK,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_REL,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
  STT_SECTION,
} from "../abi/elf.ts";

/** A section to be written. */
export interface ElfSectionDraft {
  name: string;
  /** `SHT_*`; PROGBITS if not given. */
  type?: number;
  /** `SHF_*`. */
  flags?: number;
  align?: number;
  entrySize?: number;
  /** Contents; none for NOBITS. */
  bytes?: Uint8Array;
  /** Size of a NOBITS section. */
  size?: number;
  relocations?: readonly ElfRelocationDraft[];
}

/** A symbol to be written. `section` is the section's place in the draft plus one (its ELF index), or `SHN_*`. */
export interface ElfSymbolDraft {
  name: string;
  value: number;
  size: number;
  bind: number;
  type: number;
  visibility?: number;
  section: number;
}

/** A relocation to be written. */
export interface ElfRelocationDraft {
  offset: number;
  /** Index in the draft's symbols. */
  symbol: number;
  type: number;
}

/** A relocatable file to be written. */
export interface ElfDraft {
  endian: Endian;
  /** `EM_BPF` if not given. */
  machine?: number;
  /** Their ELF indices are 1, 2, 3 and so on. */
  sections: readonly ElfSectionDraft[];
  symbols: readonly ElfSymbolDraft[];
}

interface Row {
  name: number;
  type: number;
  flags: number;
  offset: number;
  size: number;
  link: number;
  info: number;
  align: number;
  entrySize: number;
}

const HEADER_SIZE = 64;
const RELOCATION_SIZE = 16;
const SYMBOL_SIZE = 24;

/** The bytes of a relocatable file. */
export function writeElf(draft: ElfDraft): Uint8Array<ArrayBuffer> {
  const out = new Writer({ endian: draft.endian, capacity: 4096 });
  const strings = new StringTable();
  const order = symbolOrder(draft.symbols);
  out.zeros(HEADER_SIZE);
  const rows = draft.sections.map((section) => writeSection(out, strings, section));
  const symtabIndex = rows.length + 1 + draft.sections.filter((s) => (s.relocations?.length ?? 0) > 0).length;
  for (const [i, section] of draft.sections.entries()) {
    if ((section.relocations?.length ?? 0) === 0) continue;
    rows.push(writeRelocations(out, strings, section, { symtabIndex, target: i + 1, order }));
  }
  rows.push(writeSymbols(out, strings, draft.symbols, order));
  rows.push(writeStrings(out, strings));
  writeHeaders(out, draft, rows);
  return out.toBytes();
}

/** New index of each symbol: locals first, otherwise as given. Index 0 is the null symbol. */
function symbolOrder(symbols: readonly ElfSymbolDraft[]): { newIndex: Uint32Array; locals: number } {
  const newIndex = new Uint32Array(symbols.length);
  let next = 1;
  symbols.forEach((s, i) => {
    if (s.bind === STB_LOCAL) newIndex[i] = next++;
  });
  const locals = next;
  symbols.forEach((s, i) => {
    if (s.bind !== STB_LOCAL) newIndex[i] = next++;
  });
  return { newIndex, locals };
}

function writeSection(out: Writer, strings: StringTable, section: ElfSectionDraft): Row {
  const align = section.align ?? ((section.flags ?? 0) & SHF_EXECINSTR ? 8 : 1);
  out.align(align);
  const offset = out.length;
  const type = section.type ?? SHT_PROGBITS;
  if (type !== SHT_NOBITS && section.bytes !== undefined) out.raw(section.bytes);
  return {
    name: strings.add(section.name),
    type,
    flags: section.flags ?? 0,
    offset,
    size: type === SHT_NOBITS ? section.size ?? 0 : section.bytes?.length ?? 0,
    link: 0,
    info: 0,
    align,
    entrySize: section.entrySize ?? 0,
  };
}

function writeRelocations(
  out: Writer,
  strings: StringTable,
  section: ElfSectionDraft,
  at: { symtabIndex: number; target: number; order: { newIndex: Uint32Array } },
): Row {
  out.align(8);
  const offset = out.length;
  const sorted = [...section.relocations ?? []].sort((a, b) => a.offset - b.offset);
  const little = out.littleEndian;
  const table = new DataView(new ArrayBuffer(sorted.length * RELOCATION_SIZE));
  let row = 0;
  for (const r of sorted) {
    const symbol = at.order.newIndex[r.symbol];
    if (symbol === undefined) {
      throw new RangeError(`Cannot write a relocation of "${section.name}": no symbol ${r.symbol}`);
    }
    set64(table, row, r.offset, little);
    // r_info is one number of 64 bits: symbol << 32 | type.
    table.setUint32(little ? row + 8 : row + 12, r.type, little);
    table.setUint32(little ? row + 12 : row + 8, symbol, little);
    row += RELOCATION_SIZE;
  }
  out.raw(new Uint8Array(table.buffer));
  return {
    name: strings.add(`.rel${section.name}`),
    type: SHT_REL,
    flags: SHF_INFO_LINK,
    offset,
    size: out.length - offset,
    link: at.symtabIndex,
    info: at.target,
    align: 8,
    entrySize: RELOCATION_SIZE,
  };
}

function set64(view: DataView, at: number, value: number, little: boolean): void {
  view.setUint32(little ? at : at + 4, value >>> 0, little);
  view.setUint32(little ? at + 4 : at, Math.floor(value / 0x1_0000_0000), little);
}

function writeSymbols(
  out: Writer,
  strings: StringTable,
  symbols: readonly ElfSymbolDraft[],
  order: { newIndex: Uint32Array; locals: number },
): Row {
  const sorted: ElfSymbolDraft[] = [];
  symbols.forEach((s, i) => sorted[order.newIndex[i]! - 1] = s);
  out.align(8);
  const offset = out.length;
  const little = out.littleEndian;
  // Symbol 0 is empty.
  const table = new DataView(new ArrayBuffer((sorted.length + 1) * SYMBOL_SIZE));
  let row = SYMBOL_SIZE;
  for (const s of sorted) {
    table.setUint32(row, s.type === STT_SECTION ? 0 : strings.add(s.name), little);
    table.setUint8(row + 4, (s.bind << 4) | s.type);
    table.setUint8(row + 5, s.visibility ?? 0);
    table.setUint16(row + 6, s.section, little);
    set64(table, row + 8, s.value, little);
    set64(table, row + 16, s.size, little);
    row += SYMBOL_SIZE;
  }
  out.raw(new Uint8Array(table.buffer));
  return {
    name: strings.add(".symtab"),
    type: SHT_SYMTAB,
    flags: 0,
    offset,
    size: out.length - offset,
    link: -1, // the string table, which comes last
    info: order.locals,
    align: 8,
    entrySize: SYMBOL_SIZE,
  };
}

function writeStrings(out: Writer, strings: StringTable): Row {
  const name = strings.add(".strtab");
  const offset = out.length;
  const bytes = strings.bytes();
  out.raw(bytes);
  return { name, type: SHT_STRTAB, flags: 0, offset, size: bytes.length, link: 0, info: 0, align: 1, entrySize: 0 };
}

function writeHeaders(out: Writer, draft: ElfDraft, rows: readonly Row[]): void {
  if (rows.length + 1 >= 0xff00) throw new RangeError(`Cannot write ${rows.length} sections: ELF allows 65279`);
  out.align(8);
  const tableOffset = out.length;
  out.zeros(64);
  for (const r of rows) {
    out.u32(r.name).u32(r.type).u64(r.flags).u64(0).u64(r.offset).u64(r.size);
    out.u32(r.link === -1 ? rows.length : r.link).u32(r.info).u64(r.align).u64(r.entrySize);
  }
  const header = new Writer({ endian: draft.endian, capacity: HEADER_SIZE });
  header.raw(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, draft.endian === "little" ? 1 : 2, 1, 0)).zeros(8);
  header.u16(ET_REL).u16(draft.machine ?? EM_BPF).u32(1);
  header.u64(0).u64(0).u64(tableOffset).u32(0);
  header.u16(HEADER_SIZE).u16(0).u16(0).u16(64).u16(rows.length + 1).u16(rows.length);
  const view = new DataView(header.toBytes().buffer);
  // The writer patches 32 bits at a time, in its own byte order; so is the header read here.
  for (let i = 0; i < HEADER_SIZE; i += 4) out.patchU32(i, view.getUint32(i, draft.endian === "little"));
}

const NOT_ASCII = /[^\0-\x7f]/;

/** Names, each stored once. */
class StringTable {
  readonly #offsets = new Map<string, number>([["", 0]]);
  readonly #names: string[] = [""];
  #length = 1;

  add(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.#length;
    this.#names.push(name);
    this.#length += (NOT_ASCII.test(name) ? new TextEncoder().encode(name).length : name.length) + 1;
    this.#offsets.set(name, offset);
    return offset;
  }

  /** All at once: encoding costs more than the bytes of a name. */
  bytes(): Uint8Array {
    return new TextEncoder().encode(`${this.#names.join("\0")}\0`);
  }
}
