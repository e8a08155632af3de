/**
 * Reads one object for linking, and refuses what a linker of BPF objects must not touch. Follows the checks of libbpf's
 * static linker: what it skips is skipped (DWARF, string tables), what it refuses is refused.
 */
import {
  EM_BPF,
  ET_REL,
  R_BPF_64_32,
  R_BPF_64_64,
  R_BPF_64_ABS32,
  R_BPF_64_ABS64,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_LLVM_ADDRSIG,
  SHT_NOBITS,
  SHT_NULL,
  SHT_PROGBITS,
  SHT_REL,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FILE,
  STT_NOTYPE,
  STT_OBJECT,
  STT_SECTION,
  STV_DEFAULT,
  STV_HIDDEN,
} from "../abi/elf.ts";
import { Btf } from "../btf/btf.ts";
import { parseBtfExt, validateBtfExt } from "../btf/ext.ts";
import { BTF_KIND, kindOfInfo, vlenOfInfo } from "../btf/kinds.ts";
import type { BtfDatasec, BtfSecInfo } from "../btf/types.ts";
import { FormatError } from "../errors.ts";
import type { ElfFile, ElfSection } from "./elf.ts";
import { readElf } from "./elf.ts";
import type { ElfSymbol } from "./elf_tables.ts";
import type { InputObject, InputSection } from "./link_model.ts";

/** Reads an object. Throws `FormatError` with file and part. */
export function readLinkInput(bytes: Uint8Array, name: string): InputObject {
  const elf = readElf(bytes, name);
  if (elf.type !== ET_REL || elf.machine !== EM_BPF) {
    throw new FormatError(name, `is not a relocatable BPF object (type ${elf.type}, machine ${elf.machine})`);
  }
  const symbols = readSymbols(elf);
  const sections = readSections(elf);
  readRelocations(elf, sections, symbols);
  checkSymbols(elf, sections, symbols);
  const btfSection = elf.section(".BTF");
  const btf = btfSection === undefined ? undefined : Btf.parse(btfSection.bytes, { path: btfSection.path });
  const extSection = elf.section(".BTF.ext");
  const ext = btf === undefined || extSection === undefined
    ? undefined
    : parseBtfExt(extSection.bytes, btf, extSection.path);
  if (btf !== undefined && ext !== undefined) validateBtfExt(ext, btf, extSection!.path);
  const symbolic = btf?.symbolic() ?? new Uint32Array(0);
  const ephemeral = btf === undefined ? [] : fixDatasecs(elf, btf, symbolic, sections, symbols);
  const globalByName = globalsOf(btf, symbolic);
  return { name, endian: elf.endian, sections, ephemeral, symbols, btf, symbolic, globalByName, ext, linked: [] };
}

function globalsOf(btf: Btf | undefined, symbolic: Uint32Array): Map<string, number> {
  const found = new Map<string, number>();
  if (btf === undefined) return found;
  const { words, offsets } = btf.raw();
  for (const id of symbolic) {
    const at = offsets[id - btf.firstId]!;
    const info = words[at + 1]!;
    const kind = kindOfInfo(info);
    if (kind !== BTF_KIND.VAR && kind !== BTF_KIND.FUNC) continue;
    // Linkage 0 is static.
    if ((kind === BTF_KIND.FUNC ? vlenOfInfo(info) : words[at + 3]) === 0) continue;
    const name = btf.string(words[at]!);
    const known = found.get(name);
    if (known === undefined || (kind === BTF_KIND.FUNC && btf.kindOf(known) !== kind)) found.set(name, id);
  }
  return found;
}

function readSymbols(elf: ElfFile): ElfSymbol[] {
  if (elf.sections.filter((s) => s.type === SHT_SYMTAB).length !== 1) {
    throw new FormatError(elf.at("symbol table"), "does not exist exactly once");
  }
  const table = elf.symbols;
  const symbols: ElfSymbol[] = [];
  for (let i = 0; i < table.count; i++) symbols.push(table.get(i));
  const first = symbols[0];
  if (first !== undefined && (first.value !== 0 || first.size !== 0 || first.section !== 0 || first.name !== "")) {
    throw new FormatError(table.path, "symbol 0 is not empty");
  }
  return symbols;
}

/** Sections whose content is linked; relocations hang on their targets. */
function readSections(elf: ElfFile): (InputSection | undefined)[] {
  return elf.sections.map((section) => {
    if (isSkipped(section)) return undefined;
    if (section.type === SHT_REL || section.type === SHT_SYMTAB) return undefined;
    if (section.type !== SHT_PROGBITS && section.type !== SHT_NOBITS) {
      throw new FormatError(section.path, `has type ${section.type}, which is not supported`);
    }
    checkSection(section);
    return {
      index: section.index,
      name: section.name,
      type: section.type,
      flags: section.flags,
      align: section.align,
      entrySize: section.entrySize,
      size: section.size,
      bytes: section.bytes,
      relocations: [],
      datasec: 0,
      vars: [],
      out: undefined,
      outOffset: 0,
    };
  });
}

function isSkipped(section: ElfSection): boolean {
  if (section.type === SHT_NULL || section.type === SHT_STRTAB || section.type === SHT_LLVM_ADDRSIG) return true;
  const name = section.type === SHT_REL ? section.name.slice(4) : section.name;
  if (name === ".BTF" || name === ".BTF.ext" || name === ".debug" || name.startsWith(".debug_")) return true;
  return name === ".text" && section.type === SHT_PROGBITS && section.size === 0;
}

function checkSection(section: ElfSection): void {
  const { align, size } = section;
  if (align > 0 && !Number.isInteger(Math.log2(align))) {
    throw new FormatError(section.path, `alignment ${align} is no power of two`);
  }
  if (align > 1 << 24) throw new FormatError(section.path, `alignment ${align} is out of range`);
  if (section.executable && size % 8 !== 0) throw new FormatError(section.path, `size ${size} is not a multiple of 8`);
  if (section.type === SHT_NOBITS && size > 0x7fffffff) {
    throw new FormatError(section.path, `size ${size} is out of range`);
  }
}

function readRelocations(elf: ElfFile, sections: (InputSection | undefined)[], symbols: readonly ElfSymbol[]): void {
  for (const section of elf.sections) {
    if (section.type !== SHT_REL || isSkipped(section)) continue;
    const target = sections[section.info];
    if (target === undefined) {
      if (elf.sections[section.info]?.size === 0) continue; // An empty .text that takes no part.
      throw new FormatError(section.path, `applies to section ${section.info}, which takes no part`);
    }
    if (section.name !== `.rel${target.name}`) throw new FormatError(section.path, `applies to "${target.name}"`);
    if (elf.sections[section.link]?.type !== SHT_SYMTAB) {
      throw new FormatError(section.path, "does not use the symbol table");
    }
    target.bytes = target.bytes.slice();
    for (const relocation of elf.relocations(section)) {
      checkRelocation(section, target, relocation, symbols.length);
      target.relocations.push(relocation);
    }
  }
}

const RELOCATIONS: readonly number[] = [R_BPF_64_64, R_BPF_64_32, R_BPF_64_ABS64, R_BPF_64_ABS32];

function checkRelocation(
  section: ElfSection,
  target: InputSection,
  { offset, symbol, type }: { offset: number; symbol: number; type: number },
  symbolCount: number,
): void {
  const fail = (problem: string): never => {
    throw new FormatError(`${section.path}: relocation at ${offset}`, problem);
  };
  if (!RELOCATIONS.includes(type)) fail(`type ${type} is not supported`);
  if (symbol >= symbolCount) fail(`symbol ${symbol} does not exist`);
  const executable = (target.flags & SHF_EXECINSTR) !== 0;
  const width = type === R_BPF_64_64 ? 16 : type === R_BPF_64_ABS32 ? 4 : 8;
  if (offset + (executable ? width : type === R_BPF_64_ABS32 ? 4 : 8) > target.bytes.length) {
    fail("is outside of the section");
  }
  if (!executable) return;
  if (offset % 8 !== 0) fail("is not at an instruction");
  const code = target.bytes[offset];
  // Load of 64 bits, or call.
  if (type === R_BPF_64_64 ? code !== 0x18 : type === R_BPF_64_32 && code !== 0x85) {
    fail(`does not fit instruction 0x${code?.toString(16)}`);
  }
}

function checkSymbols(
  elf: ElfFile,
  sections: readonly (InputSection | undefined)[],
  symbols: readonly ElfSymbol[],
): void {
  for (const symbol of symbols) {
    const problem = symbol.index === 0 ? undefined : bindingProblem(symbol) ?? placeProblem(elf, sections, symbol);
    if (problem !== undefined) throw new FormatError(elf.at(`symbol ${symbol.index} "${symbol.name}"`), problem);
  }
}

function bindingProblem({ bind, visibility, name }: ElfSymbol): string | undefined {
  if (bind === STB_LOCAL) return undefined;
  if (bind !== STB_GLOBAL && bind !== STB_WEAK) return `binding ${bind} is not supported`;
  if (visibility !== STV_DEFAULT && visibility !== STV_HIDDEN) return `visibility ${visibility} is not supported`;
  return name === "" ? "has no name" : undefined;
}

function placeProblem(
  elf: ElfFile,
  sections: readonly (InputSection | undefined)[],
  { section: index, type, bind, value, size }: ElfSymbol,
): string | undefined {
  if (index === SHN_UNDEF) {
    const plain = type === STT_NOTYPE && bind !== STB_LOCAL && value === 0 && size === 0;
    return plain ? undefined : "is undefined and not a plain extern";
  }
  if (index >= SHN_LORESERVE) {
    return type === STT_FILE || bind === STB_LOCAL ? undefined : `section index ${index} is not supported`;
  }
  if (elf.sections[index] === undefined) return `section ${index} does not exist`;
  if (type === STT_SECTION && value !== 0) return "is a section and has a value";
  const section = sections[index];
  return section !== undefined && value + size > section.size ? `ends outside of "${section.name}"` : undefined;
}

/**
 * Gives each section its DATASEC with final offsets; returns shells for DATASECs without ELF section. `.extern` has
 * none: its variables are looked for in the other inputs.
 */
function fixDatasecs(
  elf: ElfFile,
  btf: Btf,
  symbolic: Uint32Array,
  sections: readonly (InputSection | undefined)[],
  symbols: readonly ElfSymbol[],
): InputSection[] {
  const shells: InputSection[] = [];
  for (const id of symbolic) {
    if (btf.kindOf(id) !== BTF_KIND.DATASEC) continue;
    const datasec = btf.type(id) as BtfDatasec;
    if (datasec.name === ".extern") continue;
    let section = sections.find((s) => s?.name === datasec.name);
    if (section === undefined) {
      section = shell(datasec.name);
      shells.push(section);
    }
    section.datasec = id;
    section.vars = datasec.vars.map((v) => fixVar(elf, btf, section, symbols, v)).sort((a, b) => a.offset - b.offset);
  }
  return shells;
}

function fixVar(
  elf: ElfFile,
  btf: Btf,
  section: InputSection,
  symbols: readonly ElfSymbol[],
  info: BtfSecInfo,
): BtfSecInfo {
  const type = btf.type(info.type);
  if (type.kind === "FUNC") return info;
  if (type.kind !== "VAR") {
    throw new FormatError(elf.at(".BTF"), `DATASEC "${section.name}" contains ${type.kind} ${info.type}`);
  }
  if (type.linkage !== "global" || section.index === 0) return info;
  const symbol = symbols.find((s) => s.section === section.index && s.type === STT_OBJECT && s.name === type.name);
  if (symbol === undefined) {
    throw new FormatError(elf.at(".BTF"), `variable "${type.name}" has no symbol in section "${section.name}"`);
  }
  return { ...info, offset: symbol.value };
}

function shell(name: string): InputSection {
  return {
    index: 0,
    name,
    type: SHT_PROGBITS,
    flags: SHF_ALLOC,
    align: 1,
    entrySize: 0,
    size: 0,
    bytes: new Uint8Array(0),
    relocations: [],
    datasec: 0,
    vars: [],
    out: undefined,
    outOffset: 0,
  };
}
