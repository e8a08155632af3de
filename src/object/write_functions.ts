/**
 * Functions of a spec as sections of instructions with symbols and relocations, and as records of `.BTF.ext`. The
 * counterpart of `parse_programs.ts` and `parse_relocations.ts`.
 */
import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC } from "../abi/defines.ts";
import {
  R_BPF_64_32,
  R_BPF_64_64,
  SHF_ALLOC,
  SHF_EXECINSTR,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FUNC,
  STV_DEFAULT,
  STV_HIDDEN,
} from "../abi/elf.ts";
import { InsnView, SLOT_SIZE } from "../asm/insn.ts";
import type { BtfCoreInfo, BtfExt, BtfFuncInfo, BtfLineInfo } from "../btf/ext.ts";
import type { ObjectDraft } from "./object_draft.ts";
import { CORE_KINDS } from "./parse_programs.ts";
import type { FunctionSpec, ObjectSpec, ProgramSpec, Relocation } from "./spec.ts";

/** A section of instructions: its functions with their new offsets. */
interface CodeSection {
  name: string;
  index: number;
  functions: { fn: FunctionSpec; offset: number; symbol: number }[];
  bytes: Uint8Array;
}

/** Symbols of what functions refer to, other than functions. */
export interface DataSymbols {
  /** Section index of a data map. */
  dataSection(map: string): number | undefined;
  extern(name: string): number | undefined;
}

/** Adds the code; returns a function that makes the records of `.BTF.ext`, for when all types are known. */
export function writeFunctions(spec: ObjectSpec, draft: ObjectDraft, symbols: DataSymbols): () => BtfExt {
  const sections = layOut(spec, draft);
  const places = new Map<string, { section: CodeSection; offset: number; fn: FunctionSpec; symbol: number }>();
  for (const section of sections) {
    for (const { fn, offset, symbol } of section.functions) {
      places.set(`${fn.section}\0${fn.offset}`, { section, offset, fn, symbol });
    }
  }
  const relocator = new Relocator(draft, places, symbols);
  draft.later(() => {
    for (const section of sections) {
      for (const placed of section.functions) relocator.relocate(section, placed);
    }
  });
  for (const section of sections) relocator.addCode(section, spec);
  return () => extRecords(spec, draft, sections);
}

/** Functions by section, one behind the other in order of their offsets. */
function layOut(spec: ObjectSpec, draft: ObjectDraft): CodeSection[] {
  const groups = new Map<string, FunctionSpec[]>();
  for (const fn of [...spec.programs, ...spec.subprograms]) {
    const name = sectionName(fn);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [fn]);
    else group.push(fn);
  }
  return Array.from(groups, ([name, functions]) => {
    let offset = 0;
    // Offsets say the order within a section of the file; functions of another source section come behind.
    const sorted = functions.toSorted((a, b) => (a.section === b.section ? a.offset - b.offset : 0));
    const placed = sorted.map((fn) => {
      const at = offset;
      offset += fn.insns.length;
      return { fn, offset: at, symbol: -1 };
    });
    const bytes = new Uint8Array(offset);
    const index = draft.addSection({ name, flags: SHF_ALLOC | SHF_EXECINSTR, align: 8, bytes });
    for (const p of placed) p.symbol = addSymbol(draft, p.fn, p.offset, index);
    return { name, index, functions: placed, bytes };
  });
}

function sectionName(fn: FunctionSpec): string {
  const program = fn as Partial<ProgramSpec>;
  if (program.sectionName === undefined) return ".text";
  return program.autoload === false ? `?${program.sectionName}` : program.sectionName;
}

function addSymbol(draft: ObjectDraft, fn: FunctionSpec, offset: number, section: number): number {
  return draft.addFunctionSymbol(fn.name, {
    name: fn.name,
    value: offset,
    size: fn.insns.length,
    bind: fn.linkage === "static" ? STB_LOCAL : fn.linkage === "weak" ? STB_WEAK : STB_GLOBAL,
    type: STT_FUNC,
    visibility: fn.hidden ? STV_HIDDEN : STV_DEFAULT,
    section,
  });
}

class Relocator {
  readonly #draft: ObjectDraft;
  readonly #places: ReadonlyMap<string, { section: CodeSection; offset: number; fn: FunctionSpec; symbol: number }>;
  readonly #symbols: DataSymbols;
  readonly #views = new Map<FunctionSpec, InsnView>();

  constructor(
    draft: ObjectDraft,
    places: ReadonlyMap<string, { section: CodeSection; offset: number; fn: FunctionSpec; symbol: number }>,
    symbols: DataSymbols,
  ) {
    this.#draft = draft;
    this.#places = places;
    this.#symbols = symbols;
  }

  /** Copies the functions' instructions into the section; relocations then write to that copy. */
  addCode(section: CodeSection, spec: ObjectSpec): void {
    const { bytes } = section;
    for (const { fn, offset } of section.functions) {
      bytes.set(fn.insns, offset);
      this.#views.set(fn, new InsnView(bytes.subarray(offset, offset + fn.insns.length), spec.endian));
    }
  }

  relocate(section: CodeSection, placed: { fn: FunctionSpec; offset: number }): void {
    const view = this.#views.get(placed.fn)!;
    for (const r of placed.fn.relocations) {
      const { symbol, type } = this.#apply(placed.fn, view, r);
      this.#draft.addRelocation(section.index, { offset: placed.offset + r.insn * SLOT_SIZE, symbol, type });
    }
  }

  #apply(fn: FunctionSpec, view: InsnView, r: Relocation): { symbol: number; type: number } {
    switch (r.kind) {
      case "map":
        this.#wide(view, r.insn, 0, 0);
        return { symbol: this.#need(this.#draft.mapSymbols.get(r.map), fn, `map "${r.map}"`), type: R_BPF_64_64 };
      case "map_value": {
        const section = this.#need(this.#symbols.dataSection(r.map), fn, `data map "${r.map}"`);
        this.#wide(view, r.insn, 0, r.offset);
        return { symbol: this.#draft.sectionSymbol(section), type: R_BPF_64_64 };
      }
      case "extern_var":
        this.#wide(view, r.insn, 0, r.offset);
        return { symbol: this.#need(this.#symbols.extern(r.extern), fn, `extern "${r.extern}"`), type: R_BPF_64_64 };
      case "extern_func":
        view.setSrc(r.insn, BPF_PSEUDO_CALL);
        view.setOff(r.insn, 0);
        view.setImm(r.insn, -1);
        return { symbol: this.#need(this.#symbols.extern(r.extern), fn, `extern "${r.extern}"`), type: R_BPF_64_32 };
      case "jump_table":
        throw new TypeError(`Cannot write function "${fn.name}": jump tables are for loading only`);
      default:
        return this.#toFunction(fn, view, r);
    }
  }

  /** Static functions go by the section's symbol and a place in the immediate, others by their own symbol. */
  #toFunction(
    fn: FunctionSpec,
    view: InsnView,
    r: Extract<Relocation, { kind: "call" | "func" }>,
  ): { symbol: number; type: number } {
    const target = this.#places.get(`${r.section}\0${r.offset}`);
    if (target === undefined) {
      throw new TypeError(`Cannot write function "${fn.name}": it calls no function of the object`);
    }
    const own = target.fn.linkage !== "static";
    const symbol = own ? target.symbol : this.#draft.sectionSymbol(target.section.index);
    const offset = own ? 0 : target.offset;
    if (r.kind === "func") {
      this.#wide(view, r.insn, BPF_PSEUDO_FUNC, offset);
      return { symbol, type: R_BPF_64_64 };
    }
    view.setSrc(r.insn, BPF_PSEUDO_CALL);
    view.setImm(r.insn, offset / SLOT_SIZE - 1);
    return { symbol, type: R_BPF_64_32 };
  }

  #wide(view: InsnView, slot: number, src: number, imm: number): void {
    view.setSrc(slot, src);
    view.setImm(slot, imm);
    view.setImm(slot + 1, 0);
  }

  #need(symbol: number | undefined, fn: FunctionSpec, what: string): number {
    if (symbol === undefined) throw new TypeError(`Cannot write function "${fn.name}": the object has no ${what}`);
    return symbol;
  }
}

function extRecords(spec: ObjectSpec, draft: ObjectDraft, sections: readonly CodeSection[]): BtfExt {
  const ext: BtfExt = { endian: spec.endian, funcInfo: [], lineInfo: [], core: [] };
  for (const section of sections) {
    const functions = section.functions;
    addBlock(ext.funcInfo, funcBlock(section.name, functions.filter(({ fn }) => fn.btfId !== 0)));
    addBlock(ext.lineInfo, lineBlock(section.name, functions, draft));
    addBlock(ext.core, coreBlock(section.name, functions, draft));
  }
  return ext;
}

function addBlock<B extends { insnOff: Uint32Array }>(blocks: B[], block: B): void {
  if (block.insnOff.length > 0) blocks.push(block);
}

function funcBlock(section: string, functions: CodeSection["functions"]): BtfFuncInfo {
  return {
    section,
    insnOff: Uint32Array.from(functions, (f) => f.offset),
    typeId: Uint32Array.from(functions, (f) => f.fn.btfId),
  };
}

function lineBlock(section: string, functions: CodeSection["functions"], draft: ObjectDraft): BtfLineInfo {
  const rows: [insn: number, file: number, text: number, lineCol: number][] = [];
  for (const { fn, offset } of functions) {
    const records = fn.lineRecords;
    if (records !== undefined) {
      for (let i = 0; i < records.insn.length; i++) {
        rows.push([
          offset + records.insn[i]! * SLOT_SIZE,
          records.fileOff[i]!,
          records.lineOff[i]!,
          records.lineCol[i]!,
        ]);
      }
      continue;
    }
    for (const line of fn.lines) {
      const lineCol = ((Math.min(line.line, 0x3fffff) << 10) | Math.min(line.column, 0x3ff)) >>> 0;
      rows.push([
        offset + line.insn * SLOT_SIZE,
        draft.btf.addString(line.file),
        draft.btf.addString(line.text),
        lineCol,
      ]);
    }
  }
  const column = (i: 0 | 1 | 2 | 3): Uint32Array => Uint32Array.from(rows, (row) => row[i]);
  return { section, insnOff: column(0), fileOff: column(1), lineOff: column(2), lineCol: column(3) };
}

function coreBlock(section: string, functions: CodeSection["functions"], draft: ObjectDraft): BtfCoreInfo {
  const rows = functions.flatMap(({ fn, offset }) =>
    fn.coreRelocations.map((r) => [
      offset + r.insn * SLOT_SIZE,
      r.typeId,
      draft.btf.addString(r.access),
      CORE_KINDS.indexOf(r.kind),
    ])
  );
  const column = (i: number): Uint32Array => Uint32Array.from(rows, (row) => row[i]!);
  return { section, insnOff: column(0), typeId: column(1), accessOff: column(2), kind: column(3) };
}
