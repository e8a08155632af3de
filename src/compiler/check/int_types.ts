/**
 * The arithmetic of types: how wide and of which sign the result of an operation is. Every value is 64 bits in the
 * machine; a type says which integers it can be, so that comparison, division and right shift pick the right sign.
 *
 * Rules: `-` and unary minus give signed values. `+`, `*`, `|` and `^` are signed if an operand is, `&` if both are: it
 * cannot be negative otherwise. An unsigned value below 2^63 may meet a signed one anywhere; a full `u64` may not where the sign matters (`<`, `/`, `%`, `>>`, `===`).
 */

/** Integers from 0 (or -2^(bits-1)) up to what `bits` hold; literals have as few bits as they need. */
export interface IntType {
  readonly bits: number;
  readonly signed: boolean;
}

export const U8: IntType = { bits: 8, signed: false };
export const U16: IntType = { bits: 16, signed: false };
export const U32: IntType = { bits: 32, signed: false };
export const U64: IntType = { bits: 64, signed: false };
export const I32: IntType = { bits: 32, signed: true };
export const I64: IntType = { bits: 64, signed: true };

export function intType(bits: number, signed: boolean): IntType {
  return { bits: Math.min(64, bits), signed };
}

/** The type of a constant: the smallest that holds it. */
export function typeOfConstant(value: bigint): IntType {
  if (value >= 0n) return { bits: Math.min(64, value === 0n ? 0 : value.toString(2).length), signed: false };
  return { bits: Math.min(64, (-value - 1n).toString(2).length + 1), signed: true };
}

/** `u32`, `i64`; odd widths round up as a reader expects. */
export function intName({ bits, signed }: IntType): string {
  const width = bits <= 8 ? 8 : bits <= 16 ? 16 : bits <= 32 ? 32 : 64;
  return `${signed ? "i" : "u"}${width}`;
}

/** Whether every value of the type fits a signed 64-bit integer. */
export function fitsSigned({ bits, signed }: IntType): boolean {
  return signed || bits < 64;
}

/** The common sign of two operands where it matters; undefined if there is none. */
export function commonSign(a: IntType, b: IntType): "unsigned" | "signed" | undefined {
  if (!a.signed && !b.signed) return "unsigned";
  return fitsSigned(a) && fitsSigned(b) ? "signed" : undefined;
}

/** The result of `a op b`, apart from comparisons. `shift` is a constant count, `mask` a constant operand of `&`. */
export function resultType(op: string, a: IntType, b: IntType, constant?: bigint): IntType {
  const signed = a.signed || b.signed;
  switch (op) {
    case "+":
      return intType(Math.max(a.bits + spare(a, signed), b.bits + spare(b, signed)) + 1, signed);
    case "-":
      return intType(Math.max(a.bits + spare(a, true), b.bits + spare(b, true)) + 1, true);
    case "*":
      return intType(a.bits + b.bits, signed);
    case "/":
      return !signed && constant !== undefined && constant > 0n
        ? intType(Math.max(1, a.bits - typeOfConstant(constant).bits + 1), false)
        // The least value divided by -1 is one more than the type holds.
        : intType(a.bits + spare(a, signed) + (signed ? 1 : 0), signed);
    case "%":
      return !signed && constant !== undefined && constant > 0n
        ? intType(typeOfConstant(constant - 1n).bits, false)
        : intType(a.bits + spare(a, signed), signed);
    case "&":
      return bitAnd(a, b);
    case "|":
    case "^":
      return intType(Math.max(a.bits + spare(a, signed), b.bits + spare(b, signed)), signed);
    case "<<":
      return intType(constant === undefined ? 64 : a.bits + Number(constant & 63n), a.signed);
    default: // >> and >>>
      return shiftRight(op, a, constant);
  }
}

/** An unsigned operand needs one more bit once the result is signed. */
function spare(type: IntType, signed: boolean): number {
  return signed && !type.signed ? 1 : 0;
}

/** `&` with an unsigned value is at most that value. */
function bitAnd(a: IntType, b: IntType): IntType {
  if (a.signed && b.signed) return intType(Math.max(a.bits, b.bits), true);
  if (a.signed) return intType(b.bits, false);
  if (b.signed) return intType(a.bits, false);
  return intType(Math.min(a.bits, b.bits), false);
}

function shiftRight(op: string, a: IntType, constant: bigint | undefined): IntType {
  const logical = op === ">>>";
  const bits = logical && a.signed ? 64 : a.bits;
  const count = constant === undefined ? 0 : Number(constant & 63n);
  return intType(Math.max(1, bits - count), a.signed && !logical);
}

/**
 * A variable that only ever got small unsigned values, or had small ones added: it cannot reach 2^63 before the kernel
 * ends the program, so it may meet signed values.
 */
export const COUNTER: IntType = { bits: 63, signed: false };

/** The type of a variable that holds now one, now the other; undefined if no type holds both. */
export function joinTypes(a: IntType, b: IntType): IntType | undefined {
  if (a.bits === b.bits && a.signed === b.signed) return a;
  if (!a.signed && !b.signed && a.bits < 64 && b.bits < 64) return COUNTER;
  const sign = commonSign(a, b);
  return sign === undefined ? undefined : intType(64, sign === "signed");
}
