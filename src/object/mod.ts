/**
 * BPF object files: read ELF into an `ObjectSpec`, resolve CO-RE records and relocations, write ELF. Pure: needs no
 * permission.
 *
 * @module
 */
export { type CorePoison, CoreError, CoreResolver, type CoreTarget } from "./core.ts";
export { ElfFile, ElfSection, type ElfSegment, isElf, readElf } from "./elf.ts";
export { type ElfDraft, type ElfRelocationDraft, type ElfSectionDraft, type ElfSymbolDraft, writeElf } from "./elf_write.ts";
export { parseObject, type ParseOptions } from "./parse.ts";
export {
  type ExternFact,
  FunctionIndex,
  type Piece,
  reachable,
  type RelocatedProgram,
  type RelocationFacts,
  relocateProgram,
} from "./relocate.ts";
export { matchSection } from "./section_name.ts";
export { type SectionDef, SECTIONS } from "./sections.ts";
export type * from "./spec.ts";
