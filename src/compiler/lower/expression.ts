/**
 * Expressions, one function a form. `place` gives what an expression stands for without reading it (a field may be
 * assigned, or only tested with `exists`), `lower` its value. Evaluation order is JavaScript's: left to right, `&&`,
 * `||`, `??` and `?.` skip what they skip. `wanted` is false where a statement throws the value away.
 */
import type { Binary, Chain, Expr, Ident, Index, Member, ObjectLit, Unary } from "../syntax/ast.ts";
import { indexOf, memberOf, read } from "./access.ts";
import { lowerAssign, lowerUpdate } from "./assign.ts";
import { lowerCall } from "./call.ts";
import { Cell } from "./cells.ts";
import { branchOn, branchPresence, branchTruth, isNothing } from "./condition.ts";
import { readField } from "./kernel.ts";
import { endWay, joinWays, lowerConditional, lowerLogical, type Way } from "./logical.ts";
import type { Lowering } from "./lowering.ts";
import { binary, negate, not, toInt } from "./operators.ts";
import { ERROR, UNDEFINED, type Val } from "./values.ts";

/** The value of an expression: scalars are read, recipes (strings to be read) stay recipes. */
export function lower(f: Lowering, expr: Expr, wanted = true): Val {
  f.at(expr);
  switch (expr.type) {
    case "Number":
      return f.constant(expr.value);
    case "String":
      return { k: "text", text: expr.value };
    case "Bool":
      return { k: "bool", ir: undefined, c: expr.value };
    case "Null":
      return UNDEFINED;
    case "Template":
      if (expr.exprs.length === 0) return { k: "text", text: expr.quasis[0]! };
      return f.fail("template", "a template literal can only be printed here", expr, [
        "write print(`…`), or emit the values and format them in the script",
      ]);
    case "Ident":
    case "Member":
    case "Index":
      return read(f, place(f, expr), expr);
    case "Call":
      return read(f, lowerCall(f, expr, wanted), expr);
    case "Chain":
      return lowerChain(f, expr, wanted);
    case "Unary":
      return lowerUnary(f, expr);
    case "Update":
      return lowerUpdate(f, expr, wanted);
    case "Binary":
      return lowerBinary(f, expr);
    case "Logical":
      return lowerLogical(f, expr, wanted);
    case "Conditional":
      return lowerConditional(f, expr, wanted);
    case "Assign":
      return lowerAssign(f, expr, wanted);
    case "Sequence":
      for (const first of expr.exprs.slice(0, -1)) lower(f, first, false);
      return lower(f, expr.exprs.at(-1)!, wanted);
    case "Object":
      return lowerObject(f, expr);
    case "Array":
      return { k: "tuple", elements: expr.elements.map((element) => lower(f, element)) };
    default:
      return f.fail("closure", "a function inside a kernel function cannot be compiled", expr, [
        "put it under `functions` and take it from the second parameter",
      ]);
  }
}

/** What an expression stands for, not read. */
export function place(f: Lowering, expr: Expr): Val {
  f.at(expr);
  switch (expr.type) {
    case "Ident":
      return identifier(f, expr);
    case "Member":
      return member(f, expr);
    case "Index":
      return element(f, expr);
    case "Call":
      return lowerCall(f, expr, true);
    default:
      return lower(f, expr);
  }
}

function identifier(f: Lowering, expr: Ident): Val {
  const symbol = f.symbol(expr);
  if (symbol === undefined) return ERROR;
  if (symbol.kind === "js") return jsGlobal(f, expr);
  return f.read(symbol) ?? f.fail("used-before", `\`${expr.name}\` is used before it has a value`, expr);
}

function jsGlobal(f: Lowering, expr: Ident): Val {
  if (expr.name === "undefined") return UNDEFINED;
  return f.hook.jsGlobal(f, expr.name) ?? f.fail("free-identifier", `\`${expr.name}\` is not known`, expr);
}

function member(f: Lowering, expr: Member): Val {
  const object = skipAbsent(f, place(f, expr.object), expr.object, expr.optional);
  f.at(expr);
  return memberOf(f, object, expr.property, expr);
}

/** With `?.`, leaves for the end of the chain where the object is missing. */
function skipAbsent(f: Lowering, object: Val, node: Expr, optional: boolean): Val {
  if (!optional) {
    if (object.k === "opt") return f.wrong("a value that is there", object, node);
    return object;
  }
  const chain = f.chains.at(-1)!;
  const val = object.k === "field" ? readField(f, object) : object;
  const there = f.b.newBlock();
  if (val.k === "opt") {
    const symbol = node.type === "Ident" ? f.symbol(node) : undefined;
    const flows = branchPresence(f, val, symbol, there, chain.absent);
    chain.used = true;
    f.enter(there);
    f.restore(flows.there);
    return val.inner();
  }
  if (val.k === "ptr") {
    f.flush();
    f.b.branchIf("ne", val.ir, f.b.const(0n), there, chain.absent);
    chain.used = true;
    f.enter(there);
  }
  return val;
}

function element(f: Lowering, expr: Index): Val {
  const object = skipAbsent(f, place(f, expr.object), expr.object, expr.optional);
  const index = toInt(f, lower(f, expr.index), expr.index);
  f.at(expr);
  return indexOf(f, object, index, expr);
}

/** `a?.b.c`: where a part is missing, the whole is `undefined`. */
function lowerChain(f: Lowering, chain: Chain, wanted: boolean): Val {
  const state = { absent: f.b.newBlock(), used: false };
  const before = f.snapshot();
  f.chains.push(state);
  const val = f.settle(
    read(f, chain.expr.type === "Call" ? lowerCall(f, chain.expr, wanted) : place(f, chain.expr), chain),
  );
  f.chains.pop();
  if (!state.used) return val;
  const ways: Way[] = [];
  f.flush();
  ways.push(endWay(f, val));
  f.enter(state.absent);
  f.restore(before);
  ways.push(endWay(f, UNDEFINED));
  return joinWays(f, ways, chain, wanted);
}

function lowerUnary(f: Lowering, expr: Unary): Val {
  if (expr.op === "void") {
    lower(f, expr.arg, false);
    return UNDEFINED;
  }
  if (expr.op === "!") {
    const val = lower(f, expr.arg);
    if (val.k === "bool") return not(f, val);
    if (val.k === "int" && val.c !== undefined) return { k: "bool", ir: undefined, c: val.c === 0n };
    if (val.k === "int") return { k: "bool", ir: f.b.compare("eq", val.ir!, f.b.const(0n)), c: undefined };
    return not(f, truth(f, val, expr.arg));
  }
  if (expr.op === "-" && expr.arg.type === "Number") return f.constant(-expr.arg.value);
  return negate(f, expr.op as "-" | "+" | "~", toInt(f, lower(f, expr.arg), expr.arg));
}

/** Truth as a value. */
function truth(f: Lowering, val: Val, node: Expr): Val & { k: "bool" } {
  const [yes, no, join] = [f.b.newBlock(), f.b.newBlock(), f.b.newBlock()];
  const cell = new Cell(f, "truth", { k: "bool" });
  if (val.k === "opt") {
    const there = f.b.newBlock();
    branchPresence(f, val, undefined, there, no);
    f.enter(there);
    branchTruth(f, val.inner(), node, yes, no);
  } else {
    f.flush();
    branchTruth(f, val, node, yes, no);
  }
  for (const [block, c] of [[yes, true], [no, false]] as const) {
    f.enter(block);
    cell.write({ k: "bool", ir: undefined, c });
    f.b.jump(join);
  }
  f.enter(join);
  return cell.read() as Val & { k: "bool" };
}

function lowerBinary(f: Lowering, expr: Binary): Val {
  if (/^[!=]==?$/.test(expr.op) && (isNothing(f, expr.left) || isNothing(f, expr.right))) {
    return conditionValue(f, expr);
  }
  // Bun and esbuild put constants left: `5 < x`. The order of evaluation stays as written.
  const left = lower(f, expr.left);
  const right = lower(f, expr.right);
  f.at(expr);
  return binary(f, expr, left, right);
}

/** A condition as a boolean value. */
export function conditionValue(f: Lowering, expr: Expr): Val {
  const [yes, no, join] = [f.b.newBlock(), f.b.newBlock(), f.b.newBlock()];
  const cell = new Cell(f, "condition", { k: "bool" });
  const before = f.snapshot();
  branchOn(f, expr, yes, no);
  for (const [block, c] of [[yes, true], [no, false]] as const) {
    f.enter(block);
    cell.write({ k: "bool", ir: undefined, c });
    f.b.jump(join);
  }
  f.enter(join);
  f.restore(before);
  return cell.read();
}

function lowerObject(f: Lowering, expr: ObjectLit): Val {
  const fields = new Map<string, Val>();
  for (const prop of expr.props) fields.set(prop.key, lower(f, prop.value));
  return { k: "object", fields };
}
