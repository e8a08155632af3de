/** Computes operations whose operands are known. Values are signed 64-bit, as in `Inst.imm`. */
import type { CompareOp, Op } from "../ir/ir.ts";

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** The result of an operation on constants; undefined if it is not a plain computation. */
export function evaluate(op: Op, bits: number, a: bigint, b: bigint): bigint | undefined {
  const value = compute(op, bits, a, b);
  return value === undefined ? undefined : BigInt.asIntN(64, value);
}

function compute(op: Op, bits: number, a: bigint, b: bigint): bigint | undefined {
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return b === 0n ? 0n : u64(a) / u64(b);
    case "mod":
      return b === 0n ? a : u64(a) % u64(b);
    case "sdiv":
      return b === 0n ? 0n : a / b;
    case "smod":
      return b === 0n ? a : a % b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << (b & 63n);
    case "shr":
      return u64(a) >> (b & 63n);
    case "ashr":
      return a >> (b & 63n);
    case "neg":
      return -a;
    case "not":
      return ~a;
    case "zext":
      return BigInt.asUintN(bits, a);
    case "sext":
      return BigInt.asIntN(bits, a);
    case "bound":
      return u64(a) < BigInt(bits) ? a : 0n;
    case "bswap":
      return swapBytes(a, bits);
    default:
      return isCompareOp(op) ? (compare(op, a, b) ? 1n : 0n) : undefined;
  }
}

const COMPARES: ReadonlySet<string> = new Set([
  "eq",
  "ne",
  "ult",
  "ule",
  "ugt",
  "uge",
  "slt",
  "sle",
  "sgt",
  "sge",
  "set",
]);

function isCompareOp(op: Op): op is CompareOp {
  return COMPARES.has(op);
}

/** Whether a comparison holds between two signed 64-bit constants. */
export function compare(op: CompareOp, a: bigint, b: bigint): boolean {
  switch (op) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "ult":
      return u64(a) < u64(b);
    case "ule":
      return u64(a) <= u64(b);
    case "ugt":
      return u64(a) > u64(b);
    case "uge":
      return u64(a) >= u64(b);
    case "slt":
      return a < b;
    case "sle":
      return a <= b;
    case "sgt":
      return a > b;
    case "sge":
      return a >= b;
    case "set":
      return (a & b) !== 0n;
  }
}

/** The low `bits` of a value with their bytes reversed. */
export function swapBytes(value: bigint, bits: number): bigint {
  let out = 0n;
  for (let i = 0; i < bits; i += 8) out = out << 8n | u64(value) >> BigInt(i) & 0xffn;
  return out;
}
