/**
 * struct_ops of the object: for each interface that programs implement a variable in `.struct_ops.link` (`.struct_ops`
 * before Linux 6.4), as clang makes it of a C definition. Only the members in use are in its type: loaders match them by
 * name.
 */
import { BPF_F_LINK, BPF_MAP_TYPE_STRUCT_OPS } from "../../abi/bpf.gen.ts";
import type { BtfMember } from "../../btf/types.ts";
import type { BtfBuilder } from "../../btf/write.ts";
import type { MapSpec } from "../../object/spec.ts";
import type { KernelTypes } from "../check/kernel_types.ts";
import type { CompileInput, StructOpsValues } from "../definitions.ts";
import { memberFunction, structOpsTarget } from "../lower/struct_ops.ts";
import type { KernelSubset } from "./kernel_btf.ts";
import type { LayoutTypes } from "./layout_btf.ts";

/** The types of the object, as far as this needs them. */
interface Types {
  readonly builder: BtfBuilder;
  readonly layouts: LayoutTypes;
  readonly kernel: KernelSubset | undefined;
}

/** One member of the interface, as the object has it. */
interface Part {
  readonly name: string;
  readonly type: number;
  readonly size: number;
  readonly align: number;
  readonly program: string | undefined;
  readonly bytes: Uint8Array | undefined;
}

export function addStructOps(input: CompileInput, types: KernelTypes | undefined, out: Types): MapSpec[] {
  const structs = new Map<string, Map<string, string>>();
  for (const { section, name } of input.programs) {
    const target = structOpsTarget(section);
    if (target === undefined) continue;
    const members = structs.get(target.struct) ?? new Map<string, string>();
    structs.set(target.struct, members.set(target.member, name));
  }
  for (const struct of Object.keys(input.structOps ?? {})) {
    if (!structs.has(struct)) {
      throw new TypeError(
        `Cannot compile: no program has a key struct_ops:${struct}:…, but structOps has values for it`,
      );
    }
  }
  if (structs.size === 0 || types === undefined) return [];
  const link = types.btf.find("bpf_struct_ops_link", "STRUCT") !== undefined;
  const section = link ? ".struct_ops.link" : ".struct_ops";
  const made = [...structs].map(([struct, programs]) =>
    structMap(struct, programs, input.structOps?.[struct] ?? {}, types, out, { section, link })
  );
  let offset = 0;
  const vars = made.map(({ variable, spec }) => {
    const entry = { type: variable, offset, size: spec.valueSize };
    offset += spec.valueSize;
    return entry;
  });
  out.builder.add({ kind: "DATASEC", name: section, size: offset, vars });
  return made.map(({ spec }) => spec);
}

function structMap(
  struct: string,
  programs: ReadonlyMap<string, string>,
  values: StructOpsValues,
  types: KernelTypes,
  out: Types,
  { section, link }: { section: string; link: boolean },
): { spec: MapSpec; variable: number } {
  const parts = partsOf(struct, programs, values, types, out);
  const members: BtfMember[] = [];
  const slots: { offset: number; program: string }[] = [];
  let size = 0;
  for (const part of parts) {
    const offset = Math.ceil(size / part.align) * part.align;
    members.push({ name: part.name, type: part.type, bitOffset: offset * 8, bitSize: 0 });
    if (part.program !== undefined) slots.push({ offset, program: part.program });
    size = offset + part.size;
  }
  size = Math.ceil(size / 8) * 8;
  const data = new Uint8Array(size);
  parts.forEach(({ bytes }, i) => bytes === undefined || data.set(bytes, members[i]!.bitOffset / 8));
  const typeId = out.builder.add({ kind: "STRUCT", name: struct, size, members, kflag: false });
  const variable = out.builder.add({ kind: "VAR", name: struct, type: typeId, linkage: "global" });
  const spec: MapSpec = {
    name: struct,
    kind: "struct_ops",
    type: BPF_MAP_TYPE_STRUCT_OPS,
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: link ? BPF_F_LINK : 0,
    mapExtra: 0n,
    numaNode: undefined,
    pinning: "none",
    keyTypeId: 0,
    valueTypeId: 0,
    inner: undefined,
    slots: [],
    section,
    data,
    structOps: { typeId, link, autocreate: true, programs: slots },
  };
  return { spec, variable };
}

function partsOf(
  struct: string,
  programs: ReadonlyMap<string, string>,
  values: StructOpsValues,
  types: KernelTypes,
  { builder, layouts, kernel }: Types,
): Part[] {
  const id = types.struct(struct)!;
  const parts: Part[] = [];
  for (const [member, program] of programs) {
    if (memberFunction(types, { struct, member }) === undefined) continue;
    const proto = builder.add({ kind: "FUNC_PROTO", name: "", type: 0, params: [] });
    const type = layouts.pointer(proto);
    parts.push({ name: member, type, size: 8, align: 8, program, bytes: undefined });
  }
  for (const [name, value] of Object.entries(values)) {
    const found = types.member(id, name);
    if (found === undefined || found.path.length > 1) {
      throw new TypeError(`Cannot compile: structOps.${struct} has a value for "${name}", which ${struct} has not`);
    }
    const size = types.size(found.type);
    const shape = types.shape(found.type);
    const align = shape.k === "int" ? shape.size : 1;
    const bytes = encode(`structOps.${struct}.${name}`, shape.k, size, value);
    parts.push({ name, type: kernel!.type(found.type), size, align, program: undefined, bytes });
  }
  return parts;
}

function encode(path: string, shape: string, size: number, value: string | number | bigint | boolean): Uint8Array {
  const bytes = new Uint8Array(size);
  if (typeof value === "string" && shape === "array") {
    const text = new TextEncoder().encode(value);
    if (text.length >= size) throw new TypeError(`Cannot compile: ${path} is longer than ${size - 1} bytes`);
    bytes.set(text);
  } else if (typeof value !== "string" && shape === "int") {
    const word = BigInt(value);
    for (let i = 0; i < size; i++) bytes[i] = Number((word >> BigInt(8 * i)) & 0xffn);
  } else {throw new TypeError(
      `Cannot compile: ${path} cannot be ${typeof value === "string" ? "a string" : "a number"}`,
    );}
  return bytes;
}
