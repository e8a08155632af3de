/**
 * What the linker works on: input objects as read, and the object it builds. Symbols and sections refer to each other
 * directly, so that passes can remove and move things; numbers come back when the file is written.
 */
import type { Endian } from "../bytes/cursor.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfExt } from "../btf/ext.ts";
import type { BtfSecInfo } from "../btf/types.ts";
import type { ElfSymbol } from "./elf_tables.ts";
import type { ErrorDetails } from "../errors.ts";
import { WaggleError } from "../errors.ts";

/** Objects that cannot be linked: two definitions, types that disagree, sections that do not fit. */
export class LinkError extends WaggleError {
  override readonly name: string = "LinkError";
  /** The input that brought the trouble. */
  readonly file: string;
  /** The symbol or section in question, if there is one. */
  readonly subject: string | undefined;

  constructor(file: string, problem: string, details: ErrorDetails & { subject?: string | undefined } = {}) {
    super(`Cannot link "${file}": ${problem}`, details);
    this.file = file;
    this.subject = details.subject;
  }
}

/** A section of an input that takes part. */
export interface InputSection {
  /** ELF index; 0 for those that exist in BTF only (`.ksyms`, `.kconfig`). */
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly entrySize: number;
  readonly size: number;
  /** A copy if it has relocations, since addends in it move. */
  bytes: Uint8Array;
  relocations: InputRelocation[];
  /** BTF id of its DATASEC, 0 if it has none, and that DATASEC's variables with final offsets. */
  datasec: number;
  vars: BtfSecInfo[];
  /** Where it goes; undefined for what is the same as in an earlier input (`license`). */
  out: LinkedSection | undefined;
  outOffset: number;
}

export interface InputRelocation {
  offset: number;
  symbol: number;
  type: number;
}

/** One object to link. */
export interface InputObject {
  readonly name: string;
  readonly endian: Endian;
  /** By ELF index; holes for what takes no part. */
  readonly sections: readonly (InputSection | undefined)[];
  /** Those of BTF only. */
  readonly ephemeral: readonly InputSection[];
  /** By index; the null symbol first. */
  readonly symbols: readonly ElfSymbol[];
  readonly btf: Btf | undefined;
  /** Ids of what has a name and is no data: functions, variables, sections, tags. */
  readonly symbolic: Uint32Array;
  /** VARs and FUNCs that are not static: id by name, where a function comes before a variable. */
  readonly globalByName: ReadonlyMap<string, number>;
  readonly ext: BtfExt | undefined;
  /** Linked symbol of each input symbol. */
  readonly linked: (LinkedSymbol | undefined)[];
}

/** A section of the result. */
export interface LinkedSection {
  readonly name: string;
  type: number;
  flags: number;
  entrySize: number;
  align: number;
  size: number;
  /** In BTF only, so far: `.ksyms`, or `.maps` of which there are only externs. */
  ephemeral: boolean;
  /** Contents, complete once all inputs are merged; empty for NOBITS. */
  bytes: Uint8Array;
  readonly pieces: { offset: number; bytes: Uint8Array }[];
  relocations: LinkedRelocation[];
  /** Whether BTF describes it. */
  hasBtf: boolean;
  vars: LinkedVar[];
  /** The symbol of the section itself, once something needs it. */
  symbol: LinkedSymbol | undefined;
}

export interface LinkedVar {
  /** Id in the BTF being built. */
  type: number;
  offset: number;
  size: number;
  /** The global symbol it belongs to, if any. */
  symbol: LinkedSymbol | undefined;
}

export interface LinkedRelocation {
  offset: number;
  symbol: LinkedSymbol;
  type: number;
}

export interface LinkedSymbol {
  readonly name: string;
  bind: number;
  type: number;
  visibility: number;
  /** Undefined for externs and absolute symbols. */
  section: LinkedSection | undefined;
  /** `SHN_*` of symbols without section. */
  readonly shndx: number;
  value: number;
  size: number;
  extern: boolean;
  weak: boolean;
  /** The input of its definition, or of its first mention. */
  owner: InputObject | undefined;
  /** BTF: section that the extern was declared in (`.ksyms`), id of its VAR or FUNC, 0 if it has none. */
  declaredIn: LinkedSection | undefined;
  btfId: number;
}

/** A section without content yet. */
export function newSection(
  from: Pick<InputSection, "name" | "type" | "flags" | "entrySize" | "align" | "index">,
): LinkedSection {
  return {
    name: from.name,
    type: from.type,
    flags: from.flags,
    entrySize: from.entrySize,
    align: Math.max(1, from.align),
    size: 0,
    ephemeral: from.index === 0,
    bytes: new Uint8Array(0),
    pieces: [],
    relocations: [],
    hasBtf: false,
    vars: [],
    symbol: undefined,
  };
}
