/**
 * CO-RE: the number a record stands for, given a path in one BTF. Computed twice: for the object's own types, to check
 * the instruction, and for the target's, to patch it. Rules are libbpf's (`bpf_core_calc_field_relo` and kin).
 */
import { FormatError } from "../errors.ts";
import type { BtfComposite, BtfEnum, BtfType } from "../btf/types.ts";
import { resolve, resolveId, sizeOf, where } from "../btf/walk.ts";
import type { CoreSpec } from "./core_spec.ts";
import { isEnumKind, isFieldKind } from "./core_spec.ts";
import type { CoreKind } from "./spec.ts";

/** A record's value. */
export interface CoreValue {
  /** As the 64 bits of the machine. */
  value: bigint;
  /** FIELD_BYTE_OFFSET of a plain field: bytes and type of what is loaded or stored there. */
  access: { size: number; type: BtfType } | undefined;
  /** Whether the instruction must hold the local value; compilers differ on bit-fields, linkers change ids. */
  validate: boolean;
}

/** The value for `spec`, or for a target that has no such thing. Undefined: the instruction must be poisoned. */
export function coreValue(kind: CoreKind, spec: CoreSpec | undefined, bigEndian: boolean): CoreValue | undefined {
  if (isFieldKind(kind)) return fieldValue(kind, spec, bigEndian);
  if (isEnumKind(kind)) return enumValue(kind, spec);
  return plain(typeValue(kind, spec), kind !== "TYPE_ID_TARGET");
}

function plain(value: number | bigint, validate = true): CoreValue {
  return { value: BigInt(value), access: undefined, validate };
}

function typeValue(kind: CoreKind, spec: CoreSpec | undefined): number {
  if (spec === undefined) return 0;
  if (kind === "TYPE_SIZE") return sizeOf(spec.btf, spec.rootId);
  if (kind === "TYPE_ID_TARGET" || kind === "TYPE_ID_LOCAL") return spec.rootId;
  return 1;
}

function enumValue(kind: CoreKind, spec: CoreSpec | undefined): CoreValue | undefined {
  if (kind === "ENUMVAL_EXISTS") return plain(spec === undefined ? 0 : 1);
  const accessor = spec?.accessors[0];
  if (spec === undefined || accessor === undefined) return undefined;
  const type = spec.btf.type(accessor.typeId) as BtfEnum;
  return plain(BigInt.asUintN(64, type.values[accessor.index]!.value));
}

function fieldValue(kind: CoreKind, spec: CoreSpec | undefined, bigEndian: boolean): CoreValue | undefined {
  if (kind === "FIELD_EXISTS") return plain(spec === undefined ? 0 : 1);
  const accessor = spec?.accessors.at(-1);
  if (spec === undefined || accessor === undefined) return undefined;
  if (accessor.name === "") return elementValue(kind, spec, accessor.typeId);
  const owner = spec.btf.type(accessor.typeId) as BtfComposite;
  const member = owner.members[accessor.index]!;
  const type = resolve(spec.btf, member.type);
  // Before kind_flag, compilers said the width of a bit-field by an INT of fewer bits.
  const oldBits = type.kind === "INT" && type.bits !== type.size * 8 && !owner.kflag ? type.bits : 0;
  const bits = member.bitSize || oldBits;
  if (kind === "FIELD_SIGNED") return plain(isSigned(type) ? 1 : 0);
  return bits > 0
    ? bitfieldValue(kind, spec, type, bits, bigEndian)
    : plainFieldValue(kind, spec, member.type, bigEndian);
}

/** `a[n]` at the end of a path. */
function elementValue(kind: CoreKind, spec: CoreSpec, typeId: number): CoreValue {
  if (kind === "FIELD_BYTE_OFFSET") {
    return { value: BigInt(Math.floor(spec.bitOffset / 8)), access: accessOf(spec, typeId), validate: true };
  }
  if (kind === "FIELD_BYTE_SIZE") return plain(sizeOf(spec.btf, typeId));
  throw new FormatError(where(spec.btf, typeId), `CO-RE ${kind} does not apply to elements of arrays`);
}

function plainFieldValue(kind: CoreKind, spec: CoreSpec, typeId: number, bigEndian: boolean): CoreValue {
  const size = sizeOf(spec.btf, resolveId(spec.btf, typeId));
  switch (kind) {
    case "FIELD_BYTE_OFFSET":
      return { value: BigInt(Math.floor(spec.bitOffset / 8)), access: accessOf(spec, typeId), validate: true };
    case "FIELD_BYTE_SIZE":
      return plain(size);
    case "FIELD_LSHIFT_U64":
      return shift(bigEndian ? (8 - size) * 8 : 64 - size * 8);
    default:
      return shift(64 - size * 8);
  }
}

/** The smallest aligned unit of 1 to 8 bytes that holds all bits, and where the bits are in it. */
function bitfieldValue(kind: CoreKind, spec: CoreSpec, type: BtfType, bits: number, bigEndian: boolean): CoreValue {
  let size = "size" in type ? type.size : 0;
  if (size !== 1 && size !== 2 && size !== 4 && size !== 8) {
    throw new FormatError(where(spec.btf, spec.rootId), `has a bit-field in a type of ${size} bytes`);
  }
  const unit = (): number => Math.floor(Math.floor(spec.bitOffset / 8) / size) * size;
  while (spec.bitOffset + bits - unit() * 8 > size * 8) {
    if (size >= 8) throw new FormatError(where(spec.btf, spec.rootId), "has a bit-field that crosses 8 bytes");
    size *= 2;
  }
  const offset = unit();
  switch (kind) {
    case "FIELD_BYTE_OFFSET":
      return plain(offset, false);
    case "FIELD_BYTE_SIZE":
      return plain(size, false);
    case "FIELD_LSHIFT_U64": {
      const within = spec.bitOffset - offset * 8;
      return { ...shift(bigEndian ? (8 - size) * 8 + within : 64 - (within + bits)), validate: false };
    }
    default:
      return shift(64 - bits);
  }
}

/** Fields of more than 8 bytes give a negative shift, which only means something in code that is never reached. */
function shift(value: number): CoreValue {
  return plain(BigInt.asUintN(64, BigInt(value)));
}

function isSigned(type: BtfType): boolean {
  return (type.kind === "INT" || type.kind === "ENUM" || type.kind === "ENUM64") && type.signed;
}

/** For arrays what matters is one element: that is what an instruction loads. */
function accessOf(spec: CoreSpec, typeId: number): CoreValue["access"] {
  let id = resolveId(spec.btf, typeId);
  for (let type = spec.btf.type(id); type.kind === "ARRAY"; type = spec.btf.type(id)) {
    id = resolveId(spec.btf, type.type);
  }
  return { size: sizeOf(spec.btf, id), type: spec.btf.type(id) };
}
