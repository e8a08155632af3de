/**
 * One program, ready for the verifier: its instructions and those of every subprogram it reaches, appended in order of
 * first call, with maps, globals, externs and calls filled in, and function and line information moved along. What the
 * kernel knows (fds, addresses, BTF ids) comes as arguments. Order and encodings are libbpf's, byte for byte.
 */
import { InsnView, SLOT_SIZE } from "../asm/insn.ts";
import { isWideLoad } from "./core_apply.ts";
import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
} from "../abi/defines.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import { poison } from "./core_apply.ts";
import type { FunctionSpec, LineRecords, ObjectSpec, ProgramSpec, Relocation } from "./spec.ts";

/** Immediate of the calls that stand for a map that was not created; the map's index is added. */
export const MAP_POISON = 2001000000;
/** Immediate of the calls that stand for a kfunc this kernel lacks; the extern's index is added. */
export const KFUNC_POISON = 2002000000;

/** What the kernel said about an extern. */
export type ExternFact =
  /** A value in the `.kconfig` map. */
  | { kind: "kconfig"; mapFd: number; offset: number }
  /** A kernel symbol's address; 0 for a weak one that is missing. */
  | { kind: "address"; address: bigint }
  /** A kernel variable or function by BTF; `btfFd` 0 for vmlinux. */
  | { kind: "btf"; id: number; btfFd: number; callOffset: number }
  | { kind: "missing" };

/** Everything a relocation may need. */
export interface RelocationFacts {
  /** The map's fd; undefined if it was not created. */
  mapFd(name: string): number | undefined;
  extern(name: string): ExternFact;
  /** Descriptor of the map for a jump table of this program, given the program's instructions its entries lead to. */
  jumpTable(table: number, targets: readonly number[]): number;
  /** CO-RE-patched instructions of a function; its own if none are given. */
  code(fn: FunctionSpec): Uint8Array;
  /** BTF id of a function as part of this program; its own if not given. */
  btfId?: ((fn: FunctionSpec) => number) | undefined;
  /** Offset of an arena's globals in the arena. */
  arenaOffset?: ((map: string) => number) | undefined;
  /** Line records of functions that were not read from a file. */
  lineRecords?: ((fn: FunctionSpec) => LineRecords | undefined) | undefined;
}

/** A function's place in a program. */
export interface Piece {
  fn: FunctionSpec;
  /** First slot. */
  start: number;
}

/** A program ready to load. */
export interface RelocatedProgram {
  insns: Uint8Array<ArrayBuffer>;
  /** The program itself, then its subprograms. */
  pieces: Piece[];
  /** `struct bpf_func_info` records; undefined if a function has no BTF. */
  funcInfo: Uint8Array<ArrayBuffer> | undefined;
  /** `struct bpf_line_info` records; undefined if a function has none. */
  lineInfo: Uint8Array<ArrayBuffer> | undefined;
}

/** Functions by section and offset. */
export class FunctionIndex {
  readonly #spec: ObjectSpec;
  readonly #byPlace = new Map<string, FunctionSpec>();
  #callbacks: ReadonlyMap<number, string> | undefined;

  constructor(spec: ObjectSpec) {
    this.#spec = spec;
    for (const fn of [...spec.programs, ...spec.subprograms]) {
      const key = `${fn.section}\0${fn.offset}`;
      if (!this.#byPlace.has(key)) this.#byPlace.set(key, fn);
    }
  }

  /** The function that a call or an address of `from` means. */
  target(from: FunctionSpec, relocation: Extract<Relocation, { kind: "call" | "func" }>): FunctionSpec {
    const found = this.#byPlace.get(`${relocation.section}\0${relocation.offset}`);
    if (found !== undefined) return found;
    throw new FormatError(
      `${this.#spec.name}: function "${from.name}": instruction ${relocation.insn}`,
      `refers to offset ${relocation.offset} of "${relocation.section}", where no function starts`,
    );
  }

  /** `__exception_cb(NAME)`: a declaration tag on the program; the kernel finds the function by its BTF. */
  exceptionCallback(program: ProgramSpec): FunctionSpec | undefined {
    if (program.btfId === 0 || this.#spec.btf === undefined) return undefined;
    const name = (this.#callbacks ??= exceptionCallbacks(this.#spec.btf)).get(program.btfId);
    return name === undefined ? undefined : this.byName(name);
  }

  byName(name: string): FunctionSpec | undefined {
    return this.#spec.subprograms.find((f) => f.name === name) ?? this.#spec.programs.find((f) => f.name === name);
  }
}

/** The program and everything it reaches, in the order in which their code is laid out. */
export function reachable(index: FunctionIndex, program: ProgramSpec): FunctionSpec[] {
  const order: FunctionSpec[] = [program];
  const seen = new Set<FunctionSpec>(order);
  const visit = (fn: FunctionSpec): void => {
    for (const relocation of fn.relocations) {
      if (relocation.kind !== "call" && relocation.kind !== "func") continue;
      const target = index.target(fn, relocation);
      if (seen.has(target)) continue;
      seen.add(target);
      order.push(target);
      visit(target);
    }
  };
  visit(program);
  const fn = index.exceptionCallback(program);
  if (fn !== undefined && !seen.has(fn)) {
    seen.add(fn);
    order.push(fn);
    visit(fn);
  }
  return order;
}

const CALLBACK_TAG = "exception_callback:";

/** Names of exception callbacks by the BTF id of the program; looked for once, as it goes through all types. */
function exceptionCallbacks(btf: Btf): Map<number, string> {
  const found = new Map<number, string>();
  for (const id of btf.ids(BTF_KIND.DECL_TAG)) {
    const tag = btf.type(id);
    if (tag.kind !== "DECL_TAG" || tag.component !== -1 || found.has(tag.type)) continue;
    if (tag.name.startsWith(CALLBACK_TAG)) found.set(tag.type, tag.name.slice(CALLBACK_TAG.length));
  }
  return found;
}

/** Puts a program together. */
export function relocateProgram(
  spec: ObjectSpec,
  index: FunctionIndex,
  program: ProgramSpec,
  facts: RelocationFacts,
): RelocatedProgram {
  const pieces = layOut(reachable(index, program), facts);
  const last = pieces.at(-1)!;
  const insns = new Uint8Array(last.start * SLOT_SIZE + facts.code(last.fn).length);
  for (const { fn, start } of pieces) insns.set(facts.code(fn), start * SLOT_SIZE);
  const slots = new InsnView(insns, spec.endian);
  const starts = new Map(pieces.map((p) => [p.fn, p.start]));
  for (const piece of pieces) {
    for (const relocation of piece.fn.relocations) {
      relocateOne(spec, index, piece, relocation, { slots, starts, facts });
    }
  }
  return { insns, pieces, funcInfo: buildFuncInfo(pieces, facts), lineInfo: buildLineInfo(pieces, facts) };
}

function layOut(functions: readonly FunctionSpec[], facts: RelocationFacts): Piece[] {
  let start = 0;
  return functions.map((fn) => {
    const piece = { fn, start };
    start += facts.code(fn).length / SLOT_SIZE;
    return piece;
  });
}

interface Assembly {
  slots: InsnView;
  starts: ReadonlyMap<FunctionSpec, number>;
  facts: RelocationFacts;
}

function relocateOne(spec: ObjectSpec, index: FunctionIndex, piece: Piece, r: Relocation, at: Assembly): void {
  const slot = piece.start + r.insn;
  const { slots, starts, facts } = at;
  switch (r.kind) {
    case "call":
    case "func":
      slots.setSrc(slot, r.kind === "call" ? BPF_PSEUDO_CALL : BPF_PSEUDO_FUNC);
      slots.setImm(slot, starts.get(index.target(piece.fn, r))! - slot - 1);
      return;
    case "map":
    case "map_value":
      return relocateMap(spec, slots, slot, r, facts);
    case "extern_var":
      return relocateVariable(slots, slot, r.offset, facts.extern(r.extern), externIndex(spec, r.extern));
    case "extern_func":
      return relocateKfunc(slots, slot, facts.extern(r.extern), externIndex(spec, r.extern));
    case "jump_table":
      slots.setSrc(slot, BPF_PSEUDO_MAP_VALUE);
      slots.setOff(slot, 0);
      slots.setImm(slot, facts.jumpTable(r.table, r.targets.map((target) => piece.start + target)));
  }
}

function relocateMap(
  spec: ObjectSpec,
  slots: InsnView,
  slot: number,
  r: Extract<Relocation, { kind: "map" | "map_value" }>,
  facts: RelocationFacts,
): void {
  const fd = facts.mapFd(r.map);
  if (fd === undefined) return poison(slots, slot, MAP_POISON + spec.maps.findIndex((m) => m.name === r.map));
  slots.setImm(slot, fd);
  slots.setSrc(slot, r.kind === "map" ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE);
  if (r.kind === "map_value") slots.setImm(slot + 1, r.offset + (facts.arenaOffset?.(r.map) ?? 0));
}

function relocateVariable(slots: InsnView, slot: number, addend: number, fact: ExternFact, index: number): void {
  switch (fact.kind) {
    case "kconfig":
      slots.setSrc(slot, BPF_PSEUDO_MAP_VALUE);
      slots.setImm(slot, fact.mapFd);
      slots.setImm(slot + 1, fact.offset + addend);
      return;
    case "btf":
      slots.setSrc(slot, BPF_PSEUDO_BTF_ID);
      slots.setImm(slot, fact.id);
      slots.setImm(slot + 1, fact.btfFd);
      return;
    case "address":
      return slots.setImm64(slot, fact.address === 0n ? 0n : fact.address + BigInt(addend));
    case "missing":
      // A weak symbol that is not there has address 0; code tests it before use.
      if (isWideLoad(slots, slot)) slots.setImm64(slot, 0n);
      else poison(slots, slot, KFUNC_POISON + index);
  }
}

function relocateKfunc(slots: InsnView, slot: number, fact: ExternFact, index: number): void {
  if (fact.kind !== "btf") return poison(slots, slot, KFUNC_POISON + index);
  slots.setSrc(slot, BPF_PSEUDO_KFUNC_CALL);
  slots.setImm(slot, fact.id);
  slots.setOff(slot, fact.callOffset);
}

function externIndex(spec: ObjectSpec, name: string): number {
  return spec.externs.findIndex((e) => e.name === name);
}

function buildFuncInfo(pieces: readonly Piece[], facts: RelocationFacts): Uint8Array<ArrayBuffer> | undefined {
  // The verifier wants a record for every function or none.
  if (pieces.some((p) => p.fn.btfId === 0)) return undefined;
  const records = new Uint32Array(pieces.length * 2);
  for (const [i, piece] of pieces.entries()) {
    records[i * 2] = piece.start;
    records[i * 2 + 1] = facts.btfId?.(piece.fn) ?? piece.fn.btfId;
  }
  return new Uint8Array(records.buffer);
}

function buildLineInfo(pieces: readonly Piece[], facts: RelocationFacts): Uint8Array<ArrayBuffer> | undefined {
  const parts = pieces.map((p) => ({ start: p.start, lines: facts.lineRecords?.(p.fn) ?? p.fn.lineRecords }));
  let count = 0;
  for (const { lines } of parts) {
    // As with functions: the first instruction of each must have a line.
    if (lines === undefined || lines.insn[0] !== 0) return undefined;
    count += lines.insn.length;
  }
  const records = new Uint32Array(count * 4);
  let at = 0;
  for (const { start, lines } of parts) {
    for (let i = 0; i < lines!.insn.length; i++) {
      records[at++] = start + lines!.insn[i]!;
      records[at++] = lines!.fileOff[i]!;
      records[at++] = lines!.lineOff[i]!;
      records[at++] = lines!.lineCol[i]!;
    }
  }
  return new Uint8Array(records.buffer);
}
