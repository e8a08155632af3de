/** The operations of the IR as a table: one row each; passes ask the row, not the name. */
import type { CompareOp, Inst, Op } from "./ir.ts";

/** What is true of an operation whatever its operands. One row an operation; passes ask the table, not the name. */
export interface OpRow {
  /** Number of arguments; -1 if it varies (phi, call, atomic, ret). */
  readonly args: number;
  /** Whether it makes a value; calls and atomics decide for themselves. */
  readonly result: boolean;
  /** Depends on its operands only: may be merged with an equal one that dominates it, repeated, or dropped. */
  readonly pure: boolean;
  readonly commutative: boolean;
}

const BINARY: OpRow = { args: 2, result: true, pure: true, commutative: false };
const COMMUTATIVE: OpRow = { ...BINARY, commutative: true };
const UNARY: OpRow = { args: 1, result: true, pure: true, commutative: false };
const LEAF: OpRow = { args: 0, result: true, pure: true, commutative: false };
const TERMINATOR: OpRow = { args: 0, result: false, pure: false, commutative: false };

export const OPS: Readonly<Record<Op, OpRow>> = {
  const: LEAF,
  param: { ...LEAF, pure: false },
  phi: { args: -1, result: true, pure: false, commutative: false },
  add: COMMUTATIVE,
  sub: BINARY,
  mul: COMMUTATIVE,
  div: BINARY,
  mod: BINARY,
  sdiv: BINARY,
  smod: BINARY,
  and: COMMUTATIVE,
  or: COMMUTATIVE,
  xor: COMMUTATIVE,
  shl: BINARY,
  shr: BINARY,
  ashr: BINARY,
  neg: UNARY,
  not: UNARY,
  zext: UNARY,
  sext: UNARY,
  bound: UNARY,
  bswap: UNARY,
  eq: COMMUTATIVE,
  ne: COMMUTATIVE,
  ult: BINARY,
  ule: BINARY,
  ugt: BINARY,
  uge: BINARY,
  slt: BINARY,
  sle: BINARY,
  sgt: BINARY,
  sge: BINARY,
  set: COMMUTATIVE,
  select: { args: 3, result: true, pure: true, commutative: false },
  stackSlot: LEAF,
  addCore: UNARY,
  coreConst: LEAF,
  mapFd: LEAF,
  mapValue: LEAF,
  funcAddr: LEAF,
  externVar: LEAF,
  load: { args: 1, result: true, pure: false, commutative: false },
  store: { args: 2, result: false, pure: false, commutative: false },
  zero: { args: 1, result: false, pure: false, commutative: false },
  copy: { args: 2, result: false, pure: false, commutative: false },
  atomic: { args: -1, result: false, pure: false, commutative: false },
  call: { args: -1, result: false, pure: false, commutative: false },
  jump: TERMINATOR,
  branch: { ...TERMINATOR, args: 2 },
  ret: { ...TERMINATOR, args: 1 },
  unreachable: TERMINATOR,
};

/** Whether the instruction makes a value. */
export function hasResult(inst: Inst): boolean {
  if (inst.op === "call") return inst.call!.returns;
  if (inst.op === "atomic") return inst.fetch;
  return OPS[inst.op].result;
}

/** The comparison that holds when the given one does not; undefined for `set`, which has none. */
export const NEGATED: Readonly<Record<CompareOp, CompareOp | undefined>> = {
  eq: "ne",
  ne: "eq",
  ult: "uge",
  uge: "ult",
  ule: "ugt",
  ugt: "ule",
  slt: "sge",
  sge: "slt",
  sle: "sgt",
  sgt: "sle",
  set: undefined,
};

/** The comparison with its operands exchanged. */
export const SWAPPED: Readonly<Record<CompareOp, CompareOp>> = {
  eq: "eq",
  ne: "ne",
  ult: "ugt",
  ugt: "ult",
  ule: "uge",
  uge: "ule",
  slt: "sgt",
  sgt: "slt",
  sle: "sge",
  sge: "sle",
  set: "set",
};

/** Whether `op` compares. */
export function isCompare(op: Op): op is CompareOp {
  return op in NEGATED;
}
