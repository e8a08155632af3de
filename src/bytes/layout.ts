/**
 * Layout: one description of a value from which everything follows: how to encode and decode it, its size, the
 * offsets of its fields, its TypeScript types on both sides, and (through `desc`) its BTF type.
 *
 * A schema is what users write: a layout such as `u32` or `str(16)`, or a plain object of schemas for a struct.
 */
import type { Codec } from "./codec.ts";

/** What a layout is made of, as data: the compiler makes kernel types and BTF from it. */
export type LayoutDesc =
  | { readonly kind: "int"; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean; readonly name: string }
  | { readonly kind: "bool" }
  | { readonly kind: "float"; readonly bits: 32 | 64 }
  | { readonly kind: "str"; readonly length: number }
  | { readonly kind: "bytes"; readonly length: number }
  | { readonly kind: "array"; readonly element: Layout<unknown>; readonly length: number }
  | { readonly kind: "struct" | "union"; readonly name: string | undefined; readonly fields: readonly LayoutField[] }
  | {
    readonly kind: "enum";
    readonly name: string;
    readonly bits: 32 | 64;
    readonly signed: boolean;
    readonly values: readonly (readonly [string, bigint])[];
  };

/** A field of a struct or a member of a union. */
export interface LayoutField {
  readonly name: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  readonly layout: Layout<unknown>;
}

declare const kernelFace: unique symbol;

/** A value's layout. `Host` is its type in the script, `Kernel` its type inside a kernel function. */
export interface Layout<Host, Kernel = unknown> extends Codec<Host> {
  readonly desc: LayoutDesc;
  /** Only a type: nothing is stored here. */
  readonly [kernelFace]?: Kernel;
}

/** What users write to describe a value: a layout, or an object of schemas for a struct. */
export type Schema = Layout<unknown> | { readonly [field: string]: Schema };

/** The type of a schema's value in the script: 64-bit integers are `bigint`, structs are plain objects. */
export type Host<S> = S extends Layout<infer H, unknown> ? H
  : { -readonly [F in keyof S as Visible<F, S[F]>]: Host<S[F]> };

/** The type of a schema's value inside a kernel function: every integer is `number`. */
export type Kernel<S> = S extends Layout<unknown, infer K> ? K
  : { -readonly [F in keyof S as Visible<F, S[F]>]: Kernel<S[F]> };

/** The field's name, unless the kernel keeps the field for itself. */
type Visible<F, S> = S extends { readonly kernelOwned: true } ? never : F;

/** Tells a layout from an object of schemas; a struct may well have a field called `size` or `read`. */
export function isLayout(schema: Schema): schema is Layout<unknown> {
  return typeof schema["read"] === "function" && typeof schema["write"] === "function";
}

/** The name of a wrong value in an error message. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object") return value.constructor?.name ?? "an object";
  return typeof value === "string" ? JSON.stringify(value) : `${typeof value} ${String(value)}`;
}

/** `path` for messages: `value` when the codec was called without one. */
export function at(path: string | undefined): string {
  return path === undefined || path === "" ? "value" : path;
}
