/**
 * Questions about types that follow references: what a name stands for, how large it is, which types it refers to.
 * Every walk is bounded, so cyclic BTF ends in `FormatError`. Sizes and alignments are those of a 64-bit machine.
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import { BTF_POINTER_SIZE } from "./kinds.ts";
import type { BtfType } from "./types.ts";

/** As many references as libbpf follows for one answer. */
export const BTF_MAX_DEPTH = 32;

/** What only adds something to another type: qualifiers, tags and names. */
export function isModifier(
  type: BtfType,
): type is Extract<BtfType, { kind: "TYPEDEF" | "CONST" | "VOLATILE" | "RESTRICT" | "TYPE_TAG" }> {
  switch (type.kind) {
    case "TYPEDEF":
    case "CONST":
    case "VOLATILE":
    case "RESTRICT":
    case "TYPE_TAG":
      return true;
    default:
      return false;
  }
}

/** The id behind qualifiers, type tags and typedefs. */
export function resolveId(btf: Btf, id: number): number {
  let at = id;
  for (let depth = 0; depth < BTF_MAX_DEPTH; depth++) {
    const type = btf.type(at);
    if (!isModifier(type)) return at;
    at = type.type;
  }
  throw tooDeep(btf, id);
}

/** The type behind qualifiers, type tags and typedefs. */
export function resolve(btf: Btf, id: number): BtfType {
  return btf.type(resolveId(btf, id));
}

/** The id behind qualifiers and type tags; stops at typedefs. */
export function skipModifiers(btf: Btf, id: number): number {
  let at = id;
  for (let depth = 0; depth < BTF_MAX_DEPTH; depth++) {
    const type = btf.type(at);
    if (!isModifier(type) || type.kind === "TYPEDEF") return at;
    at = type.type;
  }
  throw tooDeep(btf, id);
}

/** Bytes of a value of this type. Throws `FormatError` for what has no size: `void`, functions, forward declarations. */
export function sizeOf(btf: Btf, id: number): number {
  let count = 1;
  let at = id;
  for (let depth = 0; depth < BTF_MAX_DEPTH; depth++) {
    const type = btf.type(at);
    const size = ownSize(type);
    if (size !== undefined) return checkedSize(btf, id, size * count);
    if (type.kind === "ARRAY") count = checkedSize(btf, id, count * type.nelems);
    else if (!isModifier(type) && type.kind !== "VAR" && type.kind !== "DECL_TAG") throw noSize(btf, id, type);
    at = (type as { type: number }).type;
  }
  throw tooDeep(btf, id);
}

function ownSize(type: BtfType): number | undefined {
  switch (type.kind) {
    case "INT":
    case "STRUCT":
    case "UNION":
    case "ENUM":
    case "ENUM64":
    case "FLOAT":
    case "DATASEC":
      return type.size;
    case "PTR":
      return BTF_POINTER_SIZE;
    default:
      return undefined;
  }
}

function checkedSize(btf: Btf, id: number, size: number): number {
  if (size > 0xffffffff) throw new FormatError(where(btf, id), "size does not fit 32 bits");
  return size;
}

/** Structs ask all their members, so what is known is kept: otherwise nesting would multiply. */
const alignments = new WeakMap<Btf, Map<number, number>>();

/** Alignment in bytes; 1 for packed structs. Throws `FormatError` for what has none. */
export function alignOf(btf: Btf, id: number): number {
  return alignAt(btf, id, 0);
}

function alignAt(btf: Btf, id: number, depth: number): number {
  let known = alignments.get(btf);
  if (known === undefined) alignments.set(btf, known = new Map());
  let align = known.get(id);
  if (align === undefined) {
    if (depth > BTF_MAX_DEPTH) throw tooDeep(btf, id);
    known.set(id, align = computeAlign(btf, id, depth));
  }
  return align;
}

function computeAlign(btf: Btf, id: number, depth: number): number {
  const type = btf.type(id);
  switch (type.kind) {
    case "INT":
    case "ENUM":
    case "ENUM64":
    case "FLOAT":
      return Math.min(BTF_POINTER_SIZE * (type.kind === "INT" || type.kind === "FLOAT" ? 2 : 1), powerOfTwo(type.size));
    case "PTR":
      return BTF_POINTER_SIZE;
    case "ARRAY":
    case "TYPEDEF":
    case "CONST":
    case "VOLATILE":
    case "RESTRICT":
    case "TYPE_TAG":
    case "VAR":
      return alignAt(btf, type.type, depth + 1);
    case "STRUCT":
    case "UNION":
      return alignOfMembers(btf, type, depth);
    default:
      throw noSize(btf, id, type);
  }
}

function alignOfMembers(btf: Btf, type: Extract<BtfType, { kind: "STRUCT" | "UNION" }>, depth: number): number {
  let max = 1;
  for (const member of type.members) {
    const align = alignAt(btf, member.type, depth + 1);
    max = Math.max(max, align);
    // A member off its natural place, or a size that an array could not repeat, means packed.
    if (member.bitSize === 0 && member.bitOffset % (8 * align) !== 0) return 1;
  }
  return type.size % max === 0 ? max : 1;
}

function powerOfTwo(size: number): number {
  let align = 1;
  while (align * 2 <= size) align *= 2;
  return align;
}

/** The ids a type refers to, in the order of its words; 0 included. */
export function childIds(type: BtfType): number[] {
  switch (type.kind) {
    case "ARRAY":
      return [type.type, type.indexType];
    case "STRUCT":
    case "UNION":
      return type.members.map((m) => m.type);
    case "FUNC_PROTO":
      return [type.type, ...type.params.map((p) => p.type)];
    case "DATASEC":
      return type.vars.map((v) => v.type);
    default:
      return "type" in type ? [type.type] : [];
  }
}

/** The same type with every id it refers to replaced. */
export function mapChildIds(type: BtfType, map: (id: number) => number): BtfType {
  switch (type.kind) {
    case "ARRAY":
      return { ...type, type: map(type.type), indexType: map(type.indexType) };
    case "STRUCT":
    case "UNION":
      return { ...type, members: type.members.map((m) => ({ ...m, type: map(m.type) })) };
    case "FUNC_PROTO":
      return { ...type, type: map(type.type), params: type.params.map((p) => ({ ...p, type: map(p.type) })) };
    case "DATASEC":
      return { ...type, vars: type.vars.map((v) => ({ ...v, type: map(v.type) })) };
    default:
      return "type" in type ? { ...type, type: map(type.type) } : type;
  }
}

/** Name without the last `___flavour`: exactly three underscores between characters that are none. */
export function essentialName(name: string): string {
  for (let i = name.length - 5; i >= 0; i--) {
    if (name.startsWith("___", i + 1) && name[i] !== "_" && name[i + 4] !== "_") return name.slice(0, i + 1);
  }
  return name;
}

/** `foo.o: .BTF: type 12 STRUCT "task_struct"`. */
export function where(btf: Btf, id: number): string {
  const type = btf.type(id);
  return `${btf.path}: type ${id} ${type.kind}${type.name === "" ? "" : ` "${type.name}"`}`;
}

function tooDeep(btf: Btf, id: number): FormatError {
  return new FormatError(where(btf, id), `refers to itself or through more than ${BTF_MAX_DEPTH} types`);
}

function noSize(btf: Btf, id: number, type: BtfType): FormatError {
  return new FormatError(where(btf, id), `has no size: it is ${type.kind === "UNKN" ? "void" : type.kind}`);
}
