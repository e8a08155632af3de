/**
 * Arithmetic and comparison. Integers wrap at 64 bits; division truncates towards zero, division by zero is 0 and
 * `x % 0` is x, as BPF defines them; shift counts are taken modulo 64. Constants are folded here with the same rules, so
 * that folding never changes a result. Where the sign of an operation matters and the operands disagree, it is an error.
 */
import { commonSign, intName, type IntType, intType, resultType, typeOfConstant } from "../check/int_types.ts";
import type { BinaryOp as IrOp, CompareOp, Value } from "../ir/ir.ts";
import type { Binary, BinaryOp, Expr } from "../syntax/ast.ts";
import { Cell } from "./cells.ts";
import type { Lowering } from "./lowering.ts";
import { readMemory } from "./memory.ts";
import { compareStrings } from "./strings.ts";
import type { BoolVal, IntVal, OptVal, Val } from "./values.ts";

/** Anything that is an integer, or can be taken for one: booleans count as 0 and 1, pointers as addresses. */
export function toInt(f: Lowering, given: Val, node: Expr): IntVal {
  const val = f.settle(given.k === "mem" ? readMemory(f, given, node) : given);
  if (val.k === "int") return val;
  if (val.k === "bool") {
    return { k: "int", t: intType(1, false), ir: val.ir, c: val.c === undefined ? undefined : val.c ? 1n : 0n };
  }
  if (val.k === "ptr") return f.int(val.ir);
  return f.wrong("an integer", val, node);
}

export function binary(f: Lowering, expr: Binary, left: Val, right: Val): Val {
  switch (expr.op) {
    case "===":
    case "==":
      return equality(f, left, right, expr);
    case "!==":
    case "!=":
      return not(f, equality(f, left, right, expr));
    case "<":
    case "<=":
    case ">":
    case ">=":
      return compare(f, expr.op, toInt(f, left, expr.left), toInt(f, right, expr.right), expr);
    default:
      if (expr.op === "+" && (isText(left) || isText(right))) {
        f.fail("string-concat", "strings cannot be joined in a kernel function", expr, [
          "emit the parts and join them in the script, or use print(`…`)",
        ]);
      }
      return arithmetic(f, expr.op, toInt(f, left, expr.left), toInt(f, right, expr.right), expr);
  }
}

function isText(val: Val): boolean {
  return val.k === "text" || (val.k === "fill" && val.kind === "str") || (val.k === "mem" && val.desc.kind === "str");
}

export function not(f: Lowering, val: BoolVal): BoolVal {
  if (val.c !== undefined) return { k: "bool", ir: undefined, c: !val.c };
  return { k: "bool", ir: f.b.compare("eq", val.ir!, f.b.const(0n)), c: undefined };
}

export function boolean(c: boolean): BoolVal {
  return { k: "bool", ir: undefined, c };
}

/** `a op b` of two integers. */
export function arithmetic(f: Lowering, op: BinaryOp, a: IntVal, b: IntVal, node: Binary | Expr): IntVal {
  if (op === "**") return power(f, a, b, node);
  if (a.c !== undefined && b.c !== undefined) {
    checkDivisor(f, op, b, node);
    return foldedConstant(f, op, a, b, foldInts(op, a.c, b.c, a.t, b.t));
  }
  checkDivisor(f, op, b, node);
  checkShift(f, op, b, node);
  const signed = operationSign(f, op, a, b, node) === "signed";
  const constant = b.c ?? (op === "&" ? a.c : undefined);
  const t = resultType(op, a.t, b.t, constant);
  return { k: "int", t, ir: f.b.binary(irOp(op, signed), f.word(a), f.word(b)), c: undefined };
}

/** The type of a constant follows from its value, but what was cast to a signed type stays signed. */
function foldedConstant(f: Lowering, op: BinaryOp, a: IntVal, b: IntVal, c: bigint): IntVal {
  const cast = ({ t, c }: IntVal): boolean => t.signed && c! >= 0n;
  const signed = (cast(a) || cast(b)) && resultType(op, a.t, b.t).signed;
  return signed ? { k: "int", t: intType(64, true), ir: undefined, c } : f.constant(c);
}

function checkDivisor(f: Lowering, op: BinaryOp, b: IntVal, node: Expr): void {
  if ((op === "/" || op === "%") && b.c === 0n) {
    f.fail("zero-divisor", "this divides by zero", node, [
      "in BPF the result is 0 (of `%`: the left side), not Infinity or NaN",
    ]);
  }
}

function checkShift(f: Lowering, op: BinaryOp, b: IntVal, node: Expr): void {
  if ((op === "<<" || op === ">>" || op === ">>>") && b.c !== undefined && (b.c < 0n || b.c > 63n)) {
    f.report("shift-count", `integers have 64 bits here, so a shift by ${b.c} is a mistake`, node);
  }
}

/** Which sign the operation works with. Only `/`, `%` and `>>` care. */
function operationSign(f: Lowering, op: BinaryOp, a: IntVal, b: IntVal, node: Expr): "signed" | "unsigned" {
  if (op === ">>") return a.t.signed ? "signed" : "unsigned";
  if (op !== "/" && op !== "%") return "unsigned";
  return commonSign(a.t, b.t) ?? signMix(f, op, a, b, node);
}

function signMix(f: Lowering, op: string, a: IntVal, b: IntVal, node: Expr): never {
  const [u, i] = a.t.signed ? ["right", "left"] : ["left", "right"];
  const [unsigned, signed] = a.t.signed ? [b.t, a.t] : [a.t, b.t];
  f.fail(
    "sign-mix",
    `\`${op}\` has an unsigned ${intName(unsigned)} on its ${u} and a signed ${
      intName(signed)
    } on its ${i}: which sign counts?`,
    node,
    [
      `write i64(…) around the ${u} side to work with signs, u64(…) around the ${i} side to work without`,
      ...(op === "<" || op === ">" || op === "<=" || op === ">=" ? ["a difference is signed: it may be negative"] : []),
    ],
  );
}

function irOp(op: BinaryOp, signed: boolean): IrOp {
  switch (op) {
    case "+":
      return "add";
    case "-":
      return "sub";
    case "*":
      return "mul";
    case "/":
      return signed ? "sdiv" : "div";
    case "%":
      return signed ? "smod" : "mod";
    case "&":
      return "and";
    case "|":
      return "or";
    case "^":
      return "xor";
    case "<<":
      return "shl";
    case ">>":
      return signed ? "ashr" : "shr";
    default:
      return "shr";
  }
}

function power(f: Lowering, a: IntVal, b: IntVal, node: Expr): IntVal {
  if (b.c === undefined || b.c < 0n || b.c > 64n) f.fail("power", "`**` needs a constant exponent from 0 to 64", node);
  if (a.c !== undefined) return f.constant(wrap(a.c ** b.c, a.t.signed));
  let result = f.constant(1n);
  for (let i = 0n; i < b.c; i++) result = result.c === 1n ? a : arithmetic(f, "*", result, a, node);
  return result;
}

function wrap(value: bigint, signed: boolean): bigint {
  return signed || value < 0n ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
}

/** What the machine would compute, on constants. */
export function foldInts(
  op: BinaryOp,
  a: bigint,
  b: bigint,
  ta: IntType = typeOfConstant(a),
  tb: IntType = typeOfConstant(b),
): bigint {
  const signed = ta.signed || tb.signed;
  switch (op) {
    case "+":
      return wrap(a + b, signed);
    case "-":
      return BigInt.asIntN(64, a - b);
    case "*":
      return wrap(a * b, signed);
    case "/":
      return wrap(a / b, signed);
    case "%":
      return wrap(a % b, signed);
    case "&":
      return a & b;
    case "|":
      return wrap(a | b, signed);
    case "^":
      return wrap(a ^ b, signed);
    case "<<":
      return wrap(a << (b & 63n), ta.signed);
    case ">>":
      return a >> (b & 63n);
    default:
      return BigInt.asUintN(64, a) >> (b & 63n);
  }
}

/** `<` and kin. */
export function compare(f: Lowering, op: "<" | "<=" | ">" | ">=", a: IntVal, b: IntVal, node: Expr): BoolVal {
  if (a.c !== undefined && b.c !== undefined) {
    return boolean(op === "<" ? a.c < b.c : op === "<=" ? a.c <= b.c : op === ">" ? a.c > b.c : a.c >= b.c);
  }
  checkNegative(f, op, a, b, node);
  const sign = commonSign(a.t, b.t) ?? signMix(f, op, a, b, node);
  const suffix = op === "<" ? "lt" : op === "<=" ? "le" : op === ">" ? "gt" : "ge";
  return {
    k: "bool",
    ir: f.b.compare(`${sign === "signed" ? "s" : "u"}${suffix}` as CompareOp, f.word(a), f.word(b)),
    c: undefined,
  };
}

/** `unsigned < 0` is never true, which nobody means. */
function checkNegative(f: Lowering, op: string, a: IntVal, b: IntVal, node: Expr): void {
  const never = (value: IntVal, other: IntVal, op: string): boolean =>
    !value.t.signed && other.c !== undefined && (other.c < 0n || (other.c === 0n && (op === "<" || op === ">=")));
  const mirrored = op.replace(/[<>]/, (c) => (c === "<" ? ">" : "<"));
  const value = never(a, b, op) ? a : never(b, a, mirrored) ? b : undefined;
  if (value === undefined) return;
  // Not given up here: what follows may show that the variable is signed, as in `for (let i = 3; i >= 0; i--)`.
  f.report(
    "unsigned-negative",
    `an unsigned ${intName(value.t)} is never below zero, so this is always the same`,
    node,
    [
      "write i64(…) around it if it can be negative, a negative errno for example",
    ],
  );
}

/** `===`. Strings compare by content, a missing value equals only `undefined`. */
export function equality(f: Lowering, left: Val, right: Val, node: Binary): BoolVal {
  if (isNothing(left) || isNothing(right)) {
    return isUndefined(f, isNothing(left) ? right : left, isNothing(left) ? node.right : node.left);
  }
  if (left.k === "opt") return optionalEquality(f, left, right, node, (inner) => equality(f, inner, right, node));
  if (right.k === "opt") return optionalEquality(f, right, left, node, (inner) => equality(f, left, inner, node));
  if (stringLike(f, left) || stringLike(f, right)) return compareStrings(f, left, right, node);
  if (left.k === "bool" && right.k === "bool" && left.c !== undefined && right.c !== undefined) {
    return boolean(left.c === right.c);
  }
  if ((left.k === "bool") !== (right.k === "bool") && (left.k === "int" || right.k === "int")) {
    f.fail("type", "a boolean is never `===` to a number", node, ["write the boolean alone, or u64(boolean)"]);
  }
  const [a, b] = [toInt(f, left, node.left), toInt(f, right, node.right)];
  if (a.c !== undefined && b.c !== undefined) return boolean(a.c === b.c);
  checkEqualSigns(f, a, b, node);
  return { k: "bool", ir: f.b.compare("eq", f.word(a), f.word(b)), c: undefined };
}

/** Equality has no sign, but -1 must not equal 2^64 - 1. */
function checkEqualSigns(f: Lowering, a: IntVal, b: IntVal, node: Binary): void {
  const [value, other] = a.c === undefined ? [a, b] : [b, a];
  if (other.c !== undefined && other.c < 0n && !value.t.signed) {
    f.fail("unsigned-negative", `an unsigned ${intName(value.t)} never equals ${other.c}`, node, [
      "write i64(…) around it",
    ]);
  }
  if (commonSign(a.t, b.t) === undefined && other.c === undefined) signMix(f, node.op, a, b, node);
}

function stringLike(f: Lowering, val: Val): boolean {
  return isText(val) || (val.k === "field" && f.module.types!.shape(val.type).k === "array");
}

function isNothing(val: Val): boolean {
  return val.k === "undefined";
}

/** `value === undefined`, or `=== null` of a pointer. */
export function isUndefined(f: Lowering, given: Val, node: Expr): BoolVal {
  const val = given.k === "field" ? f.settle(given) : given;
  if (val.k === "opt") return { k: "bool", ir: f.b.compare("eq", val.test(), f.b.const(0n)), c: undefined };
  if (val.k === "ptr") return { k: "bool", ir: f.b.compare("eq", val.ir, f.b.const(0n)), c: undefined };
  if (val.k === "undefined") return boolean(true);
  if (val.k === "error") return f.wrong("a value", val, node);
  return boolean(false);
}

function optionalEquality(
  f: Lowering,
  opt: OptVal,
  other: Val,
  node: Binary,
  compareInner: (inner: Val) => BoolVal,
): BoolVal {
  if (other.k === "opt") {
    f.fail("maybe-undefined", "both sides may be undefined", node, [
      "test one of them first: `if (x === undefined) return;`",
    ]);
  }
  f.flush(opt);
  const cell = new Cell(f, "equal", { k: "bool" });
  const [there, join] = [f.b.newBlock(), f.b.newBlock()];
  cell.write(boolean(false));
  f.b.branchIf("ne", opt.test(), f.b.const(0n), there, join);
  f.enter(there);
  opt.pending?.load();
  opt.pending = undefined;
  cell.write(compareInner(opt.inner()));
  f.b.jump(join);
  f.enter(join);
  return cell.read() as BoolVal;
}

/** `-x`, `+x`, `~x`. */
export function negate(f: Lowering, op: "-" | "+" | "~", val: IntVal): IntVal {
  if (op === "+") return val;
  if (val.c !== undefined) return f.constant(BigInt.asIntN(64, op === "-" ? -val.c : ~val.c));
  const ir = op === "-" ? f.b.neg(f.word(val)) : f.b.not(f.word(val));
  const t = op === "-" ? intType(val.t.bits + 1, true) : intType(64, val.t.signed);
  return { k: "int", t, ir, c: undefined };
}

/** Truncation to a width: `u8(x)` … `i64(x)`. */
export function cast(f: Lowering, val: IntVal, bits: 8 | 16 | 32 | 64, signed: boolean): IntVal {
  const t = intType(bits, signed);
  if (val.c !== undefined) {
    const c = signed ? BigInt.asIntN(bits, val.c) : BigInt.asUintN(bits, val.c);
    return { k: "int", t, ir: undefined, c };
  }
  const fits = val.t.signed === signed ? val.t.bits <= bits : !val.t.signed && val.t.bits < bits;
  if (bits === 64 || fits) return { ...val, t };
  const word: Value = f.word(val);
  return { k: "int", t, ir: signed ? f.b.sext(word, bits) : f.b.zext(word, bits), c: undefined };
}
