/** Rules for arithmetic. A right operand that is a constant stands on the right already. */
import type { Inst, Op } from "../ir/ir.ts";

import { isCompare } from "../ir/ops.ts";
import { become } from "./fold_context.ts";
import type { FoldContext } from "./fold_context.ts";

/** Another value, the same instruction changed, or undefined. */
export function foldArithmetic(inst: Inst, context: FoldContext): Inst | undefined {
  const [a, b] = inst.args as [Inst, Inst];
  switch (inst.op) {
    case "neg":
      if (a.op === "neg") return a.args[0]!;
      return a.op === "sub" ? become(inst, "sub", [a.args[1]!, a.args[0]!]) : undefined;
    case "not":
      return a.op === "not" ? a.args[0]! : undefined;
    case "zext":
    case "sext":
      return foldExtension(inst, a, context);
    case "bswap":
      return a.op === "bswap" && a.size === 64 && inst.size === 64 ? a.args[0]! : undefined;
  }
  if (b?.op === "const") return foldWithConstant(inst, a, b.imm, context);
  if (a === b) return foldSame(inst, a, context);
  switch (inst.op) {
    case "add":
      // A constant goes outwards, where loads and stores take it as their offset.
      if (b.op === "add" && b.args[1]!.op === "const") return outward(inst, a, b, context);
      if (a.op === "add" && a.args[1]!.op === "const") return outward(inst, b, a, context);
      if (b.op === "neg") return become(inst, "sub", [a, b.args[0]!]);
      return a.op === "neg" ? become(inst, "sub", [b, a.args[0]!]) : undefined;
    case "sub":
      if (a.op === "const" && a.imm === 0n) return become(inst, "neg", [b]);
      return b.op === "neg" ? become(inst, "add", [a, b.args[0]!]) : undefined;
    default:
      return undefined;
  }
}

/** x + (y + c) is (x + y) + c. */
function outward(inst: Inst, x: Inst, sum: Inst, context: FoldContext): Inst | undefined {
  const [y, c] = sum.args as [Inst, Inst];
  if (x.op === "const") return undefined;
  return become(inst, "add", [context.make("add", sum === inst.args[0] ? [y, x] : [x, y], inst), c]);
}

function foldSame(inst: Inst, a: Inst, context: FoldContext): Inst | undefined {
  switch (inst.op) {
    case "sub":
    case "xor":
      return context.constant(0n);
    case "and":
    case "or":
      return a;
    default:
      return undefined;
  }
}

function foldWithConstant(inst: Inst, a: Inst, c: bigint, context: FoldContext): Inst | undefined {
  const { op } = inst;
  switch (op) {
    case "add":
      if (c === 0n) return a;
      return combine(inst, a, c, context, "add", (x, y) => x + y);
    case "sub":
      return become(inst, "add", [a, context.constant(-c)]);
    case "mul":
      return foldMul(inst, a, c, context);
    case "div":
    case "mod":
      return foldDivision(inst, a, c, context);
    case "sdiv":
    case "smod":
      if (c === 1n) return op === "sdiv" ? a : context.constant(0n);
      if (c === 0n) return op === "sdiv" ? context.constant(0n) : a;
      return c === -1n ? (op === "sdiv" ? become(inst, "neg", [a]) : context.constant(0n)) : undefined;
    case "and":
      return foldAnd(inst, a, c, context);
    case "or":
      if (c === 0n) return a;
      return c === -1n ? context.constant(-1n) : combine(inst, a, c, context, "or", (x, y) => x | y);
    case "xor":
      if (c === 0n) return a;
      return c === -1n ? become(inst, "not", [a]) : combine(inst, a, c, context, "xor", (x, y) => x ^ y);
    case "shl":
    case "shr":
    case "ashr":
      return foldShift(inst, a, c, context);
    default:
      return undefined;
  }
}

/** (x op c1) op c2 is x op (c1 . c2). */
function combine(
  inst: Inst,
  a: Inst,
  c: bigint,
  context: FoldContext,
  op: Op,
  join: (x: bigint, y: bigint) => bigint,
): Inst | undefined {
  if (a.op !== op || a.args[1]!.op !== "const") return undefined;
  return become(inst, op, [a.args[0]!, context.constant(join(a.args[1]!.imm, c))]);
}

function foldMul(inst: Inst, a: Inst, c: bigint, context: FoldContext): Inst | undefined {
  if (c === 0n) return context.constant(0n);
  if (c === 1n) return a;
  if (c === -1n) return become(inst, "neg", [a]);
  const shift = log2(c);
  if (shift !== undefined) return become(inst, "shl", [a, context.constant(BigInt(shift))]);
  return combine(inst, a, c, context, "mul", (x, y) => x * y);
}

function foldDivision(inst: Inst, a: Inst, c: bigint, context: FoldContext): Inst | undefined {
  const divides = inst.op === "div";
  if (c === 0n) return divides ? context.constant(0n) : a;
  const shift = log2(c);
  if (shift === undefined) return undefined;
  if (divides) return become(inst, "shr", [a, context.constant(BigInt(shift))]);
  return become(inst, "and", [a, context.constant(BigInt.asUintN(64, c) - 1n)]);
}

function foldAnd(inst: Inst, a: Inst, c: bigint, context: FoldContext): Inst | undefined {
  if (c === 0n) return context.constant(0n);
  if (c === -1n) return a;
  if (c === 0xffn || c === 0xffffn || c === 0xffffffffn) return become(inst, "zext", [a], lowBits(c));
  if (a.op === "zext") {
    // The extension clears what the mask clears anyway.
    const mask = c & (1n << BigInt(a.size)) - 1n;
    if (mask === c) return become(inst, "and", [a.args[0]!, context.constant(c)]);
    return become(inst, "and", [a, context.constant(mask)]);
  }
  return combine(inst, a, c, context, "and", (x, y) => x & y);
}

function foldShift(inst: Inst, a: Inst, c: bigint, context: FoldContext): Inst | undefined {
  const { op } = inst;
  const count = Number(c & 63n);
  if (count === 0) return a;
  if (op === "shl" && isCompare(a.op)) {
    return become(inst, "select", [a, context.constant(1n << BigInt(count)), context.constant(0n)]);
  }
  if (c !== BigInt(count)) return become(inst, op, [a, context.constant(BigInt(count))]);
  if (a.args.length !== 2 || a.args[1]!.op !== "const") return undefined;
  const first = Number(a.args[1]!.imm & 63n);
  if (a.op === op) {
    const sum = first + count;
    if (sum < 64) return become(inst, op, [a.args[0]!, context.constant(BigInt(sum))]);
    return op === "ashr" ? become(inst, op, [a.args[0]!, context.constant(63n)]) : context.constant(0n);
  }
  if (a.op !== "shl" || first !== count || (count !== 32 && count !== 48 && count !== 56)) return undefined;
  // Shifting up and down again is how extensions are written without an instruction for them.
  return become(inst, op === "shr" ? "zext" : "sext", [a.args[0]!], 64 - count);
}

function foldExtension(inst: Inst, a: Inst, context: FoldContext): Inst | undefined {
  const { op, size } = inst;
  if (a.op === "zext") {
    if (a.size < size || (a.size === size && op === "zext")) return a;
    return become(inst, op, [a.args[0]!], size);
  }
  if (a.op === "sext") {
    if (op === "sext" && a.size <= size) return a;
    if (size <= a.size) return become(inst, op, [a.args[0]!], size);
  }
  if (a.op === "load" && op === "zext" && !a.signed && a.size * 8 <= size) return a;
  if (a.op === "load" && op === "sext" && (a.signed ? a.size * 8 <= size : a.size * 8 < size)) return a;
  if (a.op === "and" && a.args[1]!.op === "const") {
    const mask = (1n << BigInt(size)) - 1n;
    const kept = a.args[1]!.imm & mask;
    if (kept === mask) return become(inst, op, [a.args[0]!], size);
    if (op === "zext") return become(inst, "and", [a.args[0]!, context.constant(kept)]);
  }
  return undefined;
}

/** n if the unsigned value is 2 to the power of n. */
function log2(value: bigint): number | undefined {
  const unsigned = BigInt.asUintN(64, value);
  if (unsigned === 0n || (unsigned & unsigned - 1n) !== 0n) return undefined;
  return unsigned.toString(2).length - 1;
}

function lowBits(mask: bigint): number {
  return mask.toString(2).length;
}
