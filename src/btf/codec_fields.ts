/**
 * The fields of a struct, union or DATASEC as codecs see them: anonymous members flattened, bit-fields as codecs of
 * their own, and a tree that remembers which fields exclude each other. Offsets are checked against the size here, so
 * that reading and writing need no checks.
 */
import type { Codec } from "../bytes/codec.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import { bitsCodec, booleanCodec, enumCodec } from "./codec_scalars.ts";
import type { BtfComposite, BtfDatasec, BtfMember, BtfType } from "./types.ts";
import { BTF_MAX_DEPTH, resolve, where } from "./walk.ts";

/** One named value. */
export interface BtfField {
  readonly name: string;
  /** Bytes from the start of the outermost struct. */
  readonly offset: number;
  readonly codec: Codec<unknown>;
  /** The BTF type of the member. */
  readonly typeId: number;
  /** May be left out on writing and is zero then: what only the kernel may fill. */
  readonly optional: boolean;
}

/** A struct needs all of its parts, a union one. */
export interface BtfFieldGroup {
  readonly kind: "all" | "one";
  readonly parts: readonly (BtfField | BtfFieldGroup)[];
  /** Every field below, in order. */
  readonly fields: readonly BtfField[];
}

/** Makes the codec of a member's type. */
export type CodecOf = (typeId: number) => Codec<unknown>;

/** Anonymous members multiply in hostile BTF; no real struct has a tenth of this. */
const MAX_FIELDS = 1 << 16;

/** Structs whose bytes belong to the kernel: locks, timers, list heads. Map values hold them, users never write them. */
const KERNEL_OWNED = /^bpf_(spin_lock|res_spin_lock|timer|wq|task_work|refcount|list_head|list_node|rb_root|rb_node)$/;

/** Whether values of this type are written by the kernel only. */
export function isKernelOwned(type: BtfType): boolean {
  return KERNEL_OWNED.test(type.name);
}

/** The fields of the composite type `id`. */
export function fieldsOf(btf: Btf, id: number, type: BtfComposite | BtfDatasec, codecOf: CodecOf): BtfFieldGroup {
  const budget = { left: MAX_FIELDS };
  if (type.kind === "DATASEC") return sectionGroup(btf, id, type, codecOf);
  return group(btf, id, type, 0, codecOf, budget, 0);
}

function group(
  btf: Btf,
  id: number,
  type: BtfComposite,
  base: number,
  codecOf: CodecOf,
  budget: { left: number },
  depth: number,
): BtfFieldGroup {
  if (depth > BTF_MAX_DEPTH) throw new FormatError(where(btf, id), "contains itself");
  const parts: (BtfField | BtfFieldGroup)[] = [];
  for (const [i, member] of type.members.entries()) {
    if (--budget.left < 0) throw new FormatError(where(btf, id), `has more than ${MAX_FIELDS} fields`);
    const target = resolve(btf, member.type);
    if (member.name !== "") parts.push(field(btf, id, type, i, member, target, base, codecOf));
    else if (target.kind === "STRUCT" || target.kind === "UNION") {
      const offset = base + (member.bitOffset >>> 3);
      checkInside(btf, id, i, (member.bitOffset >>> 3) + target.size, type.size);
      parts.push(group(btf, member.type, target, offset, codecOf, budget, depth + 1));
    }
    // Other members without a name are padding: `int : 4`.
  }
  const fields = parts.flatMap((part) => "parts" in part ? part.fields : [part]);
  return { kind: type.kind === "STRUCT" ? "all" : "one", parts, fields };
}

function field(
  btf: Btf,
  id: number,
  type: BtfComposite,
  index: number,
  member: BtfMember,
  target: BtfType,
  base: number,
  codecOf: CodecOf,
): BtfField {
  const bits = bitField(member, target);
  const start = (bits?.offset ?? member.bitOffset) >>> 3;
  const codec = bits === undefined ? codecOf(member.type) : bitFieldCodec(bits, target);
  if (bits === undefined && member.bitOffset % 8 !== 0) fail(btf, id, index, "does not start at a byte");
  checkInside(btf, id, index, start + codec.size, type.size);
  const optional = isKernelOwned(target);
  return { name: member.name, offset: base + start, codec, typeId: member.type, optional };
}

interface BitField {
  /** From the start of the struct. */
  offset: number;
  size: number;
}

/** Bits of a member that is not made of whole bytes, also the way compilers told before `kind_flag`. */
function bitField(member: BtfMember, target: BtfType): BitField | undefined {
  if (member.bitSize !== 0) return { offset: member.bitOffset, size: member.bitSize };
  if (target.kind !== "INT" || (target.bits === target.size * 8 && target.bitOffset === 0)) return undefined;
  if (target.bits === 0) return undefined;
  return { offset: member.bitOffset + target.bitOffset, size: target.bits };
}

function bitFieldCodec(bits: BitField, target: BtfType): Codec<unknown> {
  const shift = bits.offset & 7;
  const signed = (target.kind === "INT" || target.kind === "ENUM" || target.kind === "ENUM64") && target.signed;
  const raw = bitsCodec((shift + bits.size + 7) >> 3, shift, bits.size, signed);
  if (target.kind === "INT" && target.bool) return booleanCodec(raw);
  if (target.kind === "ENUM") return enumCodec(target, raw);
  return raw;
}

function sectionGroup(btf: Btf, id: number, type: BtfDatasec, codecOf: CodecOf): BtfFieldGroup {
  const fields = type.vars.map((info, i): BtfField => {
    const codec = codecOf(info.type);
    checkInside(btf, id, i, info.offset + codec.size, type.size);
    return { name: btf.nameOf(info.type), offset: info.offset, codec, typeId: info.type, optional: false };
  });
  return { kind: "all", parts: fields, fields };
}

function checkInside(btf: Btf, id: number, index: number, end: number, size: number): void {
  if (end > size) fail(btf, id, index, `ends at byte ${end} of ${size}`);
}

function fail(btf: Btf, id: number, index: number, problem: string): never {
  throw new FormatError(`${where(btf, id)}: member ${index}`, problem);
}
