/**
 * Reads ELF64 files of both byte orders: BPF objects, and the executables and libraries that uprobes look into.
 * Sections, symbols and relocations are views over the bytes given; names become strings when asked for.
 * Follows the System V ABI, chapters 4 and 5 (`man 5 elf`). Whatever does not hold throws `FormatError`.
 */
import { FormatError } from "../errors.ts";
import type { Endian } from "../bytes/cursor.ts";
import {
  SHF_COMPRESSED,
  SHF_EXECINSTR,
  SHN_XINDEX,
  SHT_DYNSYM,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
} from "../abi/elf.ts";
import { NameTable, number64 } from "./elf_bytes.ts";
import { ElfRelocations, ElfSymbols } from "./elf_tables.ts";

const HEADER_SIZE = 64;
const SECTION_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;

/** One row of the section header table. */
export class ElfSection {
  readonly index: number;
  readonly type: number;
  readonly flags: number;
  /** Virtual address; 0 in relocatable files. */
  readonly address: number;
  /** Place in the file. */
  readonly offset: number;
  readonly size: number;
  /** Index of a section this one needs: its string or symbol table. */
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
  readonly #file: ElfFile;
  readonly #nameOffset: number;
  #name: string | undefined;
  #bytes: Uint8Array | undefined;

  constructor(file: ElfFile, index: number, at: number) {
    const view = file.view;
    const le = file.littleEndian;
    this.#file = file;
    this.index = index;
    this.#nameOffset = view.getUint32(at, le);
    this.type = view.getUint32(at + 4, le);
    this.flags = number64(view, at + 8, le);
    this.address = number64(view, at + 16, le);
    this.offset = number64(view, at + 24, le);
    this.size = number64(view, at + 32, le);
    this.link = view.getUint32(at + 40, le);
    this.info = view.getUint32(at + 44, le);
    this.align = number64(view, at + 48, le);
    this.entrySize = number64(view, at + 56, le);
  }

  get name(): string {
    return this.#name ??= this.#file.sectionName(this.#nameOffset, this.index);
  }

  /** File, section number and name, as errors print it. */
  get path(): string {
    return this.#file.at(this.name === "" ? `section ${this.index}` : this.name);
  }

  /** The section's bytes, not copied; empty for sections that take no room in the file (`.bss`). */
  get bytes(): Uint8Array {
    return this.#bytes ??= this.#view();
  }

  #view(): Uint8Array {
    if (this.type === SHT_NOBITS || this.type === SHT_NULL) return new Uint8Array(0);
    if ((this.flags & SHF_COMPRESSED) !== 0) throw new FormatError(this.path, "is compressed");
    const all = this.#file.bytes;
    if (this.offset + this.size > all.length) {
      throw new FormatError(
        this.path,
        `needs bytes ${this.offset} to ${this.offset + this.size}, but the file has only ${all.length}`,
      );
    }
    return all.subarray(this.offset, this.offset + this.size);
  }

  /** Whether it holds instructions. */
  get executable(): boolean {
    return (this.flags & SHF_EXECINSTR) !== 0;
  }
}

/** One row of the program header table. */
export interface ElfSegment {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
}

/** An ELF64 file over its bytes. Made by {@linkcode readElf}. */
export class ElfFile {
  /** Name for error messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly endian: Endian;
  readonly littleEndian: boolean;
  /** `e_type`: 1 relocatable, 2 executable, 3 shared object. */
  readonly type: number;
  /** `e_machine`. */
  readonly machine: number;
  /** By section index; row 0 is the null section. */
  readonly sections: readonly ElfSection[];
  readonly #sectionNames: NameTable;
  #symbols: ElfSymbols | undefined;
  #dynamicSymbols: ElfSymbols | undefined;

  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.name = name;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.endian = checkIdentification(bytes, name);
    this.littleEndian = this.endian === "little";
    this.type = this.view.getUint16(16, this.littleEndian);
    this.machine = this.view.getUint16(18, this.littleEndian);
    this.sections = this.#readSections();
    this.#sectionNames = new NameTable(this.#readSectionNames());
  }

  /** `name: part`, for error messages. */
  at(part: string): string {
    return this.name === "" ? part : `${this.name}: ${part}`;
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.sections.find((s) => s.name === name && s.type !== SHT_NULL);
  }

  /** The full symbol table; empty if the file was stripped. */
  get symbols(): ElfSymbols {
    return this.#symbols ??= new ElfSymbols(this, this.#onlyTable(SHT_SYMTAB));
  }

  /** The symbols for dynamic linking, which strip keeps. */
  get dynamicSymbols(): ElfSymbols {
    return this.#dynamicSymbols ??= new ElfSymbols(this, this.#onlyTable(SHT_DYNSYM));
  }

  /** The sections of relocations with the section each applies to. */
  relocationSections(): { section: ElfSection; target: ElfSection }[] {
    const found: { section: ElfSection; target: ElfSection }[] = [];
    for (const section of this.sections) {
      if (section.type !== SHT_REL && section.type !== SHT_RELA) continue;
      const target = this.sections[section.info];
      if (target === undefined) {
        throw new FormatError(section.path, `applies to section ${section.info}, which is not there`);
      }
      found.push({ section, target });
    }
    return found;
  }

  /** The entries of one REL or RELA section. */
  relocations(section: ElfSection): ElfRelocations {
    return new ElfRelocations(this, section);
  }

  /** The program headers: what the loader maps. */
  segments(): ElfSegment[] {
    const le = this.littleEndian;
    const at = number64(this.view, 32, le);
    const size = this.view.getUint16(54, le);
    const count = this.view.getUint16(56, le);
    if (count === 0) return [];
    if (size !== PROGRAM_HEADER_SIZE) {
      throw new FormatError(this.at("ELF header"), `has program headers of ${size} bytes`);
    }
    this.#need(at, count * size, "program headers");
    return Array.from({ length: count }, (_, i) => this.#segment(at + i * size));
  }

  /** Name of a section from the section name table. */
  sectionName(nameOffset: number, index: number): string {
    return this.#sectionNames.get(nameOffset, () => this.at(`name of section ${index}`));
  }

  #segment(at: number): ElfSegment {
    const le = this.littleEndian;
    return {
      type: this.view.getUint32(at, le),
      flags: this.view.getUint32(at + 4, le),
      offset: number64(this.view, at + 8, le),
      address: number64(this.view, at + 16, le),
      fileSize: number64(this.view, at + 32, le),
      memorySize: number64(this.view, at + 40, le),
    };
  }

  #readSections(): ElfSection[] {
    const le = this.littleEndian;
    const at = number64(this.view, 40, le);
    if (at === 0) return [];
    const size = this.view.getUint16(58, le);
    if (size !== SECTION_HEADER_SIZE) {
      throw new FormatError(this.at("ELF header"), `has section headers of ${size} bytes`);
    }
    this.#need(at, size, "section headers");
    // More than 65279 sections: the count lies in the size field of section 0.
    const count = this.view.getUint16(60, le) || number64(this.view, at + 32, le);
    this.#need(at, count * size, "section headers");
    const sections: ElfSection[] = [];
    for (let i = 0; i < count; i++) sections.push(new ElfSection(this, i, at + i * size));
    return sections;
  }

  #readSectionNames(): Uint8Array {
    if (this.sections.length === 0) return new Uint8Array(0);
    const short = this.view.getUint16(62, this.littleEndian);
    const index = short === SHN_XINDEX ? this.sections[0]!.link : short;
    const section = this.sections[index];
    if (section === undefined || section.type !== SHT_STRTAB) {
      throw new FormatError(this.at("ELF header"), `section ${index} is not a table of section names`);
    }
    if (section.offset + section.size > this.bytes.length) {
      throw new FormatError(
        this.at("section names"),
        `reach to byte ${section.offset + section.size} of ${this.bytes.length}`,
      );
    }
    return this.bytes.subarray(section.offset, section.offset + section.size);
  }

  #onlyTable(type: number): ElfSection | undefined {
    const tables = this.sections.filter((s) => s.type === type);
    if (tables.length > 1) throw new FormatError(tables[1]!.path, "is a second symbol table");
    return tables[0];
  }

  #need(offset: number, length: number, what: string): void {
    if (offset + length > this.bytes.length) {
      throw new FormatError(
        this.at(what),
        `need bytes ${offset} to ${offset + length}, but the file has only ${this.bytes.length}`,
      );
    }
  }
}

/**
 * Opens an ELF64 file. `name` appears in error messages.
 *
 * @throws {FormatError} if the header or the section headers do not hold together
 */
export function readElf(bytes: Uint8Array, name = ""): ElfFile {
  return new ElfFile(bytes, name);
}

/** Whether the bytes start like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

function checkIdentification(bytes: Uint8Array, name: string): Endian {
  const path = name === "" ? "ELF header" : `${name}: ELF header`;
  if (!isElf(bytes)) throw new FormatError(path, "does not start with 7f 45 4c 46: not an ELF file");
  if (bytes.length < HEADER_SIZE) {
    throw new FormatError(path, `needs ${HEADER_SIZE} bytes, but there are only ${bytes.length}`);
  }
  if (bytes[4] !== 2) throw new FormatError(path, "is not 64-bit (EI_CLASS)", { offset: 4 });
  if (bytes[5] !== 1 && bytes[5] !== 2) {
    throw new FormatError(path, `has byte order ${bytes[5]} (EI_DATA)`, { offset: 5 });
  }
  if (bytes[6] !== 1) throw new FormatError(path, `has version ${bytes[6]} (EI_VERSION)`, { offset: 6 });
  return bytes[5] === 1 ? "little" : "big";
}
