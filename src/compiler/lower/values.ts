/**
 * What an expression is while it is lowered: known partly now, partly when the program runs. Integers and booleans are
 * IR values or constants; structs, strings and arrays are places in memory; objects, maps, functions and builtins exist
 * only at compile time. Provenance of pointers decides later how they are read.
 */
import type { LayoutDesc } from "../../bytes/layout.ts";
import type { IntType } from "../check/int_types.ts";
import type { MapDefinition } from "../definitions.ts";
import type { Value } from "../ir/ir.ts";
import type { VarType } from "./cells.ts";
import type { Intrinsic } from "./intrinsic.ts";

/** How memory behind an address may be touched. `shared`: other CPUs write it too, so `+=` is atomic. */
export interface Memory {
  readonly space: "stack" | "map" | "ring" | "packet" | "ctx";
  readonly shared: boolean;
  readonly writable: boolean;
  /** Big-endian on the wire: none of the layouts knows, the user writes ntohs. Packets have no alignment. */
  readonly unaligned?: boolean;
}

/** How a kernel pointer is read: `direct` loads (the verifier knows its BTF type) or through a probe helper. */
export type Provenance = "direct" | "kernel" | "user";

export interface IntVal {
  k: "int";
  t: IntType;
  ir: Value | undefined;
  c: bigint | undefined;
}
export interface BoolVal {
  k: "bool";
  ir: Value | undefined;
  c: boolean | undefined;
}
/** A string literal. */
export interface TextVal {
  k: "text";
  text: string;
}
/** A value of a schema in memory the program can touch. */
export interface MemVal {
  k: "mem";
  desc: LayoutDesc;
  size: number;
  align: number;
  base: Value;
  offset: number;
  memory: Memory;
}
/** A pointer to a type of the kernel's BTF; `type` 0 is `void`. */
export interface PtrVal {
  k: "ptr";
  type: number;
  ir: Value;
  prov: Provenance;
}
/** A part of a kernel struct, not read yet. `path` are member and element indices from `root`, `offset` bytes. */
export interface FieldVal {
  k: "field";
  root: Value;
  rootType: number;
  prov: Provenance;
  path: readonly number[];
  type: number;
  offset: number;
  bitOffset: number;
  bitSize: number;
  /** What the user wrote, for messages. */
  name: string;
}
/** Bytes that a helper writes where they are wanted. `length` is undefined where the destination decides. */
export interface FillVal {
  k: "fill";
  kind: "str" | "bytes";
  length: number | undefined;
  /** Writes exactly `size` bytes at most, NUL-terminated for `str`. */
  write: (address: Value, offset: number, size: number) => void;
  /** The helper leaves bytes behind the NUL as they are. */
  partial: boolean;
  /** The bytes are words of 64 bits: they go into an array of `u64`. */
  words?: true;
}
export interface ObjectVal {
  k: "object";
  fields: Map<string, Val>;
}
export interface TupleVal {
  k: "tuple";
  elements: Val[];
}
/** A value or `undefined`. `test` is not zero if it is there; `inner` may be asked for only where it is. */
export interface OptVal {
  k: "opt";
  /** Type of `inner`. */
  of: VarType;
  test: () => Value;
  inner: () => Val;
  /** A scalar in a map that has not been read yet: `load` reads it, and must do so before anything may change it. */
  pending: { load: () => void } | undefined;
}
export interface UndefinedVal {
  k: "undefined";
}
export interface MapVal {
  k: "map";
  name: string;
  def: MapDefinition;
}
export interface MethodVal {
  k: "method";
  receiver: Val;
  name: string;
}
export interface IntrinsicVal {
  k: "intrinsic";
  name: string;
  row: Intrinsic;
}
export interface FunctionVal {
  k: "function";
  name: string;
}
export interface TypeVal {
  k: "type";
  name: string;
  desc: LayoutDesc;
  size: number;
  align: number;
}
/** Things whose members are looked up by name: the scope, `Math`, `kfunc`, `packet`. */
export interface NamespaceVal {
  k: "namespace";
  name: string;
  member: (property: string) => Val | undefined;
  known: () => Iterable<string>;
}
/** The program's context. */
export interface CtxVal {
  k: "ctx";
  ir: Value;
  field: (property: string) => Val | undefined;
  known: () => Iterable<string>;
  what: string;
}
/** `range(a, b)`, only for `for…of`. */
export interface RangeVal {
  k: "range";
  from: IntVal;
  to: IntVal;
}
/** `iterate("task")`, only for `for…of`: a kind of open-coded iterator and what it is made with. */
export interface IterVal {
  k: "iter";
  name: string;
  args: readonly Value[];
}
/** A mistake that has been reported. */
export interface ErrorVal {
  k: "error";
}

export type Val =
  | IntVal
  | BoolVal
  | TextVal
  | MemVal
  | PtrVal
  | FieldVal
  | FillVal
  | ObjectVal
  | TupleVal
  | OptVal
  | UndefinedVal
  | MapVal
  | MethodVal
  | IntrinsicVal
  | FunctionVal
  | TypeVal
  | NamespaceVal
  | CtxVal
  | RangeVal
  | IterVal
  | ErrorVal;

export const UNDEFINED: UndefinedVal = { k: "undefined" };
export const ERROR: ErrorVal = { k: "error" };

/** What a value is, for messages. */
export function describe(val: Val): string {
  switch (val.k) {
    case "int":
      return val.c === undefined ? "an integer" : `the number ${val.c}`;
    case "bool":
      return "a boolean";
    case "text":
      return "a string";
    case "fill":
      return val.kind === "str" ? "a string" : "bytes";
    case "mem":
      return describeDesc(val.desc);
    case "ptr":
      return "a pointer";
    case "field":
      return "a part of a kernel struct";
    case "object":
      return "an object";
    case "tuple":
      return "an array";
    case "opt":
      return "a value that may be undefined";
    case "map":
      return `the map "${val.name}"`;
    case "method":
      return "a method";
    case "intrinsic":
      return `the builtin ${val.name}`;
    case "function":
      return `the function ${val.name}`;
    case "type":
      return `the type ${val.name}`;
    case "namespace":
      return val.name;
    case "ctx":
      return "the context";
    case "range":
      return "a range";
    case "iter":
      return "an iterator";
    case "error":
      return "an error";
    default:
      return "undefined";
  }
}

export function describeDesc(desc: LayoutDesc): string {
  switch (desc.kind) {
    case "int":
      return desc.name;
    case "str":
    case "bytes":
      return `${desc.kind}(${desc.length})`;
    case "float":
      return `f${desc.bits}`;
    case "array":
      return `an array of ${desc.length}`;
    case "enum":
      return `enum ${desc.name}`;
    case "struct":
    case "union":
      return `{ ${desc.fields.map((field) => field.name).join(", ")} }`;
    default:
      return desc.kind;
  }
}
