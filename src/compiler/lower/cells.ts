/**
 * Cells: where a value that may be set on several paths is kept (variables, results of `? :`). A cell has a type, joined
 * from everything that is written to it, and one SSA local for each machine word of it. When a type turns out wider than
 * it was taken for, the function is lowered again with what is known now.
 */
import type { LayoutDesc } from "../../bytes/layout.ts";
import { type IntType, intType, joinTypes } from "../check/int_types.ts";
import type { Local } from "../ir/builder.ts";
import type { Value } from "../ir/ir.ts";
import type { Lowering } from "./lowering.ts";
import { type Memory, type MemVal, type Provenance, UNDEFINED, type Val } from "./values.ts";

export type VarType =
  | { k: "int"; t: IntType }
  | { k: "bool" }
  | { k: "ptr"; type: number; prov: Provenance }
  | { k: "mem"; desc: LayoutDesc; size: number; align: number; memory: Memory }
  | { k: "object"; fields: Map<string, VarType> }
  | { k: "tuple"; elements: VarType[] }
  | { k: "opt"; of: VarType }
  | { k: "undefined" }
  /** Known at compile time; only equal ones join. */
  | { k: "static"; val: Val };

/** Types of values that cells can hold; call `settle` on the value first. */
export function typeOfVal(val: Val): VarType {
  switch (val.k) {
    case "int":
      return { k: "int", t: val.t };
    case "bool":
      return { k: "bool" };
    case "ptr":
      return { k: "ptr", type: val.type, prov: val.prov };
    case "mem":
      return { k: "mem", desc: val.desc, size: val.size, align: val.align, memory: val.memory };
    case "object":
      return { k: "object", fields: new Map([...val.fields].map(([name, field]) => [name, typeOfVal(field)])) };
    case "tuple":
      return { k: "tuple", elements: val.elements.map((element) => typeOfVal(element)) };
    case "opt":
      return { k: "opt", of: val.of };
    case "undefined":
      return { k: "undefined" };
    default:
      return { k: "static", val };
  }
}

/** The type that holds both; a string says why there is none. */
export function joinVarTypes(a: VarType, b: VarType): VarType | string {
  if (a.k === "undefined") return b.k === "undefined" || b.k === "opt" ? b : { k: "opt", of: b };
  if (b.k === "undefined") return a.k === "opt" ? a : { k: "opt", of: a };
  if (a.k === "opt" || b.k === "opt") {
    const inner = joinVarTypes(a.k === "opt" ? a.of : a, b.k === "opt" ? b.of : b);
    return typeof inner === "string" ? inner : { k: "opt", of: inner };
  }
  if (a.k === "static" && a.val.k === "error") return b;
  if (b.k === "static" && b.val.k === "error") return a;
  switch (a.k) {
    case "int":
      if (b.k === "int") return joinInts(a.t, b.t);
      if (b.k === "ptr") return { k: "int", t: intType(64, false) };
      if (b.k === "bool") return a;
      break;
    case "bool":
      if (b.k === "bool" || b.k === "int") return b;
      break;
    case "ptr":
      if (b.k === "ptr") return joinPointers(a, b);
      if (b.k === "int") return { k: "int", t: intType(64, false) };
      break;
    case "mem":
      if (b.k === "mem" && sameDesc(a.desc, b.desc)) return { ...a, memory: joinMemory(a.memory, b.memory) };
      break;
    case "object":
      if (b.k === "object") return joinFields(a.fields, b.fields);
      break;
    case "tuple":
      if (b.k === "tuple" && a.elements.length === b.elements.length) return joinElements(a.elements, b.elements);
      break;
    default:
      if (b.k === "static" && sameStatic(a.val, b.val)) return a;
  }
  return "one is of another type than the other";
}

function joinInts(a: IntType, b: IntType): VarType | string {
  const joined = joinTypes(a, b);
  return joined === undefined
    ? "one is signed and the other unsigned: write i64(…) or u64(…) around one of them"
    : { k: "int", t: joined };
}

function joinPointers(a: VarType & { k: "ptr" }, b: VarType & { k: "ptr" }): VarType | string {
  if (a.prov === "user" !== (b.prov === "user")) return "one points to user memory, the other to kernel memory";
  const type = a.type === b.type ? a.type : 0;
  // A pointer that is direct on one path only is read through the helper on both.
  return {
    k: "ptr",
    type,
    prov: a.prov === b.prov && type === a.type ? a.prov : a.prov === "user" ? "user" : "kernel",
  };
}

function joinFields(a: Map<string, VarType>, b: Map<string, VarType>): VarType | string {
  if (a.size !== b.size || ![...a.keys()].every((name) => b.has(name))) return "the objects have different fields";
  const fields = new Map<string, VarType>();
  for (const [name, type] of a) {
    const joined = joinVarTypes(type, b.get(name)!);
    if (typeof joined === "string") return `of field "${name}", ${joined}`;
    fields.set(name, joined);
  }
  return { k: "object", fields };
}

function joinElements(a: VarType[], b: VarType[]): VarType | string {
  const elements: VarType[] = [];
  for (const [i, type] of a.entries()) {
    const joined = joinVarTypes(type, b[i]!);
    if (typeof joined === "string") return `of element ${i}, ${joined}`;
    elements.push(joined);
  }
  return { k: "tuple", elements };
}

function joinMemory(a: Memory, b: Memory): Memory {
  return {
    space: a.space === b.space ? a.space : "map",
    shared: a.shared || b.shared,
    writable: a.writable && b.writable,
  };
}

/** Whether two layouts are the same in memory; names of structs do not matter, names of fields do. */
export function sameDesc(a: LayoutDesc, b: LayoutDesc): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if ((a.kind === "str" || a.kind === "bytes") && (b.kind === "str" || b.kind === "bytes")) {
    return a.length === b.length;
  }
  if (a.kind === "int" && b.kind === "int") return a.bits === b.bits && a.signed === b.signed;
  if (a.kind === "array" && b.kind === "array") {
    return a.length === b.length && sameDesc(a.element.desc, b.element.desc);
  }
  if ((a.kind === "struct" || a.kind === "union") && (b.kind === "struct" || b.kind === "union")) {
    return a.fields.length === b.fields.length &&
      a.fields.every((field, i) =>
        field.name === b.fields[i]!.name && field.offset === b.fields[i]!.offset &&
        sameDesc(field.layout.desc, b.fields[i]!.layout.desc)
      );
  }
  return a.kind === "bool" || (a.kind === "float" && b.kind === "float" && a.bits === b.bits) ||
    (a.kind === "enum" && b.kind === "enum" && a.bits === b.bits);
}

function sameStatic(a: Val, b: Val): boolean {
  if (a === b) return true;
  if (a.k === "text" && b.k === "text") return a.text === b.text;
  if (a.k === "map" && b.k === "map") return a.name === b.name;
  if (a.k === "function" && b.k === "function") return a.name === b.name;
  return a.k === "intrinsic" && b.k === "intrinsic" && a.name === b.name;
}

/** A text that should describe the type for a key of an instance: equal text, equal code. */
export function typeKey(type: VarType): string {
  return JSON.stringify(type, (_key, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    if (value instanceof Map) return [...value];
    if (typeof value === "function") return undefined;
    return value;
  });
}

/** A place for values of one type. */
export class Cell {
  readonly type: VarType;
  readonly #f: Lowering;
  readonly #locals: Local[] = [];
  readonly #inner: Cell[] = [];

  constructor(f: Lowering, name: string, type: VarType) {
    this.#f = f;
    this.type = type;
    const local = (suffix: string): void => void this.#locals.push(f.b.newLocal(name + suffix));
    switch (type.k) {
      case "opt":
        // A place in memory is its own flag: its address is 0 when it is not there.
        if (type.of.k !== "mem") local("?");
        this.#inner.push(new Cell(f, name, type.of));
        break;
      case "object":
        for (const [field, inner] of type.fields) this.#inner.push(new Cell(f, `${name}.${field}`, inner));
        break;
      case "tuple":
        type.elements.forEach((inner, i) => this.#inner.push(new Cell(f, `${name}[${i}]`, inner)));
        break;
      case "undefined":
      case "static":
        break;
      default:
        local("");
    }
  }

  /** Machine words of the value. */
  get words(): number {
    return this.#inner.reduce((sum, cell) => sum + cell.words, this.#locals.length);
  }

  /** Stores the words to memory, from `offset` on. */
  save(base: Value, offset: number): void {
    const { b } = this.#f;
    this.#locals.forEach((local, i) => b.store(8, base, offset + i * 8, b.getLocal(local)));
    let at = offset + this.#locals.length * 8;
    for (const cell of this.#inner) {
      cell.save(base, at);
      at += cell.words * 8;
    }
  }

  /** Loads the words back. */
  restore(base: Value, offset: number): void {
    const { b } = this.#f;
    this.#locals.forEach((local, i) => b.setLocal(local, b.load(8, base, offset + i * 8)));
    let at = offset + this.#locals.length * 8;
    for (const cell of this.#inner) {
      cell.restore(base, at);
      at += cell.words * 8;
    }
  }

  /** Replaces every integer in it by what `map` makes of it. */
  mapInts(map: (word: Value) => Value): void {
    const { b } = this.#f;
    if (this.type.k === "int") this.setWord(map(b.getLocal(this.#locals[0]!)));
    for (const cell of this.#inner) cell.mapInts(map);
  }

  /** Writes the one word that the value is in a register. */
  setWord(word: Value): void {
    this.#f.b.setLocal(this.#locals[0]!, word);
  }

  /** Writes a settled value whose type joins into the cell's. */
  write(val: Val): void {
    const { type } = this;
    const f = this.#f;
    const local = this.#locals[0]!;
    switch (type.k) {
      case "opt":
        return this.#writeOptional(val);
      case "int":
      case "ptr":
      case "bool":
        return f.b.setLocal(local, f.word(val));
      case "mem":
        return f.b.setLocal(local, f.address(val as MemVal));
      case "object":
        [...type.fields.keys()].forEach((name, i) =>
          this.#inner[i]!.write((val as Val & { k: "object" }).fields.get(name)!)
        );
        return;
      case "tuple":
        return (val as Val & { k: "tuple" }).elements.forEach((element, i) => this.#inner[i]!.write(element));
      default:
    }
  }

  #writeOptional(val: Val): void {
    const { b } = this.#f;
    const inner = this.#inner[0]!;
    const flag = this.#locals[0] ?? inner.#locals[0]!;
    const separate = this.#locals.length > 0;
    if (val.k === "undefined") return b.setLocal(flag, b.const(0n));
    if (val.k !== "opt") {
      if (separate) b.setLocal(flag, b.const(1n));
      return inner.write(this.#f.convert(val, inner.type));
    }
    this.#f.flush(val);
    const test = val.test();
    const [there, join] = [b.newBlock(), b.newBlock()];
    b.setLocal(flag, separate ? b.compare("ne", test, b.const(0n)) : b.const(0n));
    b.branchIf("ne", test, b.const(0n), there, join);
    b.seal(there);
    b.setBlock(there);
    val.pending?.load();
    val.pending = undefined;
    inner.write(this.#f.convert(this.#f.settle(val.inner()), inner.type));
    b.jump(join);
    b.seal(join);
    b.setBlock(join);
  }

  /** The value now. */
  read(): Val {
    const { type } = this;
    const f = this.#f;
    const word = (): Value => f.b.getLocal(this.#locals[0]!);
    switch (type.k) {
      case "int":
        return { k: "int", t: type.t, ir: word(), c: undefined };
      case "bool":
        return { k: "bool", ir: word(), c: undefined };
      case "ptr":
        return { k: "ptr", type: type.type, prov: type.prov, ir: word() };
      case "mem":
        return {
          k: "mem",
          desc: type.desc,
          size: type.size,
          align: type.align,
          base: word(),
          offset: 0,
          memory: type.memory,
        };
      case "object":
        return {
          k: "object",
          fields: new Map([...type.fields.keys()].map((name, i) => [name, this.#inner[i]!.read()])),
        };
      case "tuple":
        return { k: "tuple", elements: this.#inner.map((inner) => inner.read()) };
      case "opt": {
        const flag = this.#locals[0] ?? this.#inner[0]!.#locals[0]!;
        const test = f.b.getLocal(flag);
        return { k: "opt", of: type.of, test: () => test, inner: () => this.#inner[0]!.read(), pending: undefined };
      }
      case "undefined":
        return UNDEFINED;
      default:
        return type.val;
    }
  }

  /** The value if it is known not to be `undefined` here. */
  readPresent(): Val {
    return this.type.k === "opt" ? this.#inner[0]!.read() : this.read();
  }

  /** The cell of one field of an object. */
  field(name: string): Cell | undefined {
    if (this.type.k !== "object") return undefined;
    const index = [...this.type.fields.keys()].indexOf(name);
    return index < 0 ? undefined : this.#inner[index];
  }
}
