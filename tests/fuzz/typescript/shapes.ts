/**
 * What random programs may use: globals of every type, maps of the kinds whose contents can be foretold, a ring buffer;
 * each with its shape. The reference keeps values as plain JavaScript (integers are `bigint`); shapes say how they are
 * truncated and how they lie in memory.
 */
import { array, str } from "../../../src/bytes/composites.ts";
import { type Layout, type Schema } from "../../../src/bytes/layout.ts";
import { toLayout } from "../../../src/bytes/composites.ts";
import { bool, i16, i32, i64, i8, u16, u32, u64, u8 } from "../../../src/bytes/scalars.ts";
import type { GlobalDefinition, MapKind } from "../../../src/compiler/definitions.ts";

export interface IntShape {
  readonly k: "int";
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}
export type Shape =
  | IntShape
  | { readonly k: "bool" }
  | { readonly k: "str"; readonly length: number }
  | { readonly k: "array"; readonly of: IntShape; readonly length: number }
  | { readonly k: "struct"; readonly fields: Readonly<Record<string, Shape>> };

/** A value in the reference. */
export type Value = bigint | boolean | string | Value[] | { [field: string]: Value };

const int = (bits: IntShape["bits"], signed: boolean): IntShape => ({ k: "int", bits, signed });
export const INTS = {
  u8: int(8, false),
  u16: int(16, false),
  u32: int(32, false),
  u64: int(64, false),
  i8: int(8, true),
  i16: int(16, true),
  i32: int(32, true),
  i64: int(64, true),
} as const satisfies Record<string, IntShape>;
const SCALARS = { u8, u16, u32, u64, i8, i16, i32, i64 } as const;

export function intName({ bits, signed }: IntShape): keyof typeof INTS {
  return `${signed ? "i" : "u"}${bits}`;
}

const text = (length: number): Shape => ({ k: "str", length });
const struct = (fields: Record<string, Shape>): Shape & { k: "struct" } => ({ k: "struct", fields });
const BOOL: Shape = { k: "bool" };

const POINT = struct({ x: INTS.i32, y: INTS.u64, inner: struct({ p: INTS.u8, q: INTS.i16 }), on: BOOL });

export interface GlobalShape {
  readonly shape: Shape;
  readonly initial?: bigint;
  readonly constant?: boolean;
}

export const GLOBALS: Readonly<Record<string, GlobalShape>> = {
  gu64: { shape: INTS.u64 },
  gi64: { shape: INTS.i64, initial: -7n },
  gu32: { shape: INTS.u32 },
  gi32: { shape: INTS.i32, initial: -1n },
  gu16: { shape: INTS.u16, initial: 65535n },
  gi16: { shape: INTS.i16 },
  gu8: { shape: INTS.u8 },
  gi8: { shape: INTS.i8, initial: -128n },
  flag: { shape: BOOL },
  name: { shape: text(16) },
  title: { shape: text(24) },
  even: { shape: { k: "array", of: INTS.u32, length: 8 } },
  odd: { shape: { k: "array", of: INTS.i16, length: 5 } },
  point: { shape: POINT },
  limit: { shape: INTS.u32, initial: 5n, constant: true },
};

export interface MapShape {
  readonly kind: MapKind;
  readonly key: Shape | undefined;
  readonly value: Shape;
  readonly entries: number;
}

const ENTRY = struct({
  n: INTS.u64,
  s: INTS.i16,
  label: text(8),
  inner: struct({ p: INTS.u8, q: INTS.i32 }),
  on: BOOL,
});

export const MAPS: Readonly<Record<string, MapShape>> = {
  counts: { kind: "hash", key: INTS.u32, value: INTS.u64, entries: 64 },
  levels: { kind: "hash", key: INTS.i64, value: INTS.i32, entries: 64 },
  bytes: { kind: "lru_hash", key: INTS.u16, value: INTS.u8, entries: 64 },
  local: { kind: "percpu_hash", key: INTS.u32, value: INTS.i64, entries: 64 },
  entries: { kind: "hash", key: struct({ a: INTS.u32, b: INTS.u8, c: INTS.i64 }), value: ENTRY, entries: 32 },
  table: { kind: "array", key: INTS.u32, value: INTS.u64, entries: 4 },
  slots: { kind: "percpu_array", key: INTS.u32, value: struct({ n: INTS.u64, m: INTS.i32 }), entries: 3 },
  fifo: { kind: "queue", key: undefined, value: INTS.u64, entries: 8 },
  lifo: { kind: "stack", key: undefined, value: INTS.i32, entries: 8 },
  ring: {
    kind: "ringbuf",
    key: undefined,
    value: struct({ a: INTS.u8, b: INTS.i64, on: BOOL, label: text(12), at: struct({ x: INTS.u16, y: INTS.i32 }) }),
    entries: 65536,
  },
};

/** The same as a schema of waggle. */
export function schemaOf(shape: Shape): Schema {
  switch (shape.k) {
    case "int":
      return SCALARS[intName(shape)] as unknown as Layout<unknown>;
    case "bool":
      return bool as unknown as Layout<unknown>;
    case "str":
      return str(shape.length) as unknown as Layout<unknown>;
    case "array":
      return array(schemaOf(shape.of), shape.length) as unknown as Layout<unknown>;
    default:
      return Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, schemaOf(field)]));
  }
}

export function layoutOf(shape: Shape): Layout<unknown> {
  return toLayout(schemaOf(shape)) as Layout<unknown>;
}

/** A copy as the memory would hold it. */
export function truncate(shape: Shape, value: Value): Value {
  switch (shape.k) {
    case "int": {
      const word = typeof value === "boolean" ? BigInt(value) : value as bigint;
      return shape.signed ? BigInt.asIntN(shape.bits, word) : BigInt.asUintN(shape.bits, word);
    }
    case "bool":
      return Boolean(value);
    case "str":
      return (value as string).slice(0, shape.length - 1);
    case "array":
      return (value as Value[]).map((item) => truncate(shape.of, item));
    default:
      return Object.fromEntries(
        Object.entries(shape.fields).map((
          [name, field],
        ) => [name, truncate(field, (value as { [f: string]: Value })[name]!)]),
      );
  }
}

export function zeroOf(shape: Shape): Value {
  switch (shape.k) {
    case "int":
      return 0n;
    case "bool":
      return false;
    case "str":
      return "";
    case "array":
      return Array.from({ length: shape.length }, () => 0n);
    default:
      return Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, zeroOf(field)]));
  }
}

/** The bytes of a value in memory. */
export function encode(shape: Shape, value: Value): Uint8Array {
  const layout = layoutOf(shape);
  const bytes = new Uint8Array(layout.size);
  layout.write(new DataView(bytes.buffer), 0, toHost(shape, value));
  return bytes;
}

/** Integers of up to 32 bits are numbers for a layout. */
function toHost(shape: Shape, value: Value): unknown {
  if (shape.k === "int") return shape.bits < 64 ? Number(value) : value;
  if (shape.k === "array") return (value as Value[]).map((item) => toHost(shape.of, item));
  if (shape.k !== "struct") return value;
  return Object.fromEntries(
    Object.entries(shape.fields).map((
      [name, field],
    ) => [name, toHost(field, (value as { [f: string]: Value })[name]!)]),
  );
}

export function globalDefinition({ shape, initial, constant }: GlobalShape): GlobalDefinition {
  const host = initial === undefined ? undefined : toHost(shape, initial);
  return { layout: layoutOf(shape), initial: host, constant: constant ?? false };
}
