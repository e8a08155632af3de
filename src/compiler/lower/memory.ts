/**
 * Values in memory the program can touch: reading and writing them by their layout, and giving a place to values that
 * have none. Whatever becomes a key, a value or a record is zeroed once, in 8-byte stores, before it is filled, so that
 * padding neither leaks nor splits keys; the optimiser removes what is overwritten.
 */
import { ownedFields, ownedName } from "../../bytes/kernel_owned.ts";
import type { Layout, LayoutDesc, LayoutField } from "../../bytes/layout.ts";
import { intType } from "../check/int_types.ts";
import { didYouMean } from "../diagnostics.ts";
import type { AccessSize, Value } from "../ir/ir.ts";
import type { Expr } from "../syntax/ast.ts";
import { asLayout, type BitField, isBitField } from "./btf_layout.ts";
import type { VarType } from "./cells.ts";
import { sameDesc } from "./cells.ts";
import { fieldAddress, isCharArray, readField } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import {
  describeDesc,
  type FillVal,
  type Memory,
  type MemVal,
  type ObjectVal,
  type TextVal,
  type Val,
} from "./values.ts";

/** Default length of a string that is kept in a variable without saying how long it is. */
export const DEFAULT_STRING = 64;

/** Default length of a stack that is kept in a variable. */
const DEFAULT_WORDS = 32;
const WORD = { desc: { kind: "int", bits: 64, signed: false, name: "u64" }, size: 8, align: 8 } as const;

const encoder = new TextEncoder();

/** A value of `desc` at an address. */
export function memVal(
  desc: LayoutDesc,
  size: number,
  align: number,
  base: Value,
  offset: number,
  memory: Memory,
): MemVal {
  return { k: "mem", desc, size, align, base, offset, memory };
}

/** The value of a place: scalars are loaded, the others stay where they are. */
export function readMemory(f: Lowering, mem: MemVal, node?: Expr): Val {
  const { desc } = mem;
  switch (desc.kind) {
    case "int":
    case "enum":
      if (isBitField(desc)) return readBits(f, mem, desc);
      return f.int(loadInt(f, mem, desc.bits / 8 as AccessSize, desc.signed), intType(desc.bits, desc.signed));
    case "bool":
      return { k: "bool", ir: f.b.load(1, mem.base, mem.offset), c: undefined };
    case "float":
      return node === undefined
        ? mem
        : f.fail("float", "a float cannot be used in a kernel function: BPF has integers only", node);
    default:
      return mem;
  }
}

function readBits(f: Lowering, mem: MemVal, desc: BitField): Val {
  const { b } = f;
  const word = b.load(desc.bits / 8 as AccessSize, mem.base, mem.offset);
  if (!desc.signed) {
    const down = desc.shift === 0 ? word : b.shr(word, b.const(BigInt(desc.shift)));
    return f.int(b.and(down, b.const((1n << BigInt(desc.width)) - 1n)), intType(desc.width, false));
  }
  const up = b.shl(word, b.const(BigInt(64 - desc.shift - desc.width)));
  return f.int(b.ashr(up, b.const(BigInt(64 - desc.width))), intType(desc.width, true));
}

/** Before Linux 6.4 only registers can be stored to a context, so a constant is loaded from the stack first. */
function storedWord(f: Lowering, to: MemVal, word: Value): Value {
  if (to.memory.space !== "ctx" || word.op !== "const") return word;
  const slot = f.b.slotAddress(f.b.newSlot("constant", 8, 8));
  f.b.store(8, slot, 0, word);
  return f.b.load(8, slot, 0, { volatile: true });
}

function writeBits(f: Lowering, to: MemVal, desc: BitField, value: Value): void {
  const { b } = f;
  const mask = ((1n << BigInt(desc.width)) - 1n) << BigInt(desc.shift);
  const size = desc.bits / 8 as AccessSize;
  const others = b.and(b.load(size, to.base, to.offset), b.const(~mask));
  const bits = b.and(b.shl(value, b.const(BigInt(desc.shift))), b.const(mask));
  b.store(size, to.base, to.offset, b.or(others, bits));
}

/** Packets have no alignment the verifier could rely on, but it allows unaligned loads from them on these machines. */
function loadInt(f: Lowering, mem: MemVal, size: AccessSize, signed: boolean): Value {
  return f.b.load(size, mem.base, mem.offset, { signed });
}

/** `a.field` of a struct in memory, as a place. */
export function memberPlace(mem: MemVal, property: string): MemVal | undefined {
  if (mem.desc.kind !== "struct" && mem.desc.kind !== "union") return undefined;
  const field = mem.desc.fields.find((candidate) => candidate.name === property);
  return field === undefined ? undefined : fieldPlace(mem, field);
}

export function fieldPlace(mem: MemVal, field: LayoutField): MemVal {
  const { layout, offset } = field;
  return { ...mem, desc: layout.desc, size: layout.size, align: layout.align, offset: mem.offset + offset };
}

/** `a[i]` of an array, string or bytes with a constant index; undefined if it is outside. */
export function elementPlace(mem: MemVal, index: bigint): MemVal | undefined {
  const element = elementLayout(mem.desc);
  if (element === undefined || index < 0n || index >= BigInt(element.length)) return undefined;
  return {
    ...mem,
    desc: element.desc,
    size: element.size,
    align: element.align,
    offset: mem.offset + Number(index) * element.size,
  };
}

export function elementLayout(
  desc: LayoutDesc,
): { desc: LayoutDesc; size: number; align: number; length: number } | undefined {
  if (desc.kind === "array") {
    return { desc: desc.element.desc, size: desc.element.size, align: desc.element.align, length: desc.length };
  }
  if (desc.kind === "str") return { desc: { kind: "str", length: 1 }, size: 1, align: 1, length: desc.length };
  if (desc.kind !== "bytes") return undefined;
  return { desc: { kind: "int", bits: 8, signed: false, name: "u8" }, size: 1, align: 1, length: desc.length };
}

/** Gives recipes a place; everything else is returned as it is. */
export function settle(f: Lowering, val: Val): Val {
  if (val.k === "field") {
    if (isCharArray(f, val)) return settle(f, readField(f, val));
    const read = readField(f, val);
    return read.k === "field"
      ? { k: "ptr", type: val.type, prov: val.prov, ir: fieldAddress(f, val) }
      : settle(f, read);
  }
  if (val.k === "object") {
    return { k: "object", fields: new Map([...val.fields].map(([name, field]) => [name, settle(f, field)])) };
  }
  if (val.k === "tuple") return { k: "tuple", elements: val.elements.map((element) => settle(f, element)) };
  if (val.k !== "fill") return val;
  if (val.words === true) {
    const desc = { kind: "array", element: asLayout(WORD), length: DEFAULT_WORDS } as const;
    const place = f.temporary("stack", desc, DEFAULT_WORDS * 8);
    fill(f, place, val, false);
    return place;
  }
  const length = val.length ?? DEFAULT_STRING;
  const place = f.temporary(val.kind, { kind: val.kind, length }, length);
  fill(f, place, val, false);
  return place;
}

/** Makes a settled value one that a cell of `type` can hold. */
export function convert(f: Lowering, val: Val, type: VarType): Val {
  if (type.k === "int" && (val.k === "ptr" || val.k === "bool")) return f.int(f.word(val), type.t);
  if (type.k === "mem" && val.k === "text") {
    const place = f.temporary("text", type.desc, type.size);
    storeText(f, place, val, true);
    return place;
  }
  return val;
}

/** Writes a value to a place. `clean`: the place holds zeros already, or need not. */
export function store(f: Lowering, to: MemVal, val: Val, node: Expr, clean = false): void {
  const { desc } = to;
  switch (desc.kind) {
    case "int":
    case "enum":
      if (isBitField(desc) && (val.k === "bool" || val.k === "int")) return writeBits(f, to, desc, f.word(val));
      if (val.k === "bool" || val.k === "int" || val.k === "ptr") {
        return f.b.store(
          desc.bits / 8 as AccessSize,
          to.base,
          to.offset,
          storedWord(f, to, checkRange(f, val, desc, node)),
        );
      }
      if (val.k === "field") return store(f, to, settle(f, val), node, clean);
      return f.wrong(describeDesc(desc), val, node);
    case "bool":
      if (val.k === "bool") return f.b.store(1, to.base, to.offset, f.word(val));
      if (val.k === "int" && (val.c === 0n || val.c === 1n)) return f.b.store(1, to.base, to.offset, f.word(val));
      return f.wrong("a boolean", val, node);
    case "str":
      return storeString(f, to, val, node, clean);
    case "bytes":
    case "array":
      return storeElements(f, to, val, node, clean);
    case "struct":
    case "union":
      return storeStruct(f, to, val, node, clean);
    default:
      return f.wrong(describeDesc(desc), val, node);
  }
}

/** Constants that do not fit are a mistake; other values are truncated, as documented. */
function checkRange(f: Lowering, val: Val, desc: LayoutDesc & { kind: "int" | "enum" }, node: Expr): Value {
  if (val.k === "int" && val.c !== undefined && desc.bits < 64) {
    const { c } = val;
    if (c !== BigInt.asUintN(desc.bits, c) && c !== BigInt.asIntN(desc.bits, c)) {
      f.report("range", `${c} does not fit ${describeDesc(desc)}`, node);
    }
  }
  return f.word(val);
}

/** A place on the stack (or in scratch memory) with the value in it, all bytes defined. */
export function materialise(f: Lowering, given: Val, layout: Layout<unknown>, name: string, node: Expr): MemVal {
  const val = given.k === "field" ? settle(f, given) : given;
  const own = ownedFields(layout.desc).length > 0 && val.k === "mem" && val.memory.space !== "stack";
  if (
    val.k === "mem" && sameDesc(val.desc, layout.desc) && val.memory.space !== "packet" &&
    val.memory.space !== "ctx" && !own
  ) return val;
  const place = f.temporary(name, layout.desc, layout.size);
  f.b.zero(place.base, place.offset, layout.size);
  store(f, place, val, node, true);
  return place;
}

function storeString(f: Lowering, to: MemVal, given: Val, node: Expr, clean: boolean): void {
  const val = given.k === "field" ? readField(f, given) : given;
  if (val.k === "text") {
    const length = encoder.encode(val.text).length;
    if (length >= to.size) {
      f.report("string-length", `${length} bytes and NUL do not fit ${describeDesc(to.desc)}`, node);
    }
    return storeText(f, to, val, clean);
  }
  if (val.k === "fill" && val.kind === "str") return fill(f, to, val, clean);
  if (val.k === "mem" && val.desc.kind === "str") return copyString(f, to, val);
  f.wrong("a string", val, node);
}

/** Copies as much as fits. A string cut short still ends with NUL. */
function copyString(f: Lowering, to: MemVal, from: MemVal): void {
  const length = Math.min(to.size, from.size);
  f.b.copy(to.base, to.offset, from.base, from.offset, length);
  if (from.size > to.size) f.b.store(1, to.base, to.offset + to.size - 1, f.b.const(0n));
  else f.b.zero(to.base, to.offset + length, to.size - length);
}

/** The text and NULs up to the end, in stores as wide as alignment allows. */
export function storeText(f: Lowering, to: MemVal, { text }: TextVal, clean: boolean): void {
  const bytes = new Uint8Array(to.size);
  const encoded = encoder.encode(text).subarray(0, to.size - 1);
  bytes.set(encoded);
  const end = clean ? Math.min(to.size, encoded.length + 1) : to.size;
  for (let at = 0; at < end;) {
    const size = widest(to.offset + at, to.size - at);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
    f.b.store(size, to.base, to.offset + at, f.b.const(value));
    at += size;
  }
}

/** The widest aligned access at `offset` of at most `room` bytes. */
export function widest(offset: number, room: number): AccessSize {
  for (const size of [8, 4, 2] as const) if (offset % size === 0 && room >= size) return size;
  return 1;
}

/** Lets a helper write a string or bytes. What it leaves undefined is zeroed unless that was done or nobody sees it. */
export function fill(f: Lowering, to: MemVal, val: FillVal, clean: boolean): void {
  const size = val.length === undefined ? to.size : Math.min(to.size, val.length);
  if (!clean && to.memory.space !== "ring" && (val.partial || size < to.size)) f.b.zero(to.base, to.offset, to.size);
  else if (to.memory.space === "ring" && size < to.size) f.b.zero(to.base, to.offset + size, to.size - size);
  f.effect();
  val.write(to.base, to.offset, size);
}

function storeElements(f: Lowering, to: MemVal, given: Val, node: Expr, clean: boolean): void {
  const val = given.k === "field" ? readField(f, given) : given;
  const element = elementLayout(to.desc)!;
  if (val.k === "fill" && (val.words === true ? element.size === 8 : to.desc.kind === "bytes")) {
    return fill(f, to, val, clean);
  }
  if (
    val.k === "mem" &&
    (sameDesc(val.desc, to.desc) || (to.desc.kind === "bytes" && val.desc.kind === "str" && val.size === to.size))
  ) {
    return f.b.copy(to.base, to.offset, val.base, val.offset, to.size);
  }
  if (val.k !== "tuple") return f.wrong(describeDesc(to.desc), val, node);
  if (val.elements.length !== element.length) {
    f.fail("array-length", `this array has ${val.elements.length} elements, ${element.length} are needed`, node);
  }
  const nodes = node.type === "Array" ? node.elements : [];
  val.elements.forEach((item, i) => store(f, elementPlace(to, BigInt(i))!, item, nodes[i] ?? node, clean));
}

function storeStruct(f: Lowering, to: MemVal, val: Val, node: Expr, clean: boolean): void {
  if (to.desc.kind !== "struct" && to.desc.kind !== "union") return;
  if (val.k === "mem" && sameDesc(val.desc, to.desc)) return copyStruct(f, to, val);
  if (val.k !== "object") return f.wrong(describeDesc(to.desc), val, node);
  checkFields(f, to.desc.fields, to.desc.kind, val, node);
  if (!clean) zeroGaps(f, to, val);
  for (const field of to.desc.fields) {
    const item = val.fields.get(field.name);
    if (item !== undefined) store(f, fieldPlace(to, field), item, propertyNode(node, field.name), clean);
  }
}

/** Copies all but what the kernel keeps for itself: programs may not even read that. */
function copyStruct(f: Lowering, to: MemVal, from: MemVal): void {
  const copy = (start: number, end: number): void =>
    f.b.copy(to.base, to.offset + start, from.base, from.offset + start, end - start);
  let start = 0;
  for (const { offset, layout } of to.desc.kind === "struct" ? to.desc.fields : []) {
    if (ownedName(layout.desc) === undefined) continue;
    copy(start, offset);
    start = offset + layout.size;
  }
  copy(start, to.size);
}

export function propertyNode(node: Expr, name: string): Expr {
  return node.type === "Object" ? node.props.find((prop) => prop.key === name)?.value ?? node : node;
}

function checkFields(
  f: Lowering,
  fields: readonly LayoutField[],
  kind: "struct" | "union",
  val: ObjectVal,
  node: Expr,
): void {
  const names = fields.filter((field) => ownedName(field.layout.desc) === undefined).map((field) => field.name);
  for (const name of val.fields.keys()) {
    if (names.includes(name)) continue;
    f.report("unknown-field", `there is no field \`${name}\` here`, propertyNode(node, name), [
      ...didYouMean(name, names),
      `the fields are ${names.join(", ")}`,
    ]);
  }
  if (kind === "union") {
    if (val.fields.size !== 1) f.report("union", "a union takes exactly one member", node);
    return;
  }
  const missing = names.filter((name) => !val.fields.has(name));
  if (missing.length > 0) {
    f.fail(
      "missing-field",
      `${missing.map((name) => `\`${name}\``).join(", ")} ${missing.length === 1 ? "is" : "are"} missing`,
      node,
    );
  }
}

/** Zeroes the bytes of a struct that no field covers. */
function zeroGaps(f: Lowering, to: MemVal, val: ObjectVal): void {
  if (to.desc.kind === "union") return f.b.zero(to.base, to.offset, to.size);
  if (to.desc.kind !== "struct") return;
  let end = 0;
  for (const field of to.desc.fields) {
    if (!val.fields.has(field.name)) continue;
    if (field.offset > end) f.b.zero(to.base, to.offset + end, field.offset - end);
    end = field.offset + field.layout.size;
  }
  if (end < to.size) f.b.zero(to.base, to.offset + end, to.size - end);
}
