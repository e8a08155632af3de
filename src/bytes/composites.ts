/** Layouts made of others: strings, byte arrays, arrays, structs, unions. C's rules of size and alignment. */
import { type KernelOwned, ownedName } from "./kernel_owned.ts";
import {
  at,
  describeValue,
  type Host,
  isLayout,
  type Kernel,
  type Layout,
  type LayoutField,
  type Schema,
} from "./layout.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Throws unless `value` is a whole number of at least 1. */
function checkLength(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`Cannot make ${what}: length ${value} is not a positive integer`);
  }
}

/** The bytes of `length` at `offset` of the view. */
function bytesAt(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length);
}

/**
 * A string in `length` bytes, ended by NUL: at most `length - 1` bytes of UTF-8. Decoding stops at the first NUL.
 *
 * @example
 * ```ts
 * import { str } from "@waggle/waggle";
 *
 * const comm = str(16);
 * ```
 */
export function str(length: number): Layout<string, string> {
  checkLength("str", length);
  return {
    desc: { kind: "str", length },
    size: length,
    align: 1,
    read: (view, offset) => decodeString(bytesAt(view, offset, length)),
    write(view, offset, value, path) {
      if (typeof value !== "string") {
        throw new TypeError(`Cannot encode ${at(path)}: str takes a string, not ${describeValue(value)}`);
      }
      const text = encoder.encode(value);
      if (text.length >= length) {
        throw new RangeError(`Cannot encode ${at(path)}: ${text.length} bytes and NUL do not fit str(${length})`);
      }
      bytesAt(view, offset, length).fill(0).set(text);
    },
  };
}

/** Text up to the first NUL. Short ASCII is built by hand: TextDecoder costs about 150 ns a call on both runtimes. */
export function decodeString(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0) return text;
    if (byte >= 0x80 || i >= 32) return decodeLong(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

function decodeLong(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** `length` bytes as a `Uint8Array`; decoding copies them. */
export function bytes(length: number): Layout<Uint8Array, Uint8Array> {
  checkLength("bytes", length);
  return {
    desc: { kind: "bytes", length },
    size: length,
    align: 1,
    read: (view, offset) => bytesAt(view, offset, length).slice(),
    write(view, offset, value, path) {
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(`Cannot encode ${at(path)}: bytes takes a Uint8Array, not ${describeValue(value)}`);
      }
      if (value.length !== length) {
        throw new RangeError(`Cannot encode ${at(path)}: ${value.length} bytes where ${length} are needed`);
      }
      bytesAt(view, offset, length).set(value);
    },
  };
}

/** `length` elements of one schema. */
export function array<const S extends Schema>(element: S, length: number): Layout<Host<S>[], Kernel<S>[]> {
  checkLength("array", length);
  const layout = toLayout(element);
  const stride = layout.size;
  return {
    desc: { kind: "array", element: layout as Layout<unknown>, length },
    size: stride * length,
    align: layout.align,
    read(view, offset) {
      const values = new Array<Host<S>>(length);
      for (let i = 0; i < length; i++) values[i] = layout.read(view, offset + i * stride);
      return values;
    },
    write(view, offset, value, path) {
      if (!Array.isArray(value) || value.length !== length) {
        throw new TypeError(`Cannot encode ${at(path)}: takes an array of ${length}, not ${describeValue(value)}`);
      }
      value.forEach((item, i) => layout.write(view, offset + i * stride, item, `${at(path)}[${i}]`));
    },
  };
}

/** The struct of a schema on both sides, without the fields that the kernel keeps for itself. */
type StructHost<S> = { -readonly [F in keyof S as S[F] extends KernelOwned ? never : F]: Host<S[F]> };
type StructKernel<S> = { -readonly [F in keyof S as S[F] extends KernelOwned ? never : F]: Kernel<S[F]> };

/**
 * A C struct: fields in order, each at its alignment, padding zeroed. A plain object of schemas means the same;
 * `struct` is for those who want to name it.
 *
 * @example
 * ```ts
 * import { str, struct, u32 } from "@waggle/waggle";
 *
 * const event = struct({ pid: u32, comm: str(16) }, "event");
 * ```
 */
export function struct<const S extends { readonly [field: string]: Schema }>(
  schema: S,
  name?: string,
): Layout<StructHost<S>, StructKernel<S>> {
  const { fields: all, size, align } = placeFields(schema, name, "struct");
  const fields = all.filter((field) => ownedName(field.layout.desc) === undefined);
  type Value = StructHost<S>;
  return {
    desc: { kind: "struct", name, fields: all },
    size,
    align,
    read(view, offset) {
      const value: Record<string, unknown> = {};
      for (const field of fields) value[field.name] = field.layout.read(view, offset + field.offset);
      return value as Value;
    },
    write(view, offset, value, path) {
      const record = checkRecord(value, fields, path);
      bytesAt(view, offset, size).fill(0);
      for (const field of fields) {
        const inner = path === undefined ? field.name : `${path}.${field.name}`;
        if (record[field.name] === undefined) throw new TypeError(`Cannot encode ${inner}: it is missing`);
        field.layout.write(view, offset + field.offset, record[field.name], inner);
      }
    },
  };
}

/** A C union. Decodes every member, encodes exactly one. */
export function union<const S extends { readonly [field: string]: Schema }>(
  schema: S,
  name?: string,
): Layout<{ -readonly [F in keyof S]?: Host<S[F]> }, { -readonly [F in keyof S]: Kernel<S[F]> }> {
  const { fields, size, align } = placeFields(schema, name, "union");
  type Value = { -readonly [F in keyof S]?: Host<S[F]> };
  return {
    desc: { kind: "union", name, fields },
    size,
    align,
    read(view, offset) {
      const value: Record<string, unknown> = {};
      for (const field of fields) value[field.name] = field.layout.read(view, offset);
      return value as Value;
    },
    write(view, offset, value, path) {
      const record = checkRecord(value, fields, path);
      const given = fields.filter((field) => record[field.name] !== undefined);
      const member = given[0];
      if (member === undefined || given.length > 1) {
        throw new TypeError(`Cannot encode ${at(path)}: a union takes one member, not ${given.length}`);
      }
      bytesAt(view, offset, size).fill(0);
      member.layout.write(view, offset, record[member.name], `${at(path)}.${member.name}`);
    },
  };
}

function placeFields(
  schema: { readonly [field: string]: Schema },
  name: string | undefined,
  kind: "struct" | "union",
): { fields: readonly LayoutField[]; size: number; align: number } {
  const fields: LayoutField[] = [];
  let end = 0;
  let align = 1;
  for (const [field, inner] of Object.entries(schema)) {
    const layout = toLayout(inner) as Layout<unknown>;
    const offset = kind === "union" ? 0 : roundUp(end, layout.align);
    fields.push({ name: field, offset, layout });
    end = Math.max(end, offset + layout.size);
    align = Math.max(align, layout.align);
  }
  if (fields.length === 0) throw new TypeError(`Cannot make ${kind} ${name ?? ""}: it has no fields`);
  return { fields, size: roundUp(end, align), align };
}

function checkRecord(
  value: unknown,
  fields: readonly LayoutField[],
  path: string | undefined,
): Record<string, unknown> {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`Cannot encode ${at(path)}: takes an object, not ${describeValue(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!fields.some((field) => field.name === key)) {
      throw new TypeError(
        `Cannot encode ${at(path)}: has no field "${key}", only ${fields.map((f) => f.name).join(", ")}`,
      );
    }
  }
  return value as Record<string, unknown>;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** The layout of a schema: itself, or an anonymous struct of its fields. */
export function toLayout<const S extends Schema>(schema: S): Layout<Host<S>, Kernel<S>> {
  if (isLayout(schema)) return schema as Layout<Host<S>, Kernel<S>>;
  if (typeof schema !== "object" || schema === null) {
    throw new TypeError(
      `Cannot make a layout: takes a layout such as u32, or an object of them, not ${describeValue(schema)}`,
    );
  }
  return struct(schema as { readonly [field: string]: Schema }) as unknown as Layout<Host<S>, Kernel<S>>;
}
