/**
 * Kernel memory: walking structs of the kernel's BTF and reading their fields. Where a field lies is always a CO-RE
 * record, so the same object runs on other kernels. How it is read follows from where the pointer came from: the
 * verifier lets a program load through pointers whose BTF type it knows; all others go through
 * bpf_probe_read_kernel, which yields zero where the address is bad; user memory is never read behind the user's back.
 */
import { helperId } from "../../asm/helpers.ts";
import { intType, U64 } from "../check/int_types.ts";
import { didYouMean } from "../diagnostics.ts";
import type { AccessSize, Value } from "../ir/ir.ts";
import type { Expr } from "../syntax/ast.ts";
import type { KernelTypes } from "../check/kernel_types.ts";
import type { Lowering } from "./lowering.ts";
import { ERROR, type FieldVal, type PtrVal, type Val } from "./values.ts";

/** The kernel's types, or a diagnostic that says why there are none. */
export function kernelTypes(f: Lowering, node: Expr): KernelTypes {
  return f.module.types ??
    f.fail("no-btf", "kernel types are not known: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)", node);
}

/** `pointer.name`. */
export function pointerMember(f: Lowering, ptr: PtrVal, property: string, node: Expr): Val {
  const types = kernelTypes(f, node);
  const shape = types.shape(ptr.type);
  if (shape.k !== "composite") {
    if (ptr.type === 0) {
      f.fail("untyped-pointer", `the pointer has no type, so \`.${property}\` is not known`, node, [
        'say what it points to: as(pointer, "task_struct")',
      ]);
    }
    f.fail("no-fields", `${types.name(ptr.type)} has no fields`, node);
  }
  const root: FieldVal = {
    k: "field",
    root: ptr.ir,
    rootType: shape.id,
    prov: ptr.prov,
    path: [0],
    type: shape.id,
    offset: 0,
    bitOffset: 0,
    bitSize: 0,
    name: types.name(shape.id),
  };
  return fieldMember(f, root, property, node);
}

/** `field.name` of an embedded struct; a pointer on the way is read. */
export function fieldMember(f: Lowering, field: FieldVal, property: string, node: Expr): Val {
  const types = kernelTypes(f, node);
  const shape = types.shape(field.type);
  if (shape.k !== "composite") {
    const read = readField(f, field);
    if (read.k === "ptr") return pointerMember(f, read, property, node);
    f.fail("no-fields", `${field.name} has no fields`, node);
  }
  const member = types.member(shape.id, property);
  if (member === undefined) {
    const names = types.memberNames(shape.id);
    f.report(
      "unknown-field",
      `${types.name(shape.id)} has no field \`${property}\``,
      memberNode(node),
      didYouMean(property, names),
    );
    return ERROR;
  }
  const bits = field.offset * 8 + member.bitOffset;
  return {
    ...field,
    path: [...field.path, ...member.path],
    type: member.type,
    offset: Math.floor(bits / 8),
    bitOffset: bits,
    bitSize: member.bitSize,
    name: `${field.name}.${property}`,
  };
}

/** Only the property's name is underlined. */
export function memberNode(node: Expr): Expr {
  return node.type === "Member" ? { type: "Ident", name: node.property, start: node.nameStart, end: node.end } : node;
}

export function isCharArray(f: Lowering, field: FieldVal): boolean {
  const shape = f.module.types!.shape(field.type);
  return shape.k === "array" && shape.chars;
}

/** Address of a field. */
export function fieldAddress(f: Lowering, field: FieldVal): Value {
  if (field.path.length === 1) return field.root;
  return f.b.addCore(field.root, field.offset, f.module.record(field.rootType, field.path, "FIELD_BYTE_OFFSET"));
}

/** The value of a field: scalars and pointers are read, strings become recipes, structs and arrays stay fields. */
export function readField(f: Lowering, field: FieldVal): Val {
  const types = f.module.types!;
  const shape = types.shape(field.type);
  switch (shape.k) {
    case "int": {
      if (field.bitSize > 0) return readBitField(f, field, shape);
      const ir = loadScalar(f, field, shape.size as AccessSize, shape.signed);
      return shape.bool ? { k: "bool", ir, c: undefined } : f.int(ir, intType(shape.size * 8, shape.signed));
    }
    case "pointer": {
      const ir = loadScalar(f, field, 8, false);
      return { k: "ptr", type: shape.to, ir, prov: shape.user ? "user" : shape.percpu ? "kernel" : field.prov };
    }
    case "array":
      return shape.chars ? charArray(f, field, shape.length) : field;
    default:
      return field;
  }
}

function loadScalar(f: Lowering, field: FieldVal, size: AccessSize, signed: boolean): Value {
  if (field.prov === "direct") {
    const core = f.module.record(field.rootType, field.path, "FIELD_BYTE_OFFSET");
    return f.b.load(size, field.root, field.offset, { signed, core });
  }
  return probeRead(f, fieldAddress(f, field), size, signed, field.prov);
}

/** Whether the kernel may let the program write there: some fields, in programs that implement one of its interfaces. */
export function writableField(f: Lowering, field: FieldVal): boolean {
  return f.hook.def?.prog === "BPF_PROG_TYPE_STRUCT_OPS" && field.prov === "direct" && field.bitSize === 0;
}

export function writeField(f: Lowering, field: FieldVal, word: Value, node: Expr): void {
  const shape = f.module.types!.shape(field.type);
  if (shape.k !== "int") f.fail("read-only", `${field.name} is no number, and cannot be written`, node);
  const core = f.module.record(field.rootType, field.path, "FIELD_BYTE_OFFSET");
  f.b.store(shape.size as AccessSize, field.root, field.offset, word, core);
}

/** Reads a scalar by a helper into the stack; zero if the address is bad. */
export function probeRead(
  f: Lowering,
  address: Value,
  size: AccessSize,
  signed: boolean,
  prov: "kernel" | "user" | "direct",
): Value {
  const slot = f.b.slotAddress(f.b.newSlot("read", 8, 8));
  const name = prov === "user" ? "probe_read_user" : "probe_read_kernel";
  f.b.callHelper(helperId(name), name, [slot, f.b.const(BigInt(size)), address], { writes: 1 });
  return f.b.load(size, slot, 0, { signed });
}

/** As BPF_CORE_READ_BITFIELD does: load what holds it, shift it up to the top, shift it down with its sign. */
function readBitField(f: Lowering, field: FieldVal, shape: { size: number; signed: boolean; bool: boolean }): Val {
  const { offset, size } = bitFieldBytes(field, shape.size);
  const record = (
    kind: "FIELD_BYTE_OFFSET" | "FIELD_LSHIFT_U64" | "FIELD_RSHIFT_U64",
  ): ReturnType<typeof f.module.record> => f.module.record(field.rootType, field.path, kind);
  const raw = field.prov === "direct"
    ? f.b.load(size, field.root, offset, { core: record("FIELD_BYTE_OFFSET") })
    : probeRead(f, f.b.addCore(field.root, offset, record("FIELD_BYTE_OFFSET")), size, false, field.prov);
  const left = 64 - field.bitSize - (field.bitOffset - offset * 8);
  const up = f.b.shl(raw, f.b.coreConst(record("FIELD_LSHIFT_U64"), BigInt(left)));
  const right = f.b.coreConst(record("FIELD_RSHIFT_U64"), BigInt(64 - field.bitSize));
  const ir = shape.signed ? f.b.ashr(up, right) : f.b.shr(up, right);
  return shape.bool ? { k: "bool", ir, c: undefined } : f.int(ir, intType(field.bitSize, shape.signed));
}

/** The aligned bytes that hold a bit-field, chosen as libbpf chooses them for the record. */
function bitFieldBytes(field: FieldVal, declared: number): { offset: number; size: AccessSize } {
  let size = declared;
  let offset = Math.floor(field.bitOffset / 8 / size) * size;
  while (field.bitOffset + field.bitSize - offset * 8 > size * 8 && size < 8) {
    size *= 2;
    offset = Math.floor(field.bitOffset / 8 / size) * size;
  }
  return { offset, size: size as AccessSize };
}

function charArray(f: Lowering, field: FieldVal, length: number): Val {
  const name = field.prov === "user" ? "probe_read_user_str" : "probe_read_kernel_str";
  const address = fieldAddress(f, field);
  return {
    k: "fill",
    kind: "str",
    length: Math.max(1, length),
    partial: true,
    write: (to, offset, size) => void callRead(f, name, to, offset, size, address),
  };
}

/** Calls one of the probe_read helpers: (to, size, from). */
export function callRead(f: Lowering, name: string, to: Value, offset: number, size: number, from: Value): Value {
  const target = offset === 0 ? to : f.b.add(to, f.b.const(BigInt(offset)));
  return f.b.callHelper(helperId(name), name, [target, f.b.const(BigInt(size)), from], { writes: 1 });
}

/** `field[i]`, `pointer[i]`. */
export function kernelIndex(f: Lowering, val: FieldVal | PtrVal, index: Val & { k: "int" }, node: Expr): Val {
  const types = kernelTypes(f, node);
  if (val.k === "ptr") return elementAt(f, val.ir, val.type, val.prov, index, undefined);
  const shape = types.shape(val.type);
  if (shape.k === "pointer") return kernelIndex(f, readField(f, val) as PtrVal, index, node);
  if (shape.k !== "array") f.fail("index", `${val.name} is no array`, node);
  if (index.c !== undefined) {
    if (index.c < 0n || (shape.length > 0 && index.c >= BigInt(shape.length))) {
      f.fail("index-range", `index ${index.c} is outside of ${val.name}, which has ${shape.length} elements`, node);
    }
    const size = types.size(shape.element);
    const offset = val.offset + Number(index.c) * size;
    return {
      ...val,
      path: [...val.path, Number(index.c)],
      type: shape.element,
      offset,
      bitOffset: offset * 8,
      name: `${val.name}[${index.c}]`,
    };
  }
  return elementAt(f, fieldAddress(f, val), shape.element, val.prov, index, shape.length);
}

/** An element at a variable index: the verifier knows no BTF pointer plus variable, so it is read by the helper. */
function elementAt(
  f: Lowering,
  base: Value,
  type: number,
  prov: PtrVal["prov"],
  index: Val & { k: "int" },
  _length: number | undefined,
): Val {
  const types = f.module.types!;
  const size = Math.max(1, types.size(type));
  const address = f.b.add(base, f.b.mul(f.word(index), f.b.const(BigInt(size))));
  const indirect = prov === "direct" ? "kernel" : prov;
  const shape = types.shape(type);
  if (shape.k === "int") {
    const ir = probeRead(f, address, shape.size as AccessSize, shape.signed, indirect);
    return f.int(ir, shape.size === 8 && !shape.signed ? U64 : intType(shape.size * 8, shape.signed));
  }
  if (shape.k === "pointer") {
    return { k: "ptr", type: shape.to, ir: probeRead(f, address, 8, false, indirect), prov: indirect };
  }
  return { k: "ptr", type, ir: address, prov: indirect };
}
