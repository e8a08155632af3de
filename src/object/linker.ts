/**
 * What linking needs and nothing else of this folder, as the command loads it: the linker, and what tells objects,
 * archives and bitcode apart.
 */
export { type Archive, type ArchiveMember, isArchive, readArchive } from "./archive.ts";
export { isElf, readElf } from "./elf.ts";
export { link, LinkError, type LinkInput, type LinkOptions, type LinkResult } from "./link.ts";
