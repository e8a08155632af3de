/**
 * Codecs made from BTF: how a map key, a value, a global or an event lies in memory, without a schema. Made once for
 * each type out of closures; reading a record allocates the record and nothing else.
 *
 * | BTF | in the script |
 * |---|---|
 * | integers up to 4 bytes, `float`, `double` | `number` |
 * | integers of 8 and 16 bytes, pointers | `bigint` |
 * | `_Bool` | `boolean` |
 * | arrays of `char`, `signed char`, `unsigned char` | `string` up to the first NUL |
 * | arrays of other unsigned bytes (`__u8`, `uint8_t`) | `Uint8Array` |
 * | other arrays | array |
 * | enums | name of the value, or the number where there is none; both can be written |
 * | structs, unions, DATASECs | plain object; members of anonymous structs and unions belong to the outer object |
 * | bit-fields | `number` up to 32 bits, else `bigint` |
 *
 * Reading a union gives all members; writing takes one.
 */
import type { Codec } from "../bytes/codec.ts";
import { at, describeValue } from "../bytes/layout.ts";
import { FormatError, nearestNames } from "../errors.ts";
import type { Btf } from "./btf.ts";
import type { BtfField, BtfFieldGroup } from "./codec_fields.ts";
import { fieldsOf } from "./codec_fields.ts";
import { bytesCodec, charsCodec, enumCodec, floatCodec, intCodec, pointerCodec } from "./codec_scalars.ts";
import type { BtfArray, BtfComposite, BtfDatasec } from "./types.ts";
import { alignOf, BTF_MAX_DEPTH, isModifier, resolve, resolveId, where } from "./walk.ts";

const cache = new WeakMap<Btf, Map<number, Codec<unknown>>>();

/**
 * The codec of a BTF type. Throws `FormatError` for types without values (functions, `void`, forward declarations) and
 * for BTF of big-endian machines.
 *
 * @example
 * ```ts ignore
 * // ignored: takes an object at hand
 * const codec = btfCodec(object.btf, object.btf.find("event", "STRUCT")!);
 * const event = codec.read(view, 0) as { pid: number; comm: string };
 * ```
 */
export function btfCodec(btf: Btf, typeId: number): Codec<unknown> {
  if (btf.endian === "big") throw new FormatError(btf.path, "describes values of a big-endian machine");
  return codecAt(btf, typeId, 0);
}

/** The fields of a struct, union or DATASEC, anonymous members flattened. */
export function btfFields(btf: Btf, typeId: number): readonly BtfField[] {
  const type = resolve(btf, typeId);
  if (type.kind !== "STRUCT" && type.kind !== "UNION" && type.kind !== "DATASEC") {
    throw new FormatError(where(btf, typeId), `has no fields: it is ${type.kind}`);
  }
  return fieldsOf(btf, resolveId(btf, typeId), type, (id) => codecAt(btf, id, 1)).fields;
}

function codecAt(btf: Btf, typeId: number, depth: number): Codec<unknown> {
  let codecs = cache.get(btf);
  if (codecs === undefined) cache.set(btf, codecs = new Map());
  let codec = codecs.get(typeId);
  if (codec === undefined) {
    if (depth > BTF_MAX_DEPTH) throw new FormatError(where(btf, typeId), "contains itself");
    codecs.set(typeId, codec = makeCodec(btf, typeId, depth));
  }
  return codec;
}

function makeCodec(btf: Btf, typeId: number, depth: number): Codec<unknown> {
  const id = resolveId(btf, typeId);
  const type = btf.type(id);
  switch (type.kind) {
    case "INT":
      if (type.size < 1 || type.size > 16) break;
      return intCodec(type);
    case "PTR":
      return pointerCodec;
    case "FLOAT":
      return floatCodec(type);
    case "ENUM":
    case "ENUM64":
      if (![1, 2, 4, 8].includes(type.size)) break;
      return enumCodec(type);
    case "ARRAY":
      return arrayCodec(btf, id, type, depth);
    case "STRUCT":
    case "UNION":
    case "DATASEC":
      return compositeCodec(btf, id, type, depth);
    case "VAR":
      return codecAt(btf, type.type, depth + 1);
    default:
      throw new FormatError(where(btf, typeId), `has no values: it is ${type.kind === "UNKN" ? "void" : type.kind}`);
  }
  throw new FormatError(where(btf, id), `size ${type.size} is impossible`);
}

/** What the elements of an array of bytes mean, by how C spells them. */
export function byteArrayKind(btf: Btf, elementId: number): "chars" | "bytes" | undefined {
  let id = elementId;
  let typedef = false;
  for (let type = btf.type(id); isModifier(type); type = btf.type(id)) {
    typedef ||= type.kind === "TYPEDEF";
    id = type.type;
  }
  const type = btf.type(id);
  if (type.kind !== "INT" || type.size !== 1 || type.bool || type.bits !== 8) return undefined;
  if (!typedef || type.char || type.name === "char") return "chars";
  return type.signed ? undefined : "bytes";
}

function arrayCodec(btf: Btf, id: number, type: BtfArray, depth: number): Codec<unknown> {
  const length = type.nelems;
  resolveId(btf, type.type); // Ends cycles of modifiers before they are walked.
  const kind = byteArrayKind(btf, type.type);
  if (kind === "chars") return charsCodec(length);
  if (kind === "bytes") return bytesCodec(length);
  const element = codecAt(btf, type.type, depth + 1);
  const { size: stride, read, write } = element;
  if (stride * length > 0xffffffff || (stride === 0 && length > 0xffff)) {
    throw new FormatError(where(btf, id), `${length} elements of ${stride} bytes are too many`);
  }
  return {
    size: stride * length,
    align: element.align,
    read(view, offset) {
      const values = new Array<unknown>(length);
      for (let i = 0; i < length; i++) values[i] = read(view, offset + i * stride);
      return values;
    },
    write(view, offset, value, path) {
      if (typeof value !== "object" || value === null || (value as ArrayLike<unknown>).length !== length) {
        throw new TypeError(`Cannot encode ${at(path)}: takes an array of ${length}, not ${describeValue(value)}`);
      }
      const items = value as ArrayLike<unknown>;
      for (let i = 0; i < length; i++) write(view, offset + i * stride, items[i], `${at(path)}[${i}]`);
    },
  };
}

function compositeCodec(btf: Btf, id: number, type: BtfComposite | BtfDatasec, depth: number): Codec<unknown> {
  const group = fieldsOf(btf, id, type, (member) => codecAt(btf, member, depth + 1));
  const names = group.fields.map((f) => f.name);
  const offsets = group.fields.map((f) => f.offset);
  const reads = group.fields.map((f) => f.codec.read);
  const count = names.length;
  const size = type.size;
  return {
    size,
    align: type.kind === "DATASEC" ? 8 : alignOf(btf, id),
    fields: group.fields,
    read(view, offset) {
      const record: Record<string, unknown> = {};
      for (let i = 0; i < count; i++) record[names[i]!] = reads[i]!(view, offset + offsets[i]!);
      return record;
    },
    write(view, offset, value, path) {
      const record = checkRecord(value, names, path);
      new Uint8Array(view.buffer, view.byteOffset + offset, size).fill(0);
      writeGroup(group, view, offset, record, path);
    },
  };
}

function checkRecord(value: unknown, names: readonly string[], path: string | undefined): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Cannot encode ${at(path)}: takes an object, not ${describeValue(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (names.includes(key)) continue;
    const nearest = nearestNames(key, names)[0];
    const known = nearest === undefined ? `only ${names.slice(0, 8).join(", ")}` : `did you mean "${nearest}"?`;
    throw new TypeError(`Cannot encode ${at(path)}: has no field "${key}", ${known}`);
  }
  return value as Record<string, unknown>;
}

function writeGroup(
  group: BtfFieldGroup,
  view: DataView,
  offset: number,
  record: Record<string, unknown>,
  path: string | undefined,
): void {
  let parts = group.parts;
  if (group.kind === "one" && parts.length > 0) {
    parts = parts.filter((part) => isGiven(part, record));
    if (parts.length !== 1) {
      throw new TypeError(`Cannot encode ${at(path)}: a union takes one member, not ${parts.length}${oneOf(group)}`);
    }
  }
  for (const part of parts) {
    if ("parts" in part) writeGroup(part, view, offset, record, path);
    else writeField(part, view, offset, record[part.name], path);
  }
}

function writeField(field: BtfField, view: DataView, offset: number, value: unknown, path: string | undefined): void {
  const inner = path === undefined ? field.name : `${path}.${field.name}`;
  if (value !== undefined) field.codec.write(view, offset + field.offset, value, inner);
  else if (!field.optional && field.codec.size > 0) throw new TypeError(`Cannot encode ${inner}: it is missing`);
}

function isGiven(part: BtfField | BtfFieldGroup, record: Record<string, unknown>): boolean {
  return "parts" in part ? part.fields.some((f) => record[f.name] !== undefined) : record[part.name] !== undefined;
}

function oneOf(group: BtfFieldGroup): string {
  return ` (${group.fields.map((f) => f.name).join(", ")})`;
}
