/** Layouts of single numbers: integers, booleans, floats, enums. 64-bit integers are `bigint` in the script. */
import { at, describeValue, type Layout } from "./layout.ts";

type Bits = 8 | 16 | 32 | 64;

const NUMBERS = {
  u8: { bits: 8, signed: false, min: 0, max: 0xff, get: "getUint8", set: "setUint8" },
  u16: { bits: 16, signed: false, min: 0, max: 0xffff, get: "getUint16", set: "setUint16" },
  u32: { bits: 32, signed: false, min: 0, max: 0xffff_ffff, get: "getUint32", set: "setUint32" },
  i8: { bits: 8, signed: true, min: -0x80, max: 0x7f, get: "getInt8", set: "setInt8" },
  i16: { bits: 16, signed: true, min: -0x8000, max: 0x7fff, get: "getInt16", set: "setInt16" },
  i32: { bits: 32, signed: true, min: -0x8000_0000, max: 0x7fff_ffff, get: "getInt32", set: "setInt32" },
} as const;

/** Throws unless `value` is an integer from `min` to `max`. */
function checkInteger(value: unknown, min: number, max: number, name: string, path: string | undefined): void {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot encode ${at(path)}: ${name} takes a number, not ${describeValue(value)}`);
  }
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`Cannot encode ${at(path)}: ${value} does not fit ${name} (${min} to ${max})`);
  }
}

function numberLayout(name: keyof typeof NUMBERS): Layout<number, number> {
  const { bits, signed, min, max, get, set } = NUMBERS[name];
  // One closure per accessor name keeps the call sites in hot decoders monomorphic.
  const read = readers[get];
  return {
    desc: { kind: "int", bits: bits as Bits, signed, name },
    size: bits / 8,
    align: bits / 8,
    read,
    write(view, offset, value, path) {
      checkInteger(value, min, max, name, path);
      view[set](offset, value, true);
    },
  };
}

const readers = {
  getUint8: (view: DataView, offset: number): number => view.getUint8(offset),
  getUint16: (view: DataView, offset: number): number => view.getUint16(offset, true),
  getUint32: (view: DataView, offset: number): number => view.getUint32(offset, true),
  getInt8: (view: DataView, offset: number): number => view.getInt8(offset),
  getInt16: (view: DataView, offset: number): number => view.getInt16(offset, true),
  getInt32: (view: DataView, offset: number): number => view.getInt32(offset, true),
} as const;

/** A 64-bit integer from a `bigint` or an integral `number`, range-checked. */
function toInteger64(value: unknown, signed: boolean, path: string | undefined): bigint {
  const name = signed ? "i64" : "u64";
  if (typeof value === "number" && !Number.isInteger(value)) {
    throw new RangeError(`Cannot encode ${at(path)}: ${value} is not an integer`);
  }
  if (typeof value !== "bigint" && typeof value !== "number") {
    throw new TypeError(`Cannot encode ${at(path)}: ${name} takes a bigint, not ${describeValue(value)}`);
  }
  const big = BigInt(value);
  if (big !== (signed ? BigInt.asIntN(64, big) : BigInt.asUintN(64, big))) {
    throw new RangeError(`Cannot encode ${at(path)}: ${big} does not fit ${name}`);
  }
  return big;
}

function bigLayout(signed: boolean): Layout<bigint, number> {
  const [min, max] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  return {
    desc: { kind: "int", bits: 64, signed, name: signed ? "i64" : "u64" },
    size: 8,
    align: 8,
    read: signed ? (view, offset) => view.getBigInt64(offset, true) : (view, offset) => view.getBigUint64(offset, true),
    write(view, offset, value, path) {
      // Compared, not truncated to see whether it changes: each new BigInt is an allocation.
      const fits = typeof value === "bigint" && value >= min && value <= max;
      view.setBigInt64(offset, fits ? value : toInteger64(value, signed, path), true);
    },
  };
}

function floatLayout(bits: 32 | 64): Layout<number, never> {
  return {
    desc: { kind: "float", bits },
    size: bits / 8,
    align: bits / 8,
    read: bits === 32
      ? (view, offset) => view.getFloat32(offset, true)
      : (view, offset) => view.getFloat64(offset, true),
    write(view, offset, value, path) {
      if (typeof value !== "number") {
        throw new TypeError(`Cannot encode ${at(path)}: f${bits} takes a number, not ${describeValue(value)}`);
      }
      if (bits === 32) view.setFloat32(offset, value, true);
      else view.setFloat64(offset, value, true);
    },
  };
}

/** Unsigned 8-bit integer. */
export const u8: Layout<number, number> = numberLayout("u8");
/** Unsigned 16-bit integer. */
export const u16: Layout<number, number> = numberLayout("u16");
/** Unsigned 32-bit integer. */
export const u32: Layout<number, number> = numberLayout("u32");
/** Unsigned 64-bit integer: `bigint` in the script, `number` in a kernel function. */
export const u64: Layout<bigint, number> = bigLayout(false);
/** Signed 8-bit integer. */
export const i8: Layout<number, number> = numberLayout("i8");
/** Signed 16-bit integer. */
export const i16: Layout<number, number> = numberLayout("i16");
/** Signed 32-bit integer. */
export const i32: Layout<number, number> = numberLayout("i32");
/** Signed 64-bit integer: `bigint` in the script, `number` in a kernel function. */
export const i64: Layout<bigint, number> = bigLayout(true);
/** 32-bit float. Kernel functions can move it but not compute with it. */
export const f32: Layout<number, never> = floatLayout(32);
/** 64-bit float. Kernel functions can move it but not compute with it. */
export const f64: Layout<number, never> = floatLayout(64);

/** C's `_Bool`: one byte, 0 or 1. */
export const bool: Layout<boolean, boolean> = {
  desc: { kind: "bool" },
  size: 1,
  align: 1,
  read: (view, offset) => view.getUint8(offset) !== 0,
  write(view, offset, value, path) {
    if (typeof value !== "boolean") {
      throw new TypeError(`Cannot encode ${at(path)}: bool takes a boolean, not ${describeValue(value)}`);
    }
    view.setUint8(offset, value ? 1 : 0);
  },
};

/**
 * A named set of constants, 32 bits wide, or 64 where a value needs it. Decodes to the name, or to the number where
 * no name fits; encodes from either.
 *
 * @example
 * ```ts
 * import { enumeration } from "@waggle/waggle";
 *
 * const verdict = enumeration("verdict", { DROP: 1, PASS: 2 });
 * ```
 */
export function enumeration<const V extends Readonly<Record<string, number | bigint>>>(
  name: string,
  values: V,
): Layout<(keyof V & string) | number | bigint, number> {
  const entries = Object.entries(values).map(([key, value]) => [key, BigInt(value)] as const);
  const signed = entries.some(([, value]) => value < 0n);
  const wide = entries.some(([, value]) => value !== (signed ? BigInt.asIntN(32, value) : BigInt.asUintN(32, value)));
  const raw: Layout<number | bigint, number> = wide ? (signed ? i64 : u64) : (signed ? i32 : u32);
  const names = new Map(entries.map(([key, value]) => [value, key as keyof V & string]));
  return {
    desc: { kind: "enum", name, bits: wide ? 64 : 32, signed, values: entries },
    size: raw.size,
    align: raw.align,
    read(view, offset) {
      const value = raw.read(view, offset);
      return names.get(BigInt(value)) ?? value;
    },
    write(view, offset, value, path) {
      raw.write(view, offset, typeof value === "string" ? named(values, value, name, path) : value, path);
    },
  };
}

function named(
  values: Readonly<Record<string, number | bigint>>,
  key: string,
  name: string,
  path: string | undefined,
): number | bigint {
  const value = Object.hasOwn(values, key) ? values[key] : undefined;
  if (value !== undefined) return value;
  throw new RangeError(
    `Cannot encode ${at(path)}: enum ${name} has no "${key}", only ${Object.keys(values).join(", ")}`,
  );
}
