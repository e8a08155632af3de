/**
 * The numbers of the ELF64 format that BPF objects use, and the two readings every table needs: 64-bit numbers and
 * names. Follows the System V ABI (`man 5 elf`) and, for relocations, the kernel's Documentation/bpf/llvm_reloc.rst.
 */
import { FormatError } from "../errors.ts";

/** Section types (`sh_type`). */
export const SHT_NULL = 0;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;
export const SHT_DYNSYM = 11;
export const SHT_SYMTAB_SHNDX = 18;
export const SHT_LLVM_ADDRSIG = 0x6fff4c03;

/** Section flags (`sh_flags`). */
export const SHF_WRITE = 1;
export const SHF_ALLOC = 2;
export const SHF_EXECINSTR = 4;
export const SHF_MERGE = 0x10;
export const SHF_STRINGS = 0x20;
export const SHF_COMPRESSED = 0x800;

/** File types and machines. */
export const ET_REL = 1;
export const EM_NONE = 0;
export const EM_BPF = 247;

/** Program header types. */
export const PT_LOAD = 1;
export const PT_NOTE = 4;

/** Symbol bindings. */
export const STB_LOCAL = 0;
export const STB_GLOBAL = 1;
export const STB_WEAK = 2;

/** Symbol types. */
export const STT_NOTYPE = 0;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_SECTION = 3;
export const STT_FILE = 4;
export const STT_GNU_IFUNC = 10;

/** Symbol visibilities. */
export const STV_DEFAULT = 0;
export const STV_INTERNAL = 1;
export const STV_HIDDEN = 2;

/** Special section indices of symbols. */
export const SHN_UNDEF = 0;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;
export const SHN_XINDEX = 0xffff;

/** Relocation types of the BPF machine. */
export const R_BPF_64_64 = 1;
export const R_BPF_64_ABS64 = 2;
export const R_BPF_64_ABS32 = 3;
export const R_BPF_64_NODYLD32 = 4;
export const R_BPF_64_32 = 10;

/** A 64-bit number; inexact above 2^53, where every bounds check fails anyway. */
export function number64(view: DataView, at: number, littleEndian: boolean): number {
  const low = view.getUint32(littleEndian ? at : at + 4, littleEndian);
  const high = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
  return high === 0 ? low : high * 0x1_0000_0000 + low;
}

const utf8 = new TextDecoder();
/** Bounds the scan for the end of a name, so that a table without NULs cannot make reading names quadratic. */
const LONGEST_NAME = 0x1_0000;

/** The NUL-terminated string at `offset` of a string table. `path` is only called for the error. */
export function cString(table: Uint8Array, offset: number, path: () => string): string {
  if (offset === 0 && table.length === 0) return "";
  // Section and symbol names are short and nearly always ASCII, where this loop is faster than TextDecoder.
  let text = "";
  for (let i = offset; i < offset + 32; i++) {
    const byte = table[i];
    if (byte === 0) return text;
    if (byte === undefined || byte >= 0x80) break;
    text += String.fromCharCode(byte);
  }
  const rest = table.subarray(offset, offset + LONGEST_NAME);
  const end = rest.indexOf(0);
  if (end < 0) throw new FormatError(path(), `offset ${offset} is not a string in a table of ${table.length} bytes`);
  return utf8.decode(rest.subarray(0, end));
}
