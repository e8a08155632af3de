/**
 * Where C puts the members of a struct, compared with where BTF says they are: what padding to print, whether the
 * struct is packed, what alignment attribute it needs. The rules are those of the System V ABI, which BPF shares.
 */
import type { Btf } from "./btf.ts";
import type { BtfComposite, BtfMember } from "./types.ts";
import { alignOf, resolve, sizeOf } from "./walk.ts";

/** An unnamed bit-field. */
export interface CPadding {
  word: "char" | "short" | "int" | "long";
  bits: number;
}

export interface CLayout {
  packed: boolean;
  /** Before each member. */
  padding: CPadding[][];
  /** Behind the last. */
  tail: CPadding[];
  /** `__attribute__((aligned(n)))`, where bit-fields cannot give the size. */
  aligned: number | undefined;
}

const WORDS = [["char", 8], ["short", 16], ["int", 32], ["long", 64]] as const;

/** Bits of a member that is a bit-field; 0 for others. Also as compilers told before `kind_flag`. */
export function bitFieldSize(btf: Btf, member: BtfMember): number {
  if (member.bitSize !== 0) return member.bitSize;
  const type = resolve(btf, member.type);
  return type.kind === "INT" && type.bits !== type.size * 8 ? type.bits : 0;
}

/** The layout of a struct or union. */
export function layoutOf(btf: Btf, type: BtfComposite): CLayout {
  const align = Math.max(
    1,
    ...type.members.map((m) => bitFieldSize(btf, m) === 0 || m.name !== "" ? alignOf(btf, m.type) : 1),
  );
  const packed = isPacked(btf, type, align);
  const effective = packed ? 1 : align;
  const layout: CLayout = { packed, padding: [], tail: [], aligned: undefined };
  let end = 0;
  for (const member of type.members) {
    if (type.kind === "UNION") {
      layout.padding.push([]);
      end = Math.max(end, bitsOf(btf, member));
      continue;
    }
    layout.padding.push(naturalPlace(btf, member, end, packed) === member.bitOffset ? [] : pad(end, member.bitOffset));
    end = member.bitOffset + bitsOf(btf, member);
  }
  finish(btf, type, layout, end, effective);
  return layout;
}

/** A member off its natural place, or a size that an array could not repeat. */
function isPacked(btf: Btf, type: BtfComposite, align: number): boolean {
  if (type.size % align !== 0) return true;
  return type.members.some((member) => {
    const bits = bitFieldSize(btf, member);
    if (bits === 0) return member.bitOffset % (8 * alignOf(btf, member.type)) !== 0;
    // A bit-field that crosses a boundary of its type exists in packed structs only.
    const unit = sizeOf(btf, member.type) * 8;
    return Math.floor(member.bitOffset / unit) !== Math.floor((member.bitOffset + bits - 1) / unit);
  });
}

/** Where C would put the member if nothing were printed before it. */
function naturalPlace(btf: Btf, member: BtfMember, end: number, packed: boolean): number {
  const bits = bitFieldSize(btf, member);
  if (bits === 0) return roundUp(end, packed ? 8 : 8 * alignOf(btf, member.type));
  const unit = sizeOf(btf, member.type) * 8;
  const fits = packed || Math.floor(end / unit) === Math.floor((end + bits - 1) / unit);
  return fits ? end : roundUp(end, unit);
}

/** Padding from bit to bit, each piece inside of one unit of its type, so that it stays where it is put. */
function pad(from: number, to: number): CPadding[] {
  const padding: CPadding[] = [];
  let at = from;
  while (at < to) {
    const fitting = WORDS.find(([, size]) => Math.floor(at / size) === Math.floor((to - 1) / size));
    const bits = fitting === undefined ? 64 - (at % 64) : to - at;
    padding.push({ word: fitting?.[0] ?? "long", bits });
    at += bits;
    // Hostile sizes print a bounded number of lines; the caller reaches for an attribute then.
    if (padding.length > MAX_PADDING) return padding;
  }
  return padding;
}

const MAX_PADDING = 4096;

function finish(btf: Btf, type: BtfComposite, layout: CLayout, end: number, align: number): void {
  if (roundUp(Math.ceil(end / 8), align) === type.size) return;
  const last = type.members.at(-1);
  const flexible = last !== undefined && isFlexible(btf, last);
  if (type.kind === "STRUCT" && !flexible) {
    layout.tail = pad(end, type.size * 8);
    return;
  }
  let aligned = align;
  while (aligned < 4096 && roundUp(Math.ceil(end / 8), aligned) !== type.size) aligned *= 2;
  layout.aligned = aligned;
}

function isFlexible(btf: Btf, member: BtfMember): boolean {
  const type = resolve(btf, member.type);
  return type.kind === "ARRAY" && type.nelems === 0;
}

function bitsOf(btf: Btf, member: BtfMember): number {
  return bitFieldSize(btf, member) || sizeOf(btf, member.type) * 8;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
