/** Comparisons: as conditions of branches, and as values. */
import type { CompareOp, Inst } from "../ir/ir.ts";
import { isCompare, NEGATED, SWAPPED } from "../ir/ops.ts";
import { NONE } from "./lir.ts";
import type { Operand } from "./lir.ts";
import { isInt32 } from "./select_context.ts";
import type { SelectContext } from "./select_context.ts";

/** A condition with its operands; `wide` is false for the 32-bit comparison. */
export interface Test {
  cond: CompareOp;
  a: Operand;
  b: Operand;
  imm: number;
  wide: boolean;
  swap: boolean;
}

const UNSIGNED: Readonly<Record<CompareOp, CompareOp>> = {
  eq: "eq",
  ne: "ne",
  ult: "ult",
  ule: "ule",
  ugt: "ugt",
  uge: "uge",
  set: "set",
  slt: "ult",
  sle: "ule",
  sgt: "ugt",
  sge: "uge",
};

/** A choice between two values, with its comparison if that has no other use. */
export function select(ctx: SelectContext, inst: Inst): void {
  const [test, yes, no] = inst.args as [Inst, Inst, Inst];
  const [c, d] = [choice(ctx, yes), choice(ctx, no)];
  const fuse = isCompare(test.op) && ctx.vregs[test.id] === NONE;
  if (fuse) choose(ctx, ctx.vreg(inst), test.op as CompareOp, test.args[0]!, test.args[1]!, c, d);
  else choose(ctx, ctx.vreg(inst), "ne", test, undefined, c, d);
}

function choice(ctx: SelectContext, value: Inst): Operand {
  return value.op === "const" && isInt32(value.imm) ? ctx.operand(value) : ctx.register(value);
}

/** dst = a cond b ? c : d; no b stands for zero. */
export function choose(
  ctx: SelectContext,
  dst: Operand,
  cond: CompareOp,
  a: Inst,
  b: Inst | undefined,
  c: Operand,
  d: Operand,
): void {
  const { swap, ...test } = condition(ctx, cond, a, b);
  const inst = ctx.new("select");
  Object.assign(inst, test);
  inst.dst = dst;
  inst.c = swap ? d : c;
  inst.d = swap ? c : d;
}

/** The comparison as the machine has it; `swap` if it is true when the wanted one is false. */
export function condition(ctx: SelectContext, cond: CompareOp, x: Inst, y: Inst | undefined): Test {
  let [op, a, b] = [cond, x, y];
  if (a.op === "const" && b !== undefined && b.op !== "const") [op, a, b] = [SWAPPED[op], b, a];
  const { cpu, widths } = ctx.options;
  const widthB = b === undefined ? 0 : widths[b.id]!;
  if (widths[a.id]! < 64 && widthB < 64) op = UNSIGNED[op];
  const narrow = cpu >= 3 && comparesLow(ctx, op, a, b);
  const reg = ctx.register(narrow ? low(ctx, a) : a);
  const value = narrow && b !== undefined ? low(ctx, b) : b;
  let right = value === undefined ? { b: NONE, imm: 0 } : ctx.right(value, narrow ? 32 : 64);
  const wide = !narrow;
  let swap = false;
  let first = reg;
  if (cpu === 1 && (op === "ult" || op === "ule" || op === "slt" || op === "sle")) {
    if (right.b === NONE) [op, swap] = [NEGATED[op]!, true];
    else [op, first, right] = [SWAPPED[op], right.b, { b: reg, imm: 0 }];
  }
  return { cond: op, a: first, b: right.b, imm: right.imm, wide, swap };
}

/**
 * Whether the 32-bit comparison says the same and saves something: an extension that nobody else uses, or a constant
 * that does not fit. Where it saves nothing the 64-bit one is better: the verifier learns more from it.
 */
function comparesLow(ctx: SelectContext, op: CompareOp, a: Inst, b: Inst | undefined): boolean {
  const { widths } = ctx.options;
  const constant = b === undefined || b.op === "const";
  const imm = b?.op === "const" ? b.imm : 0n;
  if (isExtension(ctx, a, "sext")) {
    const fits = constant ? isInt32(imm) : isExtension(ctx, b!, "sext");
    return fits && !op.startsWith("u") && op !== "set";
  }
  if (widths[a.id]! > 32 || (b !== undefined && widths[b.id]! > 32) || op.startsWith("s") && op !== "set") {
    return false;
  }
  return isExtension(ctx, a, "zext") || (constant ? imm > 0x7fffffffn : isExtension(ctx, b!, "zext"));
}

function isExtension(ctx: SelectContext, value: Inst, op: "zext" | "sext"): boolean {
  return value.op === op && value.size === 32 && ctx.vregs[value.id] === NONE &&
    value.args[0]!.op !== "const";
}

/** A value with the same low half that exists anyway. */
function low(ctx: SelectContext, value: Inst): Inst {
  return isExtension(ctx, value, "zext") || isExtension(ctx, value, "sext") ? value.args[0]! : value;
}
