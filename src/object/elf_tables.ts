/**
 * Symbol and relocation tables of an ELF64 file, read in place: an accessor per column costs nothing until asked, so a
 * library with 20 000 symbols is searched without an object per symbol.
 */
import { FormatError } from "../errors.ts";
import type { ElfFile, ElfSection } from "./elf.ts";
import { SHN_XINDEX, SHT_RELA, SHT_STRTAB, SHT_SYMTAB_SHNDX } from "../abi/elf.ts";
import { NameTable, number64 } from "./elf_bytes.ts";

const SYMBOL_SIZE = 24;
const NO_BYTES = new Uint8Array(0);

/** One symbol, decoded. */
export interface ElfSymbol {
  index: number;
  name: string;
  value: number;
  size: number;
  /** `STB_*`. */
  bind: number;
  /** `STT_*`. */
  type: number;
  /** `STV_*`. */
  visibility: number;
  /** Section index, or a `SHN_*` value. */
  section: number;
}

/** A symbol table. */
export class ElfSymbols {
  /** Number of symbols, the null symbol at index 0 included. */
  readonly count: number;
  readonly #file: ElfFile;
  readonly #section: ElfSection | undefined;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #names: Uint8Array;
  readonly #table: NameTable;
  readonly #extended: DataView | undefined;

  constructor(file: ElfFile, section: ElfSection | undefined) {
    this.#file = file;
    this.#section = section;
    this.#littleEndian = file.littleEndian;
    const bytes = section?.bytes ?? NO_BYTES;
    this.#view = viewOf(bytes);
    this.count = Math.floor(bytes.length / SYMBOL_SIZE);
    this.#names = section === undefined ? NO_BYTES : stringTable(file, section);
    this.#table = new NameTable(this.#names);
    this.#extended = section === undefined ? undefined : extendedIndices(file, section);
  }

  /** Where the table lies, as errors print it. */
  get path(): string {
    return this.#section?.path ?? this.#file.at("symbol table");
  }

  name(index: number): string {
    return this.#table.get(this.#u32(index, 0), () => `${this.path}: symbol ${index}: name`);
  }

  /** Whether the symbol's name equals these bytes (without NUL): no string is made. */
  nameIs(index: number, wanted: Uint8Array): boolean {
    const start = this.#u32(index, 0);
    const names = this.#names;
    if (names[start + wanted.length] !== 0) return false;
    for (let i = 0; i < wanted.length; i++) if (names[start + i] !== wanted[i]) return false;
    return true;
  }

  /** `STB_*`. */
  bind(index: number): number {
    return this.#u8(index, 4) >> 4;
  }

  /** `STT_*`. */
  type(index: number): number {
    return this.#u8(index, 4) & 15;
  }

  /** `STV_*`. */
  visibility(index: number): number {
    return this.#u8(index, 5) & 3;
  }

  /** Section index, or a `SHN_*` value. */
  section(index: number): number {
    const short = this.#view.getUint16(this.#at(index) + 6, this.#littleEndian);
    if (short !== SHN_XINDEX || this.#extended === undefined) return short;
    if (index * 4 + 4 > this.#extended.byteLength) {
      throw new FormatError(this.path, `symbol ${index} has no section index`);
    }
    return this.#extended.getUint32(index * 4, this.#littleEndian);
  }

  value(index: number): number {
    return number64(this.#view, this.#at(index) + 8, this.#littleEndian);
  }

  size(index: number): number {
    return number64(this.#view, this.#at(index) + 16, this.#littleEndian);
  }

  get(index: number): ElfSymbol {
    const at = this.#at(index);
    const view = this.#view;
    const info = view.getUint8(at + 4);
    return {
      index,
      name: this.name(index),
      value: number64(view, at + 8, this.#littleEndian),
      size: number64(view, at + 16, this.#littleEndian),
      bind: info >> 4,
      type: info & 15,
      visibility: view.getUint8(at + 5) & 3,
      section: this.section(index),
    };
  }

  *[Symbol.iterator](): Generator<ElfSymbol> {
    for (let i = 1; i < this.count; i++) yield this.get(i);
  }

  #u8(index: number, column: number): number {
    return this.#view.getUint8(this.#at(index) + column);
  }

  #u32(index: number, column: number): number {
    return this.#view.getUint32(this.#at(index) + column, this.#littleEndian);
  }

  #at(index: number): number {
    if (index < 0 || index >= this.count) {
      throw new FormatError(this.path, `has no symbol ${index} (${this.count} symbols)`);
    }
    return index * SYMBOL_SIZE;
  }
}

/** One relocation, decoded. */
export interface ElfRelocation {
  /** Place in the target section. */
  offset: number;
  /** Index in the symbol table; 0 for none. */
  symbol: number;
  /** `R_BPF_*`. */
  type: number;
  /** RELA only; REL keeps the addend in the place itself. */
  addend: bigint | undefined;
}

/** The entries of one REL or RELA section. */
export class ElfRelocations {
  readonly count: number;
  readonly #section: ElfSection;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #entrySize: number;

  constructor(file: ElfFile, section: ElfSection) {
    const bytes = section.bytes;
    this.#section = section;
    this.#view = viewOf(bytes);
    this.#littleEndian = file.littleEndian;
    this.#entrySize = section.type === SHT_RELA ? 24 : 16;
    if (bytes.length % this.#entrySize !== 0) {
      throw new FormatError(this.path, `has ${bytes.length} bytes, not a multiple of ${this.#entrySize}`);
    }
    this.count = bytes.length / this.#entrySize;
  }

  /** Where the table lies, as errors print it. */
  get path(): string {
    return this.#section.path;
  }

  get(index: number): ElfRelocation {
    if (index < 0 || index >= this.count) {
      throw new FormatError(this.path, `has no entry ${index} (${this.count} entries)`);
    }
    const at = index * this.#entrySize;
    const le = this.#littleEndian;
    return {
      offset: number64(this.#view, at, le),
      type: this.#view.getUint32(le ? at + 8 : at + 12, le),
      symbol: this.#view.getUint32(le ? at + 12 : at + 8, le),
      addend: this.#entrySize === 24 ? this.#view.getBigInt64(at + 16, le) : undefined,
    };
  }

  *[Symbol.iterator](): Generator<ElfRelocation> {
    for (let i = 0; i < this.count; i++) yield this.get(i);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function stringTable(file: ElfFile, section: ElfSection): Uint8Array {
  const strings = file.sections[section.link];
  if (strings === undefined || strings.type !== SHT_STRTAB) {
    throw new FormatError(section.path, `section ${section.link} is not its string table`);
  }
  return strings.bytes;
}

function extendedIndices(file: ElfFile, symtab: ElfSection): DataView | undefined {
  const table = file.sections.find((s) => s.type === SHT_SYMTAB_SHNDX && s.link === symtab.index);
  return table === undefined ? undefined : viewOf(table.bytes);
}
