/** Layouts of the kernel's types: for memory that is copied or accessed as a whole, such as packet headers. */
import type { Layout, LayoutDesc, LayoutField } from "../../bytes/layout.ts";
import { alignOf } from "../../btf/walk.ts";
import type { BtfMember } from "../../btf/types.ts";
import type { KernelTypes } from "../check/kernel_types.ts";

export interface PlainLayout {
  readonly desc: LayoutDesc;
  readonly size: number;
  readonly align: number;
}

/** A bit-field, as an integer of which only some bits count: `shift` from the lowest. */
export interface BitField {
  readonly kind: "int";
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
  readonly name: string;
  readonly shift: number;
  readonly width: number;
}

export function isBitField(desc: LayoutDesc): desc is BitField {
  return desc.kind === "int" && "width" in desc;
}

/** The layout of a kernel type; undefined if it has parts that no layout describes. */
export function descOfType(types: KernelTypes, id: number, depth = 0): PlainLayout | undefined {
  const shape = types.shape(id);
  const size = types.size(id);
  if (depth > 8) return undefined;
  switch (shape.k) {
    case "int":
      if (shape.bool) return { desc: { kind: "bool" }, size, align: 1 };
      return size > 8 ? undefined : int(size, shape.signed);
    case "pointer":
      return int(8, false);
    case "array": {
      if (shape.length === 0) return undefined;
      if (shape.chars) return { desc: { kind: "str", length: shape.length }, size, align: 1 };
      const element = descOfType(types, shape.element, depth + 1);
      if (element === undefined) return undefined;
      if (element.desc.kind === "int" && element.desc.bits === 8) {
        return { desc: { kind: "bytes", length: shape.length }, size, align: 1 };
      }
      return { desc: { kind: "array", element: asLayout(element), length: shape.length }, size, align: element.align };
    }
    case "composite":
      return struct(types, shape.id, depth);
    default:
      return undefined;
  }
}

function int(size: number, signed: boolean): PlainLayout {
  const bits = size * 8 as 8 | 16 | 32 | 64;
  return { desc: { kind: "int", bits, signed, name: `${signed ? "i" : "u"}${bits}` }, size, align: size };
}

function struct(types: KernelTypes, id: number, depth: number): PlainLayout {
  const type = types.composite(id)!;
  const fields: LayoutField[] = [];
  const add = (structId: number, base: number, level: number): void => {
    for (const member of types.composite(structId)!.members) {
      const offset = base + member.bitOffset / 8;
      const shape = types.shape(member.type);
      if (member.bitSize > 0) {
        fields.push(bitField(types, member, base));
        continue;
      }
      // Fields of anonymous parts are fields of the whole.
      if (member.name === "" && shape.k === "composite" && level < 8) add(shape.id, offset, level + 1);
      const layout = member.name === "" ? undefined : descOfType(types, member.type, depth + 1);
      if (layout !== undefined) fields.push({ name: member.name, offset, layout: asLayout(layout) });
    }
  };
  add(id, 0, 0);
  return { desc: { kind: "struct", name: type.name, fields }, size: type.size, align: alignOf(types.btf, id) };
}

/** The smallest aligned integer that holds the bits. */
function bitField(types: KernelTypes, member: BtfMember, base: number): LayoutField {
  const shape = types.shape(member.type);
  const at = base * 8 + member.bitOffset;
  let size = 1;
  while (size < 8 && Math.floor(at / (size * 8)) !== Math.floor((at + member.bitSize - 1) / (size * 8))) size *= 2;
  const offset = Math.floor(at / (size * 8)) * size;
  const bits = size * 8 as BitField["bits"];
  const desc: BitField = {
    kind: "int",
    bits,
    signed: shape.k === "int" && shape.signed,
    name: `u${bits}`,
    shift: at - offset * 8,
    width: member.bitSize,
  };
  return { name: member.name, offset, layout: asLayout({ desc, size, align: size }) };
}

/** The compiler needs of a layout what it describes, never its codec. */
export function asLayout({ desc, size, align }: PlainLayout): Layout<unknown> {
  const refuse = (): never => {
    throw new TypeError("Cannot read a kernel type in the script: it was made for the compiler");
  };
  return { desc, size, align, read: refuse, write: refuse };
}
