/**
 * What a CO-RE record asks for, and what it found: a path through a type. `0:1:2` becomes accessors with names, since a
 * name is what the same path in the target's types is found by. Rules are libbpf's (`bpf_core_parse_spec`).
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfArray, BtfType } from "../btf/types.ts";
import { resolveId, sizeOf } from "../btf/walk.ts";
import type { CoreKind, CoreRelocation } from "./spec.ts";

/** As deep as libbpf goes. */
export const CORE_MAX_SPEC = 64;

/** One step of a path that has meaning in both BTFs: a named member, an array index, an enumerator. */
export interface CoreAccessor {
  /** The struct whose member it is, the array's element type, or the enum. */
  typeId: number;
  index: number;
  /** Empty for array indices. */
  name: string;
}

/** A path in one BTF. */
export interface CoreSpec {
  btf: Btf;
  rootId: number;
  accessors: CoreAccessor[];
  /** Every index, those of anonymous members included. */
  raw: number[];
  bitOffset: number;
}

const FIELD_KINDS: ReadonlySet<CoreKind> = new Set([
  "FIELD_BYTE_OFFSET",
  "FIELD_BYTE_SIZE",
  "FIELD_EXISTS",
  "FIELD_SIGNED",
  "FIELD_LSHIFT_U64",
  "FIELD_RSHIFT_U64",
]);

/** Kinds about a member. */
export function isFieldKind(kind: CoreKind): boolean {
  return FIELD_KINDS.has(kind);
}

/** Kinds about an enumerator. */
export function isEnumKind(kind: CoreKind): boolean {
  return kind === "ENUMVAL_EXISTS" || kind === "ENUMVAL_VALUE";
}

/** An empty path from a root type. */
export function emptySpec(btf: Btf, rootId: number): CoreSpec {
  return { btf, rootId, accessors: [], raw: [], bitOffset: 0 };
}

/** The path of a record in the object's own BTF. */
export function parseCoreSpec(btf: Btf, relocation: CoreRelocation): CoreSpec {
  const spec = emptySpec(btf, relocation.typeId);
  const path = `${btf.path}: CO-RE ${relocation.kind} of type ${relocation.typeId}, access "${relocation.access}"`;
  if (!isFieldKind(relocation.kind) && !isEnumKind(relocation.kind)) {
    if (relocation.access !== "0") throw new FormatError(path, `must have access "0"`);
    return spec;
  }
  spec.raw = parseAccess(relocation.access, path);
  const id = resolveId(btf, relocation.typeId);
  if (isEnumKind(relocation.kind)) return enumSpec(spec, id, path);
  const first = spec.raw[0]!;
  spec.accessors.push({ typeId: id, index: first, name: "" });
  spec.bitOffset = first * sizeOf(btf, id) * 8;
  let at = id;
  for (const index of spec.raw.slice(1)) at = step(spec, at, index, path);
  return spec;
}

function enumSpec(spec: CoreSpec, id: number, path: string): CoreSpec {
  const type = spec.btf.type(id);
  if (type.kind !== "ENUM" && type.kind !== "ENUM64") throw new FormatError(path, `is about ${type.kind}, not an enum`);
  const value = type.values[spec.raw[0]!];
  if (value === undefined || spec.raw.length > 1) throw new FormatError(path, `enum has ${type.values.length} values`);
  spec.accessors.push({ typeId: id, index: spec.raw[0]!, name: value.name });
  return spec;
}

function step(spec: CoreSpec, from: number, index: number, path: string): number {
  const { btf } = spec;
  const id = resolveId(btf, from);
  const type = btf.type(id);
  if (type.kind === "STRUCT" || type.kind === "UNION") {
    const member = type.members[index];
    if (member === undefined) throw new FormatError(path, `${type.kind} "${type.name}" has no member ${index}`);
    spec.bitOffset += member.bitOffset;
    if (member.name !== "") spec.accessors.push({ typeId: id, index, name: member.name });
    return member.type;
  }
  if (type.kind === "ARRAY") {
    if (!isFlexibleArray(btf, spec.accessors.at(-1), type) && index >= type.nelems) {
      throw new FormatError(path, `index ${index} is out of range: the array has ${type.nelems} elements`);
    }
    const element = resolveId(btf, type.type);
    spec.accessors.push({ typeId: element, index, name: "" });
    spec.bitOffset += index * sizeOf(btf, element) * 8;
    return element;
  }
  throw new FormatError(path, `cannot go into type ${id}, which is ${type.kind}`);
}

/** `int data[]` at the end of a struct, where any index is good. `accessor` is the step that led to the array. */
export function isFlexibleArray(btf: Btf, accessor: CoreAccessor | undefined, array: BtfArray): boolean {
  if (accessor === undefined || accessor.name === "" || array.nelems > 0) return false;
  const owner = btf.type(accessor.typeId);
  return (owner.kind === "STRUCT" || owner.kind === "UNION") && accessor.index === owner.members.length - 1;
}

function parseAccess(access: string, path: string): number[] {
  const parts = access.split(":", CORE_MAX_SPEC + 1);
  if (parts.length > CORE_MAX_SPEC) throw new FormatError(path, `has more than ${CORE_MAX_SPEC} steps`);
  return parts.map((part) => {
    const index = Number(part);
    if (!/^\d{1,9}$/.test(part)) throw new FormatError(path, `step "${part}" is not an index`);
    return index;
  });
}

/** `struct task_struct.mm.start_stack`, as C would say it: for error messages. */
export function describeCore(btf: Btf, relocation: CoreRelocation): string {
  const type = btf.type(relocation.typeId);
  const prefix = C_PREFIX[type.kind] ?? "";
  const root = `${prefix}${type.name === "" ? `<anonymous type ${relocation.typeId}>` : type.name}`;
  try {
    const { accessors } = parseCoreSpec(btf, relocation);
    if (isEnumKind(relocation.kind)) return `${root}: ${accessors[0]!.name}`;
    let text = root;
    for (const [i, a] of accessors.entries()) {
      if (a.name !== "") text += `.${a.name}`;
      else if (i > 0 || a.index > 0) text += `[${a.index}]`;
    }
    return text;
  } catch {
    return `${root} (${relocation.access})`;
  }
}

const C_PREFIX: Partial<Record<BtfType["kind"], string>> = {
  STRUCT: "struct ",
  UNION: "union ",
  ENUM: "enum ",
  ENUM64: "enum ",
};
