/**
 * Codecs of BTF's single values that C has and schemas have not: bit-fields, integers of odd sizes and of 128 bits,
 * enums, char arrays, pointers. Little-endian. What fits a schema's scalar comes from `bytes/scalars.ts`.
 */
import type { Codec } from "../bytes/codec.ts";
import { decodeString } from "../bytes/composites.ts";
import { at, describeValue, type Layout } from "../bytes/layout.ts";
import { bool, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "../bytes/scalars.ts";
import type { BtfEnum, BtfFloat, BtfInt } from "./types.ts";

type AnyCodec = Codec<unknown>;

const UNSIGNED: Readonly<Record<number, AnyCodec>> = { 1: u8, 2: u16, 4: u32, 8: u64 } as Record<number, AnyCodec>;
const SIGNED: Readonly<Record<number, AnyCodec>> = { 1: i8, 2: i16, 4: i32, 8: i64 } as Record<number, AnyCodec>;

/** Integers up to 4 bytes are `number`, larger ones `bigint`; `_Bool` is `boolean`. */
export function intCodec(type: BtfInt): AnyCodec {
  if (type.bool && type.size === 1) return bool as AnyCodec;
  return (type.signed ? SIGNED : UNSIGNED)[type.size] ?? bitsCodec(type.size, 0, type.size * 8, type.signed);
}

/** `float` and `double` are `number`; a long double stays as its bytes. */
export function floatCodec(type: BtfFloat): AnyCodec {
  if (type.size === 4) return f32 as AnyCodec;
  if (type.size === 8) return f64 as AnyCodec;
  return bytesCodec(type.size);
}

/** Addresses are `bigint`; they can be written from a `number` too. */
export const pointerCodec: AnyCodec = u64 as AnyCodec;

/**
 * An integer of `bits` bits from bit `shift` of its first byte on; `size` is the number of bytes it touches. Up to
 * 32 bits it is a `number`, above that a `bigint`. Writing keeps the bits around it.
 */
export function bitsCodec(size: number, shift: number, bits: number, signed: boolean): AnyCodec {
  const read = shift + bits <= 32 ? readSmall(shift, bits, signed) : readLarge(shift, bits, signed);
  return {
    size,
    align: 1,
    read,
    write(view, offset, value, path) {
      const raw = toInteger(value, bits, signed, path);
      const count = (shift + bits + 7) >> 3;
      const mask = ((1n << BigInt(bits)) - 1n) << BigInt(shift);
      const kept = readUnsigned(view, offset, count) & ~mask;
      writeUnsigned(view, offset, count, kept | ((raw << BigInt(shift)) & mask));
    },
  };
}

function readSmall(shift: number, bits: number, signed: boolean): (view: DataView, offset: number) => number {
  const left = 32 - shift - bits;
  const right = 32 - bits;
  const load = LOADS[(shift + bits + 7) >> 3]!;
  if (signed) return (view, offset) => (load(view, offset) << left) >> right;
  return (view, offset) => (load(view, offset) << left) >>> right;
}

/** By number of bytes: never a byte more than the field touches. */
const LOADS: readonly ((view: DataView, offset: number) => number)[] = [
  () => 0,
  (view, offset) => view.getUint8(offset),
  (view, offset) => view.getUint16(offset, true),
  (view, offset) => view.getUint16(offset, true) | (view.getUint8(offset + 2) << 16),
  (view, offset) => view.getUint32(offset, true),
];

function readLarge(shift: number, bits: number, signed: boolean): (view: DataView, offset: number) => number | bigint {
  const count = (shift + bits + 7) >> 3;
  return (view, offset) => {
    const raw = readUnsigned(view, offset, count) >> BigInt(shift);
    const value = signed ? BigInt.asIntN(bits, raw) : BigInt.asUintN(bits, raw);
    return bits <= 32 ? Number(value) : value;
  };
}

function readUnsigned(view: DataView, offset: number, count: number): bigint {
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8(offset + i));
  return value;
}

function writeUnsigned(view: DataView, offset: number, count: number, value: bigint): void {
  for (let i = 0; i < count; i++) view.setUint8(offset + i, Number((value >> BigInt(i * 8)) & 0xffn));
}

function toInteger(value: unknown, bits: number, signed: boolean, path: string | undefined): bigint {
  const name = `${signed ? "signed" : "unsigned"} ${bits}-bit integer`;
  if (typeof value === "boolean" && bits < 8) return value ? 1n : 0n;
  if (typeof value !== "bigint" && typeof value !== "number") {
    throw new TypeError(`Cannot encode ${at(path)}: a ${name} takes a number, not ${describeValue(value)}`);
  }
  if (typeof value === "number" && !Number.isInteger(value)) {
    throw new RangeError(`Cannot encode ${at(path)}: ${value} is not an integer`);
  }
  const big = BigInt(value);
  if (big !== (signed ? BigInt.asIntN(bits, big) : BigInt.asUintN(bits, big))) {
    throw new RangeError(`Cannot encode ${at(path)}: ${big} does not fit a ${name}`);
  }
  return big;
}

/** The value as `boolean`, for bit-fields of `_Bool`. */
export function booleanCodec(raw: AnyCodec): AnyCodec {
  return {
    size: raw.size,
    align: raw.align,
    read: (view, offset) => raw.read(view, offset) !== 0,
    write(view, offset, value, path) {
      if (typeof value !== "boolean") {
        throw new TypeError(`Cannot encode ${at(path)}: bool takes a boolean, not ${describeValue(value)}`);
      }
      raw.write(view, offset, value ? 1 : 0, path);
    },
  };
}

/** Decodes to the name of the value, or to the number where there is none; encodes from either. `raw` holds the bits. */
export function enumCodec(type: BtfEnum, raw: AnyCodec = enumStorage(type)): AnyCodec {
  const names = new Map<unknown, string>();
  const values = new Map<string, bigint>();
  for (const { name, value } of type.values) {
    const key = type.size > 4 ? value : Number(value);
    if (!names.has(key)) names.set(key, name);
    values.set(name, value);
  }
  return {
    size: raw.size,
    align: raw.align,
    read(view, offset) {
      const value = raw.read(view, offset);
      return names.get(value) ?? value;
    },
    write(view, offset, value, path) {
      if (typeof value !== "string") return raw.write(view, offset, value, path);
      const number = values.get(value);
      if (number === undefined) {
        const known = [...values.keys()].slice(0, 8).join(", ");
        throw new RangeError(`Cannot encode ${at(path)}: enum ${type.name} has no "${value}", only ${known}`);
      }
      raw.write(view, offset, type.size > 4 ? number : Number(number), path);
    },
  };
}

function enumStorage(type: BtfEnum): AnyCodec {
  return intCodec({
    kind: "INT",
    name: "",
    size: type.size,
    bits: type.size * 8,
    bitOffset: 0,
    signed: type.signed,
    char: false,
    bool: false,
  });
}

/** `char[length]`: text up to the first NUL. A string to write must leave room for one; bytes may fill all. */
export function charsCodec(length: number): AnyCodec {
  const encoder = new TextEncoder();
  const codec: Layout<unknown> = {
    desc: { kind: "str", length }, // for generated readers
    size: length,
    align: 1,
    read: (view, offset) => decodeString(new Uint8Array(view.buffer, view.byteOffset + offset, length)),
    write(view, offset, value, path) {
      const target = new Uint8Array(view.buffer, view.byteOffset + offset, length);
      if (value instanceof Uint8Array) return writeBytes(target, value, path);
      if (typeof value !== "string") {
        throw new TypeError(`Cannot encode ${at(path)}: char[${length}] takes a string, not ${describeValue(value)}`);
      }
      const text = encoder.encode(value);
      if (text.length >= length && value !== "") {
        throw new RangeError(`Cannot encode ${at(path)}: ${text.length} bytes and NUL do not fit char[${length}]`);
      }
      target.fill(0).set(text);
    },
  };
  return codec;
}

/** `length` bytes as a `Uint8Array`; reading copies them. */
export function bytesCodec(length: number): AnyCodec {
  return {
    size: length,
    align: 1,
    read: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, length).slice(),
    write(view, offset, value, path) {
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(`Cannot encode ${at(path)}: takes a Uint8Array, not ${describeValue(value)}`);
      }
      writeBytes(new Uint8Array(view.buffer, view.byteOffset + offset, length), value, path);
    },
  };
}

function writeBytes(target: Uint8Array, value: Uint8Array, path: string | undefined): void {
  if (value.length !== target.length) {
    throw new RangeError(`Cannot encode ${at(path)}: ${value.length} bytes where ${target.length} are needed`);
  }
  target.set(value);
}
