/**
 * Functions of programs and libraries, as uprobes need them: name → offset in the file. Addresses become offsets by the
 * program headers, which is what the loader maps by; the section headers, which libbpf uses, may lie about it.
 * Versions follow the System V ABI with the GNU extension (.gnu.version, .gnu.version_d).
 */
import {
  ET_DYN,
  ET_EXEC,
  PF_X,
  PT_LOAD,
  SHN_UNDEF,
  SHT_GNU_VERDEF,
  SHT_GNU_VERSYM,
  STB_WEAK,
  STT_FUNC,
  STT_GNU_IFUNC,
  VERSYM_HIDDEN,
} from "../abi/elf.ts";
import { FormatError, NotFoundError, NotSupportedError, WaggleError } from "../errors.ts";
import { type ElfFile, readElf } from "../object/elf.ts";
import type { ElfSymbols } from "../object/elf_tables.ts";
import { mapFile } from "../syscall/files.ts";

/** A function of a file. */
export interface FunctionPlace {
  readonly name: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes of its code; 0 if the file does not say. */
  readonly size: number;
}

/** Runs `use` over an ELF file that is mapped meanwhile. Throws `SyscallError` and `FormatError`. */
export function withElf<T>(path: string, use: (elf: ElfFile) => T): T {
  using file = mapFile(path);
  const elf = readElf(file.bytes, path);
  if (elf.type !== ET_EXEC && elf.type !== ET_DYN) {
    throw new FormatError(path, "is neither a program nor a shared library");
  }
  return use(elf);
}

/**
 * Finds a function by name, `name@VERSION` (any symbol of that version) or `name@@VERSION` (the default one). Without a
 * version the default one is preferred, and a strong symbol to a weak one. Throws `NotFoundError`, and `WaggleError` if
 * several different functions fit equally. `code` is the file that has the code, if `elf` has only symbols.
 */
export function findFunction(elf: ElfFile, symbol: string, code: ElfFile = elf): FunctionPlace {
  const wanted = parseName(symbol);
  const versions = new SymbolVersions(elf);
  const tables = [
    () => search(elf.dynamicSymbols, wanted, versions),
    () => search(elf.symbols, wanted, undefined),
  ];
  for (const table of tables) {
    const found = best(elf, symbol, table());
    if (found !== undefined) return place(elf, symbol, found, code);
  }
  return notFound(elf, symbol, wanted.name);
}

/** All functions whose name fits, each once per place, in the order of the file's tables. */
export function matchFunctions(elf: ElfFile, pattern: RegExp, code: ElfFile = elf): FunctionPlace[] {
  const found = new Map<number, FunctionPlace>();
  for (const table of [elf.dynamicSymbols, elf.symbols]) {
    for (let i = 1; i < table.count; i++) {
      if (table.type(i) !== STT_FUNC || table.section(i) === SHN_UNDEF) continue;
      const name = table.name(i).replace(/@.*$/, "");
      if (!pattern.test(name)) continue;
      const offset = fileOffset(code, table.value(i));
      if (!found.has(offset)) found.set(offset, { name, offset, size: table.size(i) });
    }
  }
  return [...found.values()];
}

/** The place in the file of an address. Throws `FormatError` if no loaded segment has it. */
export function fileOffset(elf: ElfFile, address: number): number {
  let data: number | undefined;
  for (const segment of elf.segments()) {
    if (segment.type !== PT_LOAD) continue;
    if (address < segment.address || address >= segment.address + segment.fileSize) continue;
    const offset = address - segment.address + segment.offset;
    if (segment.flags & PF_X) return offset;
    data ??= offset;
  }
  if (data !== undefined) return data;
  throw new FormatError(elf.at("program headers"), `no loaded segment has address 0x${address.toString(16)}`);
}

interface WantedName {
  name: string;
  version: string | undefined;
  /** `@@`: only the default version. */
  defaultOnly: boolean;
}

function parseName(symbol: string): WantedName {
  const match = /^(.+?)(@@?)([^@]+)$/.exec(symbol);
  if (match === null) return { name: symbol, version: undefined, defaultOnly: false };
  return { name: match[1]!, version: match[3], defaultOnly: match[2] === "@@" };
}

interface Candidate {
  value: number;
  size: number;
  type: number;
  /** Higher is better: default version 2, strong 1. */
  rank: number;
}

const encoder = new TextEncoder();

/** Symbols of one table that fit. `versions` belongs to the dynamic table; the other has versions in its names. */
function search(table: ElfSymbols, wanted: WantedName, versions: SymbolVersions | undefined): Candidate[] {
  const bytes = encoder.encode(wanted.name);
  const plain: Candidate[] = [];
  for (let i = 1; i < table.count; i++) {
    if (!table.nameIs(i, bytes) || !isFunction(table, i)) continue;
    const hidden = versions?.hidden(i) ?? false;
    if (wanted.defaultOnly && hidden) continue;
    if (wanted.version !== undefined && versions?.name(i) !== wanted.version) continue;
    plain.push(candidate(table, i, hidden));
  }
  if (plain.length > 0 || versions !== undefined) return plain;
  return searchVersionedNames(table, wanted);
}

/** `memcpy@@GLIBC_2.14` as a name, in the symbol table of a static or unstripped file. */
function searchVersionedNames(table: ElfSymbols, wanted: WantedName): Candidate[] {
  const found: Candidate[] = [];
  for (let i = 1; i < table.count; i++) {
    if (!isFunction(table, i)) continue;
    const name = table.name(i);
    if (!name.startsWith(wanted.name) || name[wanted.name.length] !== "@") continue;
    const parsed = parseName(name);
    if (parsed.name !== wanted.name || wanted.version !== undefined && parsed.version !== wanted.version) continue;
    if (wanted.defaultOnly && !parsed.defaultOnly) continue;
    found.push(candidate(table, i, !parsed.defaultOnly));
  }
  return found;
}

function isFunction(table: ElfSymbols, index: number): boolean {
  const type = table.type(index);
  return (type === STT_FUNC || type === STT_GNU_IFUNC) && table.section(index) !== SHN_UNDEF;
}

function candidate(table: ElfSymbols, index: number, hidden: boolean): Candidate {
  const rank = (hidden ? 0 : 2) + (table.bind(index) === STB_WEAK ? 0 : 1);
  return { value: table.value(index), size: table.size(index), type: table.type(index), rank };
}

function best(elf: ElfFile, symbol: string, candidates: readonly Candidate[]): Candidate | undefined {
  if (candidates.length === 0) return undefined;
  const top = Math.max(...candidates.map((c) => c.rank));
  const first = candidates.filter((c) => c.rank === top);
  const values = new Set(first.map((c) => c.value));
  if (values.size > 1) {
    const places = [...values].map((v) => `0x${fileOffset(elf, v).toString(16)}`).join(", ");
    throw new WaggleError(`Cannot find function "${symbol}" in "${elf.name}": there are ${values.size} of that name`, {
      hint: `attach by offset: ${places}`,
    });
  }
  return first[0];
}

function place(elf: ElfFile, symbol: string, { value, size, type }: Candidate, code: ElfFile): FunctionPlace {
  if (type === STT_GNU_IFUNC) {
    throw new NotSupportedError(`a probe on "${symbol}"`, {
      message: `Cannot probe "${symbol}" in "${elf.name}": it is an indirect function`,
      hint: "its code is in one of several functions that the loader chooses from; attach to that one",
    });
  }
  return { name: symbol, offset: fileOffset(code, value), size };
}

function notFound(elf: ElfFile, symbol: string, name: string): never {
  const known: string[] = [];
  // Very large tables would take longer to search for a hint than anybody waits.
  for (const table of [elf.dynamicSymbols, elf.symbols]) {
    for (let i = 1; i < Math.min(table.count, 200_000); i++) if (isFunction(table, i)) known.push(table.name(i));
  }
  const hint = known.length === 0 ? "the file has no symbols: attach by offset" : undefined;
  const exists = known.some((k) => k === name || k.startsWith(`${name}@`));
  throw new NotFoundError("function", symbol, known, {
    where: `"${elf.name}"`,
    ...(hint !== undefined && { hint }),
    ...(exists && { hint: `"${name}" exists, but not in that version` }),
  });
}

/** Versions of the dynamic symbols. */
class SymbolVersions {
  readonly #versym: DataView | undefined;
  readonly #names: ReadonlyMap<number, string>;
  readonly #littleEndian: boolean;

  constructor(elf: ElfFile) {
    const section = elf.sections.find((s) => s.type === SHT_GNU_VERSYM);
    const bytes = section?.bytes;
    this.#versym = bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = elf.littleEndian;
    this.#names = this.#versym === undefined ? new Map() : readVersionNames(elf);
  }

  hidden(symbol: number): boolean {
    return (this.#index(symbol) & VERSYM_HIDDEN) !== 0;
  }

  name(symbol: number): string | undefined {
    return this.#names.get(this.#index(symbol) & ~VERSYM_HIDDEN);
  }

  #index(symbol: number): number {
    const view = this.#versym;
    return view === undefined || symbol * 2 + 2 > view.byteLength ? 0 : view.getUint16(symbol * 2, this.#littleEndian);
  }
}

/** .gnu.version_d: version index → name. Chains are followed only forward, so that a loop in them ends. */
function readVersionNames(elf: ElfFile): Map<number, string> {
  const names = new Map<number, string>();
  const section = elf.sections.find((s) => s.type === SHT_GNU_VERDEF);
  if (section === undefined) return names;
  const bytes = section.bytes;
  const strings = elf.sections[section.link]?.bytes ?? new Uint8Array(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const le = elf.littleEndian;
  for (let at = 0; at + 20 <= bytes.length;) {
    // Elf64_Verdef: u16 version, flags, ndx, cnt; u32 hash, aux, next. Its first Elf64_Verdaux has the name.
    const aux = at + view.getUint32(at + 12, le);
    if (aux + 8 > bytes.length) throw new FormatError(section.path, `entry at ${at} points outside`);
    names.set(view.getUint16(at + 4, le), cString(strings, view.getUint32(aux, le)));
    const next = view.getUint32(at + 16, le);
    if (next === 0) break;
    at += next;
  }
  return names;
}

const decoder = new TextDecoder();

function cString(strings: Uint8Array, offset: number): string {
  const end = strings.indexOf(0, offset);
  return decoder.decode(strings.slice(offset, end < 0 ? strings.length : end));
}
