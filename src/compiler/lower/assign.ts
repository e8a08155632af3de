/**
 * Assignment: to variables, to places in memory, by pattern. `+=`, `-=`, `&=`, `|=`, `^=`, `++` and `--` on memory that
 * other CPUs share (values of maps that are not per-CPU, globals) are single atomic instructions.
 */
import { COUNTER, intType, U64 } from "../check/int_types.ts";
import type { AccessSize, AtomicOp, Value } from "../ir/ir.ts";
import type { Assign, BinaryOp, Expr, LogicalOp, Pattern, Update } from "../syntax/ast.ts";
import { branchOn, branchPresence } from "./condition.ts";
import { indexOf, memberOf, read } from "./access.ts";
import type { Flow, Lowering } from "./lowering.ts";
import { hasHelper } from "./helpers.ts";
import { writableField, writeField } from "./kernel.ts";
import { readMemory, store } from "./memory.ts";
import { arithmetic, cast, toInt } from "./operators.ts";
import { describe, type IntVal, type MemVal, UNDEFINED, type Val } from "./values.ts";

export function lowerAssign(f: Lowering, expr: Assign, wanted: boolean): Val {
  const { op, target, value } = expr;
  if (target.type === "ObjectPattern" || target.type === "ArrayPattern") {
    const val = f.settle(f.rules.lower(f, value));
    assignPattern(f, target, val, value);
    return val;
  }
  if (op === "&&" || op === "||" || op === "??") return assignLogical(f, op, target as Expr, value);
  if (op !== "") {
    const by = (): IntVal => toInt(f, f.rules.lower(f, value), value);
    return compound(f, target as Expr, op, by, expr, wanted ? "new" : "none");
  }
  // As in JavaScript an index is evaluated before the value, which may change what it is made from.
  const to = target.type === "Index" ? f.rules.place(f, target) : undefined;
  const val = f.rules.lower(f, value);
  f.at(expr);
  return to === undefined ? assignTo(f, target as Expr, val, value) : assignPlace(f, to, target as Expr, val, value);
}

/** Writes a value to whatever the target is; returns the value. */
export function assignTo(f: Lowering, target: Expr, val: Val, node: Expr): Val {
  if (target.type === "Ident") return assignVariable(f, target, val, node);
  if (target.type === "Member" && assignField(f, target, val, node)) return val;
  return assignPlace(f, f.rules.place(f, target), target, val, node);
}

function assignPlace(f: Lowering, to: Val, target: Expr, val: Val, node: Expr): Val {
  if (to.k === "mem") {
    writeMemory(f, to, val, target, node);
    return val;
  }
  if (to.k === "error") return val;
  if (to.k === "field" && writableField(f, to)) {
    const word = f.word(toInt(f, val, node));
    f.effect();
    writeField(f, to, word, target);
    return val;
  }
  if (to.k === "field") return f.fail("read-only", "memory of the kernel cannot be written by a program", target);
  return f.fail("read-only", `${describe(to)} cannot be assigned`, target);
}

function assignVariable(f: Lowering, target: Expr & { type: "Ident" }, val: Val, node: Expr): Val {
  const symbol = f.symbol(target);
  if (symbol === undefined) return val;
  const binding = f.bound.get(symbol);
  if (binding !== undefined && "val" in binding && symbol.kind === "parameter") {
    if (binding.val.k !== "mem") {
      return f.fail("read-only", `\`${target.name}\` is ${describe(binding.val)}, which cannot be assigned`, target);
    }
    writeMemory(f, binding.val, val, target, node);
    return val;
  }
  f.write(symbol, val, node);
  return f.read(symbol)!;
}

/** `key.field = value` where `key` is an object literal held in a variable. */
function assignField(f: Lowering, target: Expr & { type: "Member" }, val: Val, node: Expr): boolean {
  if (target.object.type !== "Ident") return false;
  const symbol = f.symbol(target.object);
  const binding = symbol === undefined ? undefined : f.bound.get(symbol);
  if (symbol === undefined || binding === undefined || !("cell" in binding) || binding.cell.type.k !== "object") {
    return false;
  }
  const old = f.read(symbol);
  if (old?.k !== "object") return false;
  if (!old.fields.has(target.property)) memberOf(f, old, target.property, target);
  else f.write(symbol, { k: "object", fields: new Map(old.fields).set(target.property, f.settle(val)) }, node);
  return true;
}

function writeMemory(f: Lowering, to: MemVal, val: Val, target: Expr, node: Expr): void {
  if (!to.memory.writable) f.fail("read-only", "this memory cannot be written", target);
  f.effect();
  store(f, to, val.k === "opt" ? f.wrong("a value", val, node) : val, node);
}

/** `a ??= b` and kin: the assignment happens on one way only. */
function assignLogical(f: Lowering, op: LogicalOp, target: Expr, value: Expr): Val {
  const [assign, join] = [f.b.newBlock(), f.b.newBlock()];
  let past: Flow;
  if (op === "??") {
    const old = f.rules.lower(f, target);
    if (old.k !== "opt" && old.k !== "undefined") return old;
    if (old.k === "undefined") return assignTo(f, target, f.rules.lower(f, value), value);
    const flows = branchPresence(f, old, target.type === "Ident" ? f.symbol(target) : undefined, join, assign);
    past = flows.there;
  } else {
    const outcome = op === "&&" ? branchOn(f, target, assign, join) : branchOn(f, target, join, assign);
    past = op === "&&" ? outcome.no : outcome.yes;
  }
  f.enter(assign);
  assignTo(f, target, f.rules.lower(f, value), value);
  f.flush();
  const flow = f.snapshot();
  f.b.jump(join);
  f.enter(join);
  f.meet([flow, past]);
  return f.rules.lower(f, target);
}

export function lowerUpdate(f: Lowering, expr: Update, wanted: boolean): Val {
  const op = expr.op === "++" ? "+" : "-";
  return compound(f, expr.arg, op, () => f.constant(1n), expr, wanted ? (expr.prefix ? "new" : "old") : "none");
}

/** `target op= by`; as in JavaScript the old value is read before `by` is evaluated. */
function compound(
  f: Lowering,
  target: Expr,
  op: BinaryOp,
  by: () => IntVal,
  node: Expr,
  want: "none" | "old" | "new",
): Val {
  const to = f.rules.place(f, target);
  f.at(node);
  if (to.k === "error") return to;
  if (to.k === "mem") return compoundMemory(f, to, op, by(), target, node, want);
  if (target.type !== "Ident" && target.type !== "Member") {
    return f.fail("read-only", `${describe(to)} cannot be assigned`, target);
  }
  const old = toInt(f, read(f, to, target), target);
  const operand = by();
  f.at(node);
  const result = keepSign(arithmetic(f, op, old, operand, node), old, op, operand);
  assignTo(f, target, result, node);
  return want === "old" ? old : result;
}

/**
 * A variable that holds a full unsigned value stays unsigned: `t -= 5` is no difference, it moves `t`. One that counts
 * in small steps stays a counter.
 */
function keepSign(result: IntVal, old: IntVal, op: BinaryOp, by: IntVal): IntVal {
  if (old.t.signed || result.c !== undefined) return result;
  if (old.t.bits === 64 && result.t.signed) return { ...result, t: U64 };
  const counts = op === "+" && !by.t.signed && by.t.bits <= 32;
  return counts && old.t.bits < 64 ? { ...result, t: COUNTER } : result;
}

const ATOMIC: Readonly<Partial<Record<BinaryOp, Exclude<AtomicOp, "cmpxchg">>>> = {
  "+": "add",
  "-": "add",
  "&": "and",
  "|": "or",
  "^": "xor",
};

function compoundMemory(
  f: Lowering,
  to: MemVal,
  op: BinaryOp,
  by: IntVal,
  target: Expr,
  node: Expr,
  want: "none" | "old" | "new",
): Val {
  const { desc } = to;
  if (desc.kind !== "int" && desc.kind !== "enum") return f.wrong("an integer", to, target);
  if (!to.memory.writable) f.fail("read-only", "this memory cannot be written", target);
  f.effect();
  const size = desc.bits / 8 as AccessSize;
  const atomic = to.memory.shared ? ATOMIC[op] : undefined;
  if (atomic !== undefined && size >= 4 && (hasAllAtomics(f) || (atomic === "add" && want === "none"))) {
    const operand = op === "-" ? f.b.neg(f.word(by)) : f.word(by);
    const fetch = want !== "none";
    const old = f.b.atomic(atomic, size as 4 | 8, to.base, to.offset, operand, fetch);
    if (!fetch) return UNDEFINED;
    const before = f.int(extend(f, old, desc.bits, desc.signed), intType(desc.bits, desc.signed));
    return want === "old" ? before : cast(f, arithmetic(f, op, before, by, node), desc.bits, desc.signed);
  }
  if (atomic !== undefined && to.memory.space !== "stack") {
    const [why, note] = size < 4
      ? [
        "the kernel has atomic operations for 32 and 64 bits only",
        "make the field a u32 or a u64 if other CPUs write it too",
      ]
      : ["this kernel has no atomic operation but addition without a result", "Linux 5.12 and later have"];
    f.warn("not-atomic", `this is not atomic: ${why}`, node, [note]);
  }
  const old = readMemory(f, to, target) as IntVal;
  const result = cast(f, arithmetic(f, op, old, by, node), desc.bits, desc.signed);
  store(f, to, result, node);
  return want === "old" ? old : result;
}

/** Atomics besides plain addition came with Linux 5.12; so did a helper that can be asked for. */
function hasAllAtomics(f: Lowering): boolean {
  return f.module.facts.cpu >= 3 && hasHelper(f, "check_mtu");
}

/** Four-byte atomics give the old value zero-extended. */
function extend(f: Lowering, value: Value, bits: number, signed: boolean): Value {
  return signed && bits === 32 ? f.b.sext(value, 32) : value;
}

/** Destructuring into names that are declared already. */
function assignPattern(f: Lowering, pattern: Pattern, val: Val, node: Expr): void {
  destructure(f, pattern, val, node, (ident, item) => void assignTo(f, ident, item, node));
}

/** Takes a value apart by a pattern and hands out the parts. */
export function destructure(
  f: Lowering,
  pattern: Pattern,
  val: Val,
  node: Expr,
  bindName: (ident: Pattern & { type: "Ident" }, val: Val) => void,
): void {
  if (pattern.type === "Ident") return bindName(pattern, val);
  if (val.k === "opt") f.wrong("a value that is there", val, node);
  if (pattern.type === "ObjectPattern") {
    for (const { key, target, init, start, end } of pattern.props) {
      const at: Expr = { type: "Ident", name: key, start, end };
      const missing = init !== undefined && val.k === "object" && !val.fields.has(key);
      const part = missing ? UNDEFINED : read(f, memberOf(f, val, key, at), at);
      destructure(f, target, withDefault(f, part, init), node, bindName);
    }
    return;
  }
  pattern.elements.forEach((item, i) => {
    if (item === undefined) return;
    const part = elementOf(f, val, i, node);
    destructure(f, item.target, withDefault(f, part, item.init), node, bindName);
  });
}

function elementOf(f: Lowering, val: Val, index: number, node: Expr): Val {
  if (val.k === "tuple") return val.elements[index] ?? UNDEFINED;
  return read(f, indexOf(f, val, f.constant(BigInt(index)), node), node);
}

function withDefault(f: Lowering, val: Val, init: Expr | undefined): Val {
  if (init === undefined) return val;
  if (val.k === "undefined") return f.rules.lower(f, init);
  if (val.k !== "opt") return val;
  return f.fail(
    "destructuring-default",
    "a default for a value that may be missing at run time cannot be written in a pattern",
    init,
    ["write `const x = value.x ?? default`"],
  );
}

/** Binds a declared name to its first value. */
export function declareName(f: Lowering, ident: Pattern & { type: "Ident" }, val: Val, node: Expr): void {
  const symbol = f.symbol(ident);
  if (symbol !== undefined) f.declare(symbol, val, node);
}
