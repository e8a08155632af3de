/**
 * Expressions, one function a form. `place` gives what an expression stands for without reading it (a field may be
 * assigned, or only tested with `exists`), `lower` its value. Evaluation order is JavaScript's: left to right, `&&`,
 * `||`, `??` and `?.` skip what they skip. `wanted` is false where a statement throws the value away.
 */
import { didYouMean } from "../diagnostics.ts";
import type { Binary, Chain, Expr, Ident, Index, Member, ObjectLit, Unary } from "../syntax/ast.ts";
import { lowerAssign, lowerUpdate } from "./assign.ts";
import { lowerCall } from "./call.ts";
import { Cell } from "./cells.ts";
import { branchOn, branchPresence, branchTruth, isNothing } from "./condition.ts";
import { fieldMember, kernelIndex, memberNode, pointerMember, readField } from "./kernel.ts";
import { endWay, joinWays, lowerConditional, lowerLogical, type Way } from "./logical.ts";
import type { Lowering } from "./lowering.ts";
import { elementLayout, elementPlace, memberPlace, readMemory } from "./memory.ts";
import { binary, negate, not, toInt } from "./operators.ts";
import { describe, ERROR, type IntVal, type MemVal, UNDEFINED, type Val } from "./values.ts";

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

/** Reads a scalar that is still a place. */
export function read(f: Lowering, val: Val, node: Expr): Val {
  if (val.k === "mem") return readMemory(f, val, node);
  if (val.k === "field") return readField(f, val);
  return val;
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

/** `object.property`. */
export function memberOf(f: Lowering, object: Val, property: string, expr: Expr): Val {
  switch (object.k) {
    case "mem":
      return memoryMember(f, object, property, expr);
    case "ptr":
      return pointerMember(f, object, property, expr);
    case "field":
      return fieldMember(f, object, property, expr);
    case "object":
      return object.fields.get(property) ?? noMember(f, "the object", property, object.fields.keys(), expr);
    case "ctx":
      return object.field(property) ?? noMember(f, object.what, property, object.known(), expr);
    case "namespace":
      return object.member(property) ?? noMember(f, object.name, property, object.known(), expr);
    case "map":
    case "text":
    case "fill":
      return { k: "method", receiver: object, name: property };
    case "tuple":
      if (property === "length") return f.constant(BigInt(object.elements.length));
      break;
    case "undefined":
      return f.fail("maybe-undefined", `this is undefined, so it has no \`${property}\``, expr);
    case "error":
      return f.wrong("a value", object, expr);
    default:
  }
  return f.fail("no-fields", `${describe(object)} has no field \`${property}\``, memberNode(expr));
}

function memoryMember(f: Lowering, mem: MemVal, property: string, expr: Expr): Val {
  const place = memberPlace(mem, property);
  if (place !== undefined) return place;
  const { desc } = mem;
  if (desc.kind === "struct" || desc.kind === "union") {
    return noMember(
      f,
      "the struct",
      property,
      desc.fields.map((field) => field.name),
      expr,
    );
  }
  if (desc.kind === "str" && property !== "length") return { k: "method", receiver: mem, name: property };
  if (property === "length" && desc.kind !== "str") {
    const elements = elementLayout(desc);
    if (elements !== undefined) return f.constant(BigInt(elements.length));
  }
  return f.fail("no-fields", `${describe(mem)} has no field \`${property}\``, memberNode(expr));
}

function noMember(f: Lowering, what: string, property: string, known: Iterable<string>, expr: Expr): Val {
  const names = [...known];
  const list = names.length > 0 && names.length <= 24 ? [`it has ${names.join(", ")}`] : [];
  f.report("unknown-field", `${what} has no \`${property}\``, memberNode(expr), [
    ...didYouMean(property, names),
    ...list,
  ]);
  return ERROR;
}

function element(f: Lowering, expr: Index): Val {
  const object = skipAbsent(f, place(f, expr.object), expr.object, expr.optional);
  const index = toInt(f, lower(f, expr.index), expr.index);
  f.at(expr);
  return indexOf(f, object, index, expr);
}

/** `object[index]`. */
export function indexOf(f: Lowering, object: Val, index: IntVal, node: Expr): Val {
  switch (object.k) {
    case "tuple":
      return tupleElement(f, object.elements, index, node);
    case "mem":
      return memoryElement(f, object, index, node);
    case "ptr":
    case "field":
      return kernelIndex(f, object, index, node);
    default:
      return f.wrong("an array", object, node);
  }
}

function tupleElement(f: Lowering, elements: Val[], index: IntVal, node: Expr): Val {
  if (index.c === undefined) {
    f.fail("index", "an array literal can only be indexed by a constant", node, [
      "put the table into a map of kind `array`",
    ]);
  }
  return elements[Number(index.c)] ??
    f.fail("index-range", `index ${index.c} is outside of the array of ${elements.length}`, node);
}

/** A variable index is made to lie inside at run time, see `boundedIndex`. */
function memoryElement(f: Lowering, mem: MemVal, index: IntVal, node: Expr): Val {
  const elements = elementLayout(mem.desc);
  if (elements === undefined) return f.wrong("an array", mem, node);
  if (index.c !== undefined) {
    return elementPlace(mem, index.c) ??
      f.fail("index-range", `index ${index.c} is outside of the array of ${elements.length}`, node);
  }
  const checked = boundedIndex(f, index, elements.length);
  const address = f.b.add(f.address(mem), f.b.mul(checked, f.b.const(BigInt(elements.size))));
  return { ...mem, desc: elements.desc, size: elements.size, align: elements.align, base: address, offset: 0 };
}

/**
 * An index the verifier can bound: taken modulo the length if that is a power of two, else 0 when it is outside.
 * The compared value is the one that is used, since the verifier learns about that one only.
 */
function boundedIndex(f: Lowering, index: IntVal, length: number): ReturnType<Lowering["word"]> {
  const word = f.word(index);
  if ((length & (length - 1)) === 0) return f.b.and(word, f.b.const(BigInt(length - 1)));
  const cell = f.b.newLocal("index");
  const [outside, join] = [f.b.newBlock(), f.b.newBlock()];
  f.flush();
  f.b.setLocal(cell, word);
  f.b.branchIf("ult", word, f.b.const(BigInt(length)), join, outside);
  f.enter(outside);
  f.b.setLocal(cell, f.b.const(0n));
  f.b.jump(join);
  f.enter(join);
  return f.b.getLocal(cell);
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
