/**
 * The low-level IR of the code generator: BPF instructions over virtual registers, three addresses, still in blocks, with
 * three pseudo instructions whose registers are fixed by the machine (calls, parallel copies, the function's entry).
 *
 * An operand is a number: a virtual register (0 and up), NONE, or -2-i for `sources[i]`, something that needs no register until
 * it is used: an immediate, a stack address, a relocated address, a spilled register.
 *
 * Every instruction has two positions, reading (even) and writing (odd); register allocation counts in them.
 */
import type { AluOp, AtomicOp } from "../../asm/opcodes.ts";
import type { CallInfo, CompareOp, CoreRecord, SourcePosition, StackSlot } from "../ir/ir.ts";

export type Operand = number;
/** No operand: an immediate (`imm`) instead, or the frame pointer as the base of a memory access. */
export const NONE = -1;

/** What can be put into a register out of nothing. */
export type Source =
  | { readonly kind: "imm"; readonly value: bigint; readonly core: CoreRecord | undefined }
  | { readonly kind: "slot"; readonly slot: StackSlot; readonly offset: number }
  | { readonly kind: "spill"; readonly index: number }
  | { readonly kind: "map" | "func" | "extern_var"; readonly name: string }
  | { readonly kind: "map_value"; readonly name: string; readonly offset: number };

export type LirOp =
  /** dst = a `alu` (b or imm) */
  | "alu"
  /** dst = `unary` a */
  | "neg"
  | "be"
  | "movsx"
  /** dst = source b */
  | "source"
  /** dst = [a + off]; without a: the stack slot `slot` or spill slot `spill` */
  | "load"
  /** [a + off] = b or imm */
  | "store"
  /** [a + off] `atomic`= b; fetching ones give dst, `cmpxchg` takes the expected value in c */
  | "atomic"
  /** dst = call(args) */
  | "call"
  /** dst = a < imm ? a : 0, the bound being tested on dst itself, which is what the verifier then knows */
  | "bound"
  /** dst = a `cond` (b or imm) ? c : d */
  | "select"
  /** dsts = args, all at once */
  | "copies"
  /** dsts = r1, r2, ... (NONE where a parameter is not used) */
  | "entry"
  | "branch"
  | "jump"
  | "exit"
  | "unreachable";

export class LirInst {
  readonly op: LirOp;
  dst: Operand = NONE;
  a: Operand = NONE;
  b: Operand = NONE;
  c: Operand = NONE;
  d: Operand = NONE;
  /** Signed 32-bit; used where b is NONE. */
  imm = 0;
  off = 0;
  /** load, store, atomic: bytes. be, movsx: bits. */
  size = 8;
  /** False for the 32-bit form. */
  wide = true;
  signed = false;
  alu: AluOp = "mov";
  /** alu: the operands must not be exchanged although the operation would allow it. */
  ordered = false;
  atomic: AtomicOp = "add";
  cond: CompareOp = "ne";
  slot: StackSlot | undefined = undefined;
  /** load, store: index of the spill slot, or -1. */
  spill = -1;
  /** call, copies: operands. */
  args: Operand[] = [];
  /** copies, entry: virtual registers. */
  dsts: Operand[] = [];
  call: CallInfo | undefined = undefined;
  core: CoreRecord | undefined = undefined;
  pos: SourcePosition | undefined = undefined;

  constructor(op: LirOp) {
    this.op = op;
  }
}

export class LirBlock {
  /** Position in `LirFunction.blocks`. */
  index = 0;
  insts: LirInst[] = [];
  succs: LirBlock[] = [];
  preds: LirBlock[] = [];
  /** A copy to be made just before the block's branch. */
  hoisted: { to: Operand; from: Operand } | undefined = undefined;
  /** Loop depth. */
  readonly depth: number;

  constructor(depth: number) {
    this.depth = depth;
  }
}

export class LirFunction {
  readonly name: string;
  blocks: LirBlock[] = [];
  sources: Source[] = [];
  /** Number of virtual registers. */
  vregs = 0;
  /** By virtual register: the one instruction that makes it and may be repeated anywhere. */
  remat: (LirInst | undefined)[] = [];
  /** By virtual register: made by spilling, must get a register. */
  short: boolean[] = [];
  /** By virtual register: the verifier must know bounds of it that a branch found out, so it should not be spilled. */
  pinned: boolean[] = [];
  /** Number of spill slots. */
  spills = 0;

  constructor(name: string) {
    this.name = name;
  }

  vreg(): Operand {
    return this.vregs++;
  }

  source(source: Source): Operand {
    this.sources.push(source);
    return -1 - this.sources.length;
  }

  sourceOf(operand: Operand): Source {
    return this.sources[-2 - operand]!;
  }
}

/** Whether the two operands of an ALU instruction may be exchanged. */
export function isCommutative({ op, alu, ordered }: LirInst): boolean {
  return op === "alu" && !ordered && (alu === "add" || alu === "mul" || alu === "and" || alu === "or" || alu === "xor");
}

/**
 * When an instruction reads its operands, relative to its even position: an operand that ends at EARLY may share a register
 * with a result that begins there; LATE operands are still needed when the result has been written.
 */
export const EARLY = -1;
export const READ = 0;
export const LATE = 1;

/** Calls `visit(vreg, when)` for every virtual register that the instruction reads. */
export function forEachUse(inst: LirInst, visit: (vreg: Operand, when: number) => void): void {
  const { op, a, b, c, d } = inst;
  if (op === "call" || op === "copies") {
    for (const arg of inst.args) if (arg >= 0) visit(arg, READ);
    return;
  }
  if (a >= 0) visit(a, READ);
  if (op === "source") return;
  // The emitter copies a to dst before it reads b.
  if (b >= 0) visit(b, whenB(inst));
  if (c >= 0) visit(c, op === "select" ? EARLY : READ);
  if (d >= 0) visit(d, READ);
}

function whenB(inst: LirInst): number {
  if (inst.op === "alu" && inst.alu !== "mov" && !isCommutative(inst)) return LATE;
  return inst.op === "atomic" && inst.dst >= 0 && inst.atomic !== "cmpxchg" ? EARLY : READ;
}

/** Whether the result is written while operands are still read. */
export function definesEarly(inst: LirInst): boolean {
  return inst.op === "select" || inst.op === "atomic" && inst.atomic !== "cmpxchg";
}

/** Calls `visit` for every virtual register that the instruction writes. */
export function forEachDef(inst: LirInst, visit: (vreg: Operand) => void): void {
  if (inst.dst >= 0) visit(inst.dst);
  for (const dst of inst.dsts) if (dst >= 0) visit(dst);
}
