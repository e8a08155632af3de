/**
 * Parts of values: reading what is still a place, `a.b` and `a[i]` of a value that is known already. Which rules apply
 * follows from what the value is: a schema's memory, the kernel's, an object of this function, the scope, the context.
 */
import { ownedName } from "../../bytes/kernel_owned.ts";
import { didYouMean } from "../diagnostics.ts";
import type { Expr } from "../syntax/ast.ts";
import { fieldMember, isCharArray, kernelIndex, memberNode, pointerMember, readField } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { elementLayout, elementPlace, memberPlace, readMemory } from "./memory.ts";
import { indexable, stringLength } from "./string_search.ts";
import { describe, ERROR, type IntVal, type MemVal, type Val } from "./values.ts";

/** Reads a scalar that is still a place. */
export function read(f: Lowering, val: Val, node: Expr): Val {
  if (val.k === "mem") return readMemory(f, val, node);
  if (val.k === "field") return readField(f, val);
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
    case "fill":
      if (object.kind === "bytes" || property === "length") return memberOf(f, f.settle(object), property, expr);
      return { k: "method", receiver: object, name: property };
    case "text":
      if (property === "length") return f.constant(BigInt(object.text.length));
      return { k: "method", receiver: object, name: property };
    case "map":
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
  if (place !== undefined && ownedName(place.desc) !== undefined) {
    const timer = ownedName(place.desc) === "bpf_timer";
    f.fail("kernel-owned", `\`${property}\` belongs to the kernel`, memberNode(expr), [
      timer ? "start it by map.startTimer(value, nanoseconds, callback)" : "take it by lock(value, () => { … })",
    ]);
  }
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
  if (desc.kind === "str") {
    return property === "length" ? stringLength(f, mem) : { k: "method", receiver: mem, name: property };
  }
  if (property === "length") {
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

/** `object[index]`. */
export function indexOf(f: Lowering, object: Val, index: IntVal, node: Expr): Val {
  switch (object.k) {
    case "tuple":
      return tupleElement(f, object.elements, index, node);
    case "fill":
      return indexOf(f, f.settle(object), index, node);
    case "mem":
      return memoryElement(f, object, index, node);
    case "field":
      if (isCharArray(f, object)) return indexOf(f, f.settle(object), index, node);
      return kernelIndex(f, object, index, node);
    case "ptr":
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
function memoryElement(f: Lowering, given: MemVal, index: IntVal, node: Expr): Val {
  const elements = elementLayout(given.desc);
  if (elements === undefined) return f.wrong("an array", given, node);
  // Characters of a string are strings, and strings do not change.
  const mem = given.desc.kind === "str" ? { ...given, memory: { ...given.memory, writable: false } } : given;
  if (index.c !== undefined) {
    return elementPlace(mem, index.c) ??
      f.fail("index-range", `index ${index.c} is outside of the array of ${elements.length}`, node);
  }
  const checked = boundedIndex(f, index, elements.length);
  const address = f.b.add(f.address(indexable(f, mem)), f.b.mul(checked, f.b.const(BigInt(elements.size))));
  return { ...mem, desc: elements.desc, size: elements.size, align: elements.align, base: address, offset: 0 };
}

/** An index the verifier can bound: taken modulo the length if that is a power of two, else 0 when it is outside. */
function boundedIndex(f: Lowering, index: IntVal, length: number): ReturnType<Lowering["word"]> {
  const word = f.word(index);
  const modulo = (length & (length - 1)) === 0;
  return modulo ? f.b.and(word, f.b.const(BigInt(length - 1))) : f.b.bound(word, length);
}
