/** Rules for comparisons, selections and branches. A constant operand stands on the right already. */
import type { CompareOp, Inst } from "../ir/ir.ts";
import { isCompare, NEGATED, SWAPPED } from "../ir/ops.ts";
import { compare, swapBytes } from "./evaluate.ts";
import { become } from "./fold_context.ts";
import type { FoldContext } from "./fold_context.ts";

const MAX = 0x7fff_ffff_ffff_ffffn;
const MIN = -0x8000_0000_0000_0000n;

/** Another value, the same instruction changed, or undefined. */
export function foldCompare(inst: Inst, context: FoldContext): Inst | undefined {
  const op = inst.op as CompareOp;
  const [a, b] = inst.args as [Inst, Inst];
  if (a === b && op !== "set") return context.constant(compare(op, 0n, 0n) ? 1n : 0n);
  if (a === b) return become(inst, "ne", [a, context.constant(0n)]);
  const nothing = b.op === "const" && b.imm === 0n;
  // Truth of a comparison is the comparison, or its contrary.
  if (nothing && isCompare(a.op)) {
    if (op === "ne") return a;
    const contrary = NEGATED[a.op];
    if (op === "eq" && contrary !== undefined) return become(inst, contrary, [...a.args]);
  }
  const rewritten = rewrite(op, a, b, context);
  if (rewritten === undefined) return undefined;
  if (typeof rewritten === "boolean") return context.constant(rewritten ? 1n : 0n);
  return become(inst, rewritten.op, [rewritten.a, rewritten.b]);
}

interface Comparison {
  op: CompareOp;
  a: Inst;
  b: Inst;
}

/** What holds for comparisons as values and as conditions alike. */
function rewrite(op: CompareOp, a: Inst, b: Inst, context: FoldContext): Comparison | boolean | undefined {
  if (b.op !== "const") {
    const nothing = () => context.constant(0n);
    return op === "set" && a.op === "const" && a.imm === 0n ? { op: "ne", a: nothing(), b: nothing() } : undefined;
  }
  const c = b.imm;
  const bounded = bound(op, a, c, context);
  if (bounded !== undefined) return bounded;
  if (op === "set") {
    if (c === 0n) return false;
    return c === -1n ? { op: "ne", a, b: context.constant(0n) } : undefined;
  }
  if (op !== "eq" && op !== "ne") return undefined;
  return equality(op, a, c, context);
}

/** Comparisons at the ends of the range, and those with one bound less to remember. */
function bound(op: CompareOp, a: Inst, c: bigint, context: FoldContext): Comparison | boolean | undefined {
  const to = (next: CompareOp, value: bigint): Comparison => ({ op: next, a, b: context.constant(value) });
  switch (op) {
    case "ult":
      if (c === 0n) return false;
      return c === 1n ? to("eq", 0n) : undefined;
    case "uge":
      if (c === 0n) return true;
      return c === 1n ? to("ne", 0n) : to("ugt", c - 1n);
    case "ugt":
      if (c === -1n) return false;
      return c === 0n ? to("ne", 0n) : undefined;
    case "ule":
      if (c === -1n) return true;
      return c === 0n ? to("eq", 0n) : to("ult", c + 1n);
    case "slt":
      return c === MIN ? false : undefined;
    case "sge":
      return c === MIN ? true : to("sgt", c - 1n);
    case "sgt":
      return c === MAX ? false : undefined;
    case "sle":
      return c === MAX ? true : to("slt", c + 1n);
    default:
      return undefined;
  }
}

function equality(op: "eq" | "ne", a: Inst, c: bigint, context: FoldContext): Comparison | boolean | undefined {
  const [x, y] = a.args as [Inst, Inst | undefined];
  switch (a.op) {
    case "add":
      if (y!.op === "const" && c !== 0n) return { op, a: x, b: context.constant(c - y!.imm) };
      return undefined;
    case "sub":
    case "xor":
      if (c === 0n) return { op, a: x, b: y! };
      return a.op === "xor" && y!.op === "const" ? { op, a: x, b: context.constant(c ^ y!.imm) } : undefined;
    case "bswap":
      if (BigInt.asUintN(a.size, c) !== BigInt.asUintN(64, c)) return op === "ne";
      // Swapping the constant instead; the value needs the same bits cleared that the swap cleared.
      if (a.size === 64) return { op, a: x, b: context.constant(swapBytes(c, 64)) };
      if (!isNarrow(x, a.size)) return undefined;
      return { op, a: x, b: context.constant(swapBytes(c, a.size)) };
    case "sext": {
      // The sign does not matter for equality; without it the extension may cost nothing.
      if (BigInt.asIntN(a.size, c) !== c) return op === "ne";
      return { op, a: context.make("zext", [x], a, a.size), b: context.constant(BigInt.asUintN(a.size, c)) };
    }
    case "and":
      if (op === "ne" && c === 0n) return { op: "set", a: x, b: y! };
      return undefined;
    default:
      if (!isCompare(a.op) || c === 0n) return undefined;
      return c === 1n ? { op: op === "eq" ? "ne" : "eq", a, b: context.constant(0n) } : op === "ne";
  }
}

/** Whether the bits above the lowest `bits` are surely zero, seen from the instruction alone. */
function isNarrow(value: Inst, bits: number): boolean {
  if (value.op === "load") return !value.signed && value.size * 8 <= bits;
  return value.op === "zext" && value.size <= bits;
}

/** `select c a b`. */
export function foldSelect(inst: Inst, context: FoldContext): Inst | undefined {
  const [c, a, b] = inst.args as [Inst, Inst, Inst];
  if (c.op === "const") return c.imm !== 0n ? a : b;
  if (a === b) return a;
  if (c.op === "ne" && c.args[1]!.op === "const" && c.args[1]!.imm === 0n) {
    return become(inst, "select", [c.args[0]!, a, b]);
  }
  if (c.op === "eq" && c.args[1]!.op === "const" && c.args[1]!.imm === 0n) {
    return become(inst, "select", [c.args[0]!, b, a]);
  }
  if (a.op !== "const" || b.op !== "const") return undefined;
  if (a.imm === 1n && b.imm === 0n) return become(inst, "ne", [c, context.constant(0n)]);
  if (a.imm === 0n && b.imm === 1n) return become(inst, "eq", [c, context.constant(0n)]);
  return undefined;
}

/** What became of a branch: which way it always goes, whether its successors must be exchanged. */
export type BranchOutcome = "true" | "false" | "swap" | "changed" | "unchanged";

/** Simplifies the condition of a branch in place. */
export function foldBranch(term: Inst, context: FoldContext): BranchOutcome {
  let outcome: BranchOutcome = "unchanged";
  let swap = false;
  for (let steps = 0; steps < 16; steps++) {
    const next = conditionStep(term, context);
    if (next === undefined) break;
    if (typeof next === "boolean") return next !== swap ? "true" : "false";
    outcome = "changed";
    if (next === "swap") swap = !swap;
  }
  return swap ? "swap" : outcome;
}

function conditionStep(term: Inst, context: FoldContext): boolean | "swap" | "changed" | undefined {
  const [a, b] = term.args as [Inst, Inst];
  const op = term.cond;
  if (a.op === "const" && b.op === "const") return compare(op, a.imm, b.imm);
  if (a === b) {
    if (op !== "set") return compare(op, 0n, 0n);
    term.cond = "ne";
    term.args = [a, context.constant(0n)];
    return "changed";
  }
  if (a.op === "const") {
    term.cond = SWAPPED[op];
    term.args = [b, a];
    return "changed";
  }
  const nothing = b.op === "const" && b.imm === 0n;
  if (nothing && isCompare(a.op) && (op === "ne" || op === "eq")) {
    term.cond = a.op;
    term.args = [...a.args];
    return op === "eq" ? "swap" : "changed";
  }
  if (nothing && op === "eq" && a.op === "and") {
    term.cond = "set";
    term.args = [...a.args];
    return "swap";
  }
  const rewritten = rewrite(op, a, b, context);
  if (rewritten === undefined || typeof rewritten === "boolean") return rewritten;
  term.cond = rewritten.op;
  term.args = [rewritten.a, rewritten.b];
  return "changed";
}
