/**
 * A BPF object file opened for parsing: what each section is for, its symbols by use, its BTF. The steps of `parse.ts`
 * all read from here. Section names and their meaning are libbpf's.
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfExt } from "../btf/ext.ts";
import type { ElfFile, ElfSection } from "./elf.ts";
import { readElf } from "./elf.ts";
import {
  EM_BPF,
  EM_NONE,
  ET_REL,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_REL,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FUNC,
  STT_NOTYPE,
  STT_OBJECT,
} from "../abi/elf.ts";
import type { ElfRelocation, ElfSymbols } from "./elf_tables.ts";

/** What a section is for; `other` is ignored unless something refers to it. */
export type SectionRole =
  | "code"
  | "maps"
  | "legacy_maps"
  | "data"
  | "rodata"
  | "bss"
  | "struct_ops"
  | "arena"
  | "jump_tables"
  | "license"
  | "version"
  | "btf"
  | "btf_ext"
  | "other";

/** The file and what was found in it, shared by the parsing steps. */
export interface ObjectFile {
  elf: ElfFile;
  symbols: ElfSymbols;
  /** By section index. */
  roles: SectionRole[];
  /** Key of each section in the spec, by section index: its name without `?`, made unique. */
  keys: string[];
  /** REL entries by index of the section they apply to. */
  relocations: Map<number, ElfRelocation[]>;
  /** Symbol indices of functions, by section index and then offset. */
  functions: number[];
  /** Symbol indices of undefined symbols that the loader must resolve. */
  externs: number[];
  /** Global and weak variables by name → symbol index. */
  variables: Map<string, number>;
  btf: Btf | undefined;
  ext: BtfExt | undefined;
}

/** Opens the ELF file, refuses what is no BPF object, sorts sections and symbols by use. BTF is added by `openBtf`. */
export function openObject(bytes: Uint8Array, name: string): ObjectFile {
  const elf = readElf(bytes, name);
  if (elf.type !== ET_REL) {
    throw new FormatError(elf.at("ELF header"), `has type ${elf.type}: not a relocatable object`);
  }
  if (elf.machine !== EM_BPF && elf.machine !== EM_NONE) {
    throw new FormatError(elf.at("ELF header"), `is for machine ${elf.machine}, not for BPF`, {
      hint: "compile with clang -target bpf",
    });
  }
  const symbols = elf.symbols;
  if (symbols.count === 0) throw new FormatError(elf.at("symbol table"), "is missing: the file was stripped");
  const roles = elf.sections.map(roleOf);
  const keys = sectionKeys(elf.sections);
  return {
    elf,
    symbols,
    roles,
    keys,
    relocations: groupRelocations(elf, roles),
    ...sortSymbols(symbols, roles),
    btf: undefined,
    ext: undefined,
  };
}

/** All sections with this role. */
export function sectionsWithRole(file: ObjectFile, role: SectionRole): ElfSection[] {
  return file.elf.sections.filter((s) => file.roles[s.index] === role);
}

/** The first section with this role. */
export function sectionWithRole(file: ObjectFile, role: SectionRole): ElfSection | undefined {
  const index = file.roles.indexOf(role);
  return index < 0 ? undefined : file.elf.sections[index];
}

/** A symbol as errors print it. */
export function describeSymbol(file: ObjectFile, index: number): string {
  const name = file.symbols.name(index);
  if (name !== "") return `"${name}"`;
  const section = file.elf.sections[file.symbols.section(index)];
  return section === undefined ? `${index}` : `of section "${section.name}"`;
}

function roleOf(section: ElfSection): SectionRole {
  const name = section.name;
  if (section.type === SHT_NOBITS) return isNamed(name, ".bss") && section.size > 0 ? "bss" : "other";
  if (section.type !== SHT_PROGBITS) return "other";
  const fixed = ROLE_BY_NAME[name];
  if (fixed !== undefined) return fixed;
  if (section.size === 0 || name.startsWith(".debug_")) return "other";
  if (section.executable) return "code";
  if (isNamed(name, ".data")) return "data";
  if (isNamed(name, ".rodata")) return "rodata";
  return "other";
}

const ROLE_BY_NAME: Readonly<Record<string, SectionRole | undefined>> = {
  ".maps": "maps",
  "maps": "legacy_maps",
  ".BTF": "btf",
  ".BTF.ext": "btf_ext",
  "license": "license",
  "version": "version",
  ".struct_ops": "struct_ops",
  ".struct_ops.link": "struct_ops",
  "?.struct_ops": "struct_ops",
  "?.struct_ops.link": "struct_ops",
  ".addr_space.1": "arena",
  ".jumptables": "jump_tables",
};

function isNamed(name: string, kind: string): boolean {
  return name === kind || name.startsWith(`${kind}.`);
}

function sectionKeys(sections: readonly ElfSection[]): string[] {
  const taken = new Set<string>();
  return sections.map((section) => {
    const plain = section.name.startsWith("?") ? section.name.slice(1) : section.name;
    const key = taken.has(plain) ? `${plain}#${section.index}` : plain;
    taken.add(key);
    return key;
  });
}

/** Entries for debug sections and BTF itself are of no interest to a loader. */
function groupRelocations(elf: ElfFile, roles: readonly SectionRole[]): Map<number, ElfRelocation[]> {
  const groups = new Map<number, ElfRelocation[]>();
  for (const { section, target } of elf.relocationSections()) {
    const role = roles[target.index];
    if (role === "other" || role === "btf" || role === "btf_ext" || role === undefined) continue;
    if (section.type !== SHT_REL) throw new FormatError(section.path, "is of type RELA, which BPF objects do not use");
    const entries = [...elf.relocations(section)];
    for (const entry of entries) {
      if (entry.offset >= target.size) {
        throw new FormatError(section.path, `entry at offset ${entry.offset} lies outside of "${target.name}"`);
      }
    }
    groups.set(target.index, (groups.get(target.index) ?? []).concat(entries).sort((a, b) => a.offset - b.offset));
  }
  return groups;
}

function sortSymbols(
  symbols: ElfSymbols,
  roles: readonly SectionRole[],
): Pick<ObjectFile, "functions" | "externs" | "variables"> {
  const functions: number[] = [];
  const externs: number[] = [];
  const variables = new Map<string, number>();
  for (let i = 1; i < symbols.count; i++) {
    const type = symbols.type(i);
    const bind = symbols.bind(i);
    const section = symbols.section(i);
    if (type === STT_FUNC) {
      if (roles[section] === "code") functions.push(i);
    } else if (section === 0) {
      if (type === STT_NOTYPE && (bind === STB_GLOBAL || bind === STB_WEAK)) externs.push(i);
    } else if (type === STT_OBJECT && bind !== STB_LOCAL) variables.set(symbols.name(i), i);
  }
  functions.sort((a, b) => symbols.section(a) - symbols.section(b) || symbols.value(a) - symbols.value(b));
  return { functions, externs: externs.filter((i) => symbols.name(i) !== ""), variables };
}
