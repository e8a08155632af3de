/**
 * Functions: one spec for each function symbol of an executable section, with its relocations and what `.BTF.ext` says
 * of it. As in libbpf, functions in `.text` are subprograms and all others are programs.
 */
import { SLOT_SIZE } from "../asm/insn.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfCoreInfo, BtfExtBlock, BtfFuncInfo, BtfLineInfo } from "../btf/ext.ts";
import { STB_GLOBAL, STB_LOCAL, STV_HIDDEN, STV_INTERNAL } from "../abi/elf.ts";
import type { ObjectFile } from "./object_file.ts";
import type { FunctionPlace, Referents } from "./parse_relocations.ts";
import { parseRelocations } from "./parse_relocations.ts";
import { matchSection } from "./section_name.ts";
import type { CoreKind, CoreRelocation, FunctionSpec, LineInfo, LineRecords, ProgramSpec, Relocation } from "./spec.ts";

/** `enum bpf_core_relo_kind` by number. */
export const CORE_KINDS: readonly CoreKind[] = [
  "FIELD_BYTE_OFFSET",
  "FIELD_BYTE_SIZE",
  "FIELD_EXISTS",
  "FIELD_SIGNED",
  "FIELD_LSHIFT_U64",
  "FIELD_RSHIFT_U64",
  "TYPE_ID_LOCAL",
  "TYPE_ID_TARGET",
  "TYPE_EXISTS",
  "TYPE_SIZE",
  "ENUMVAL_EXISTS",
  "ENUMVAL_VALUE",
  "TYPE_MATCHES",
];

/** All programs and all subprograms, each by section and offset. */
export function parseFunctions(
  file: ObjectFile,
  referents: Referents,
): { programs: ProgramSpec[]; subprograms: FunctionSpec[]; coreSections: string[] } {
  const ext = extBySection(file);
  const programs: ProgramSpec[] = [];
  const subprograms: FunctionSpec[] = [];
  let previous = -1;
  for (const symbol of file.functions) {
    // Two symbols for one place are aliases of one function; the first is the function.
    const key = file.symbols.section(symbol) * 2 ** 32 + file.symbols.value(symbol);
    if (key === previous) continue;
    previous = key;
    const fn = parseFunction(file, symbol, referents, ext);
    if (file.elf.sections[file.symbols.section(symbol)]!.name === ".text") subprograms.push(fn);
    else programs.push(asProgram(file, symbol, fn));
  }
  return { programs, subprograms, coreSections: file.ext?.core.map((block) => keyOf(file, block)) ?? [] };
}

function parseFunction(file: ObjectFile, symbol: number, referents: Referents, ext: ExtIndex): FunctionSpec {
  const place = functionPlace(file, symbol);
  const bind = file.symbols.bind(symbol);
  const visibility = file.symbols.visibility(symbol);
  const key = file.keys[place.section]!;
  return new ParsedFunction({
    name: place.name,
    section: key,
    offset: place.offset,
    linkage: bind === STB_LOCAL ? "static" : bind === STB_GLOBAL ? "global" : "weak",
    hidden: visibility === STV_HIDDEN || visibility === STV_INTERNAL,
    insns: place.insns,
    relocations: parseRelocations(file, place, referents),
    btfId: funcTypeId(file, ext.funcs.get(key), place),
    btf: file.btf,
    ext: { lines: ext.lines.get(key), core: ext.core.get(key) },
  });
}

function functionPlace(file: ObjectFile, symbol: number): FunctionPlace {
  const name = file.symbols.name(symbol);
  const index = file.symbols.section(symbol);
  const section = file.elf.sections[index]!;
  const offset = file.symbols.value(symbol);
  const size = file.symbols.size(symbol);
  const path = `${section.path}: function "${name}"`;
  if (size === 0) throw new FormatError(path, "is empty");
  if (offset % SLOT_SIZE !== 0 || size % SLOT_SIZE !== 0) {
    throw new FormatError(path, `offset ${offset} and size ${size} are not multiples of ${SLOT_SIZE}`);
  }
  const code = section.bytes;
  if (offset + size > code.length) {
    throw new FormatError(path, `ends at byte ${offset + size}, but the section has only ${code.length}`);
  }
  if (file.symbols.bind(symbol) === STB_LOCAL && section.name !== ".text") {
    throw new FormatError(path, "is static: a program must be global, a static function must be in .text", {
      hint: `take "static" away or the SEC() annotation`,
    });
  }
  return { name, section: index, offset, insns: code.subarray(offset, offset + size) };
}

function asProgram(file: ObjectFile, symbol: number, fn: FunctionSpec): ProgramSpec {
  const raw = file.elf.sections[file.symbols.section(symbol)]!.name;
  const match = matchSection(raw);
  return Object.assign(fn, {
    sectionName: raw.startsWith("?") ? raw.slice(1) : raw,
    def: match?.def,
    target: match?.target ?? "",
    autoload: !raw.startsWith("?"),
  });
}

/** The BTF function of a place; 0 without func_info. */
function funcTypeId(file: ObjectFile, info: BtfFuncInfo | undefined, place: FunctionPlace): number {
  if (file.btf === undefined) return 0;
  if (info !== undefined) {
    const row = lowerBound(info.insnOff, place.offset);
    if (info.insnOff[row] === place.offset) return info.typeId[row]!;
  }
  return 0;
}

interface ExtIndex {
  funcs: Map<string, BtfFuncInfo>;
  lines: Map<string, BtfLineInfo>;
  core: Map<string, BtfCoreInfo>;
}

function extBySection(file: ObjectFile): ExtIndex {
  const index = <B extends BtfExtBlock>(blocks: readonly B[] | undefined): Map<string, B> =>
    new Map((blocks ?? []).map((b) => [keyOf(file, b), sorted(b)]));
  return { funcs: index(file.ext?.funcInfo), lines: index(file.ext?.lineInfo), core: index(file.ext?.core) };
}

/** `.BTF.ext` names sections as the file does. */
function keyOf(file: ObjectFile, block: BtfExtBlock): string {
  const index = file.elf.sections.findIndex((s) => s.name === block.section && file.roles[s.index] === "code");
  return index < 0 ? block.section : file.keys[index]!;
}

/** Compilers write records in ascending order; others may not, and the searches below need it. */
function sorted<B extends BtfExtBlock>(block: B): B {
  const { insnOff } = block;
  let ascending = true;
  for (let i = 1; i < insnOff.length && ascending; i++) ascending = insnOff[i - 1]! <= insnOff[i]!;
  if (ascending) return block;
  const order = Array.from(insnOff.keys()).sort((a, b) => insnOff[a]! - insnOff[b]! || a - b);
  const columns = Object.entries(block).map(([name, column]) =>
    [name, column instanceof Uint32Array ? Uint32Array.from(order, (i) => column[i]!) : column] as const
  );
  return Object.fromEntries(columns) as unknown as B;
}

/** Index of the first element that is not below `value`. */
function lowerBound(column: Uint32Array, value: number): number {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface ParsedFunctionInit {
  name: string;
  section: string;
  offset: number;
  linkage: FunctionSpec["linkage"];
  hidden: boolean;
  insns: Uint8Array;
  relocations: Relocation[];
  btfId: number;
  btf: Btf | undefined;
  ext: { lines: BtfLineInfo | undefined; core: BtfCoreInfo | undefined };
}

/** A function read from a file. Lines and CO-RE records become objects when asked for. */
class ParsedFunction implements FunctionSpec {
  name: string;
  section: string;
  offset: number;
  linkage: FunctionSpec["linkage"];
  hidden: boolean;
  insns: Uint8Array;
  relocations: Relocation[];
  btfId: number;
  readonly #init: ParsedFunctionInit;
  #lines: LineInfo[] | undefined;
  #lineRecords: LineRecords | undefined;
  #core: CoreRelocation[] | undefined;

  constructor(init: ParsedFunctionInit) {
    this.name = init.name;
    this.section = init.section;
    this.offset = init.offset;
    this.linkage = init.linkage;
    this.hidden = init.hidden;
    this.insns = init.insns;
    this.relocations = init.relocations;
    this.btfId = init.btfId;
    this.#init = init;
  }

  get coreRelocations(): CoreRelocation[] {
    return this.#core ??= this.#readCore();
  }

  get lineRecords(): LineRecords | undefined {
    const { lines } = this.#init.ext;
    if (lines === undefined) return undefined;
    return this.#lineRecords ??= sliceLines(lines, this.offset, this.insns.length);
  }

  get lines(): LineInfo[] {
    return this.#lines ??= this.#readLines();
  }

  #readLines(): LineInfo[] {
    const [records, btf] = [this.lineRecords, this.#init.btf];
    if (records === undefined || btf === undefined) return [];
    return Array.from(records.insn, (insn, i) => ({
      insn,
      file: btf.string(records.fileOff[i]!),
      text: btf.string(records.lineOff[i]!),
      line: records.lineCol[i]! >>> 10,
      column: records.lineCol[i]! & 0x3ff,
    }));
  }

  #readCore(): CoreRelocation[] {
    const { ext: { core }, btf } = this.#init;
    const found: CoreRelocation[] = [];
    if (core === undefined || btf === undefined) return found;
    const end = this.offset + this.insns.length;
    for (let i = lowerBound(core.insnOff, this.offset); i < core.insnOff.length && core.insnOff[i]! < end; i++) {
      const at = core.insnOff[i]! - this.offset;
      const kind = CORE_KINDS[core.kind[i]!];
      const path = `${btf.path}.ext: function "${this.name}": CO-RE record ${i}`;
      if (at % SLOT_SIZE !== 0) throw new FormatError(path, `offset ${at} is not at an instruction`);
      if (kind === undefined) throw new FormatError(path, `kind ${core.kind[i]} is not known`);
      if (core.typeId[i]! >= btf.typeCount) throw new FormatError(path, `type id ${core.typeId[i]} is out of range`);
      found.push({ insn: at / SLOT_SIZE, typeId: core.typeId[i]!, access: btf.string(core.accessOff[i]!), kind });
    }
    return found;
  }
}

function sliceLines(block: BtfLineInfo, offset: number, length: number): LineRecords {
  const from = lowerBound(block.insnOff, offset);
  const to = lowerBound(block.insnOff, offset + length);
  return {
    insn: block.insnOff.subarray(from, to).map((at) => (at - offset) / SLOT_SIZE),
    fileOff: block.fileOff.subarray(from, to),
    lineOff: block.lineOff.subarray(from, to),
    lineCol: block.lineCol.subarray(from, to),
  };
}
