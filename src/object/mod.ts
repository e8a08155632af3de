/**
 * BPF object files: read ELF into an `ObjectSpec`, resolve CO-RE records and relocations, link, write ELF. Pure: needs no
 * permission.
 *
 * @module
 */
export { CoreError, type CorePoison, CoreResolver, type CoreTarget } from "./core.ts";
export { ElfFile, ElfSection, type ElfSegment } from "./elf.ts";
export {
  type ElfDraft,
  type ElfRelocationDraft,
  type ElfSectionDraft,
  type ElfSymbolDraft,
  writeElf,
} from "./elf_write.ts";
export * from "./linker.ts";
export { minimalCoreBtf } from "./link_min_core.ts";
export { parseObject, type ParseOptions } from "./parse.ts";
export {
  type ExternFact,
  FunctionIndex,
  type Piece,
  reachable,
  type RelocatedProgram,
  relocateProgram,
  type RelocationFacts,
} from "./relocate.ts";
export { matchSection } from "./section_name.ts";
export { type SectionDef, SECTIONS } from "./sections.ts";
export type * from "./spec.ts";
