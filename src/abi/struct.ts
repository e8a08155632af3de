/**
 * C structs of the kernel as tables: field name → byte offset and C type. From one table follow reading, writing, the
 * size and the TypeScript types on both sides. Little-endian, as both supported machines are; fields of a union overlap
 * and are spelt with a dot (`"kprobe_multi.flags"`). The tables are compared with the kernel's BTF and with C by
 * tests/abi.
 */

/** The C type of a field. Pointers are `u64`: that is what `__aligned_u64` makes of them. */
export type CType = "u8" | "u16" | "u32" | "u64" | "s32" | "s64" | `char[${number}]` | `u8[${number}]`;

/** One struct: name → offset in bytes and type. */
export type Fields = Readonly<Record<string, readonly [offset: number, type: CType]>>;

/** What a field is when read: 64-bit integers are `bigint`, `char[n]` is a string that ends at its first zero byte. */
export type FieldValue<T extends CType> = T extends "u64" | "s64" ? bigint
  : T extends `char[${number}]` ? string
  : T extends `u8[${number}]` ? Uint8Array
  : number;

/** What a field may be when written: 64-bit integers also as `number` (addresses, counts). */
export type FieldInput<T extends CType> = T extends "u64" | "s64" ? bigint | number : FieldValue<T>;

/** A whole struct as read. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: FieldValue<F[K][1]> };

/** Values to write; what is left out stays zero. */
export type StructInput<F extends Fields> = { readonly [K in keyof F]?: FieldInput<F[K][1]> | undefined };

/** What a pointer of the struct points to. */
export type Pointee = Uint8Array | string;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes of a field's type. */
export function typeSize(type: CType): number {
  switch (type) {
    case "u8":
      return 1;
    case "u16":
      return 2;
    case "u32":
    case "s32":
      return 4;
    case "u64":
    case "s64":
      return 8;
    default:
      return Number(type.slice(type.indexOf("[") + 1, -1));
  }
}

/** The size of the struct: the end of its last field, rounded up to `align` (that of its widest member by default). */
export function structSize(fields: Fields, align?: number): number {
  let end = 0;
  let widest = 1;
  for (const [offset, type] of Object.values(fields)) {
    end = Math.max(end, offset + typeSize(type));
    if (!type.endsWith("]")) widest = Math.max(widest, typeSize(type));
  }
  const unit = align ?? widest;
  return Math.ceil(end / unit) * unit;
}

/**
 * Writes `values` at `base` of zeroed memory and returns the size in use: the end of the last field that is not zero.
 * A kernel that knows fewer fields accepts a longer attribute only if the rest is zero, and all kernels accept a
 * shorter one, so this is the size to pass. Throws `TypeError` for an unknown field, `RangeError` for a value that
 * does not fit; nothing is written past the struct. With `place`, 64-bit fields also take bytes and text: it puts
 * them where the kernel may read them and returns the address.
 */
export function writeStruct<F extends Fields>(
  view: DataView,
  base: number,
  fields: F,
  values: { readonly [K in keyof F]?: FieldInput<F[K][1]> | Pointee | undefined },
  place?: (pointee: Pointee) => number,
): number {
  let used = 0;
  for (const name in values) {
    let value = values[name] as bigint | number | Pointee | undefined;
    if (value === undefined) continue;
    const field = fields[name];
    if (field === undefined) throw new TypeError(`Cannot write field "${name}": the struct has no such field`);
    const offset = field[0];
    const type = field[1];
    if (place !== undefined && type === "u64" && typeof value !== "number" && typeof value !== "bigint") {
      value = place(value);
    }
    if (writeField(view, base + offset, type, value, name)) used = Math.max(used, offset + typeSize(type));
  }
  return used;
}

/** Reads every field at `base`. The caller has checked that `structSize` bytes are there. */
export function readStruct<F extends Fields>(view: DataView, base: number, fields: F): StructValue<F> {
  const value: Record<string, bigint | number | string | Uint8Array> = {};
  for (const name in fields) {
    const [offset, type] = fields[name]!;
    value[name] = readField(view, base + offset, type);
  }
  return value as StructValue<F>;
}

function readField(view: DataView, at: number, type: CType): bigint | number | string | Uint8Array {
  switch (type) {
    case "u8":
      return view.getUint8(at);
    case "u16":
      return view.getUint16(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "s32":
      return view.getInt32(at, true);
    case "u64":
      return view.getBigUint64(at, true);
    case "s64":
      return view.getBigInt64(at, true);
    default: {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, typeSize(type));
      if (!type.startsWith("char")) return bytes.slice();
      const end = bytes.indexOf(0);
      // slice(): a TextDecoder refuses views of memory that may be shared.
      return decoder.decode(bytes.slice(0, end < 0 ? bytes.length : end));
    }
  }
}

/** Returns whether any byte written is not zero. Every bpf(2) call comes by here: the usual cases come first. */
function writeField(view: DataView, at: number, type: CType, value: bigint | number | Pointee, name: string): boolean {
  if (typeof value !== "number" || value < 0) return writeChecked(view, at, type, value, name);
  if (type === "u32" && value >>> 0 === value) view.setUint32(at, value, true);
  else if (type === "u64" && Number.isSafeInteger(value)) {
    view.setUint32(at, value >>> 0, true);
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  } else return writeChecked(view, at, type, value, name);
  return value !== 0;
}

function writeChecked(
  view: DataView,
  at: number,
  type: CType,
  value: bigint | number | Pointee,
  name: string,
): boolean {
  if (type.endsWith("]")) return writeBytes(view, at, type, value, name);
  if (typeof value === "string" || typeof value === "object") {
    throw new TypeError(`Cannot write field "${name}": ${type} takes a number`);
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`Cannot write field "${name}": ${value} is not an integer that a number holds exactly`);
  }
  const bits = typeSize(type) * 8;
  const low = type.startsWith("s") ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = type.startsWith("s") ? 2n ** BigInt(bits - 1) : 2n ** BigInt(bits);
  if (value < low || value >= high) throw new RangeError(`Cannot write field "${name}": ${value} does not fit ${type}`);
  if (bits === 64) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  else if (bits === 32) view.setUint32(at, Number(value) >>> 0, true);
  else if (bits === 16) view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
  return value !== 0 && value !== 0n;
}

function writeBytes(view: DataView, at: number, type: CType, value: bigint | number | Pointee, name: string): boolean {
  if (typeof value === "number" || typeof value === "bigint") {
    throw new TypeError(
      `Cannot write field "${name}": ${type} takes ${type.startsWith("char") ? "a string" : "bytes"}`,
    );
  }
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  // A char array keeps its terminating zero byte.
  const room = typeSize(type) - (type.startsWith("char") ? 1 : 0);
  if (bytes.length > room) {
    throw new RangeError(`Cannot write field "${name}": ${bytes.length} bytes do not fit ${room}`);
  }
  new Uint8Array(view.buffer, view.byteOffset + at, bytes.length).set(bytes);
  return bytes.some((b) => b !== 0);
}
