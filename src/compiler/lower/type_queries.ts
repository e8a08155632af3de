/** Builtins that take a type: casts, reads from user memory, and questions the loader answers by CO-RE. */
import { resolveId } from "../../btf/walk.ts";
import type { LayoutDesc } from "../../bytes/layout.ts";
import { U32 } from "../check/int_types.ts";
import { didYouMean } from "../diagnostics.ts";
import type { KernelTypes } from "../check/kernel_types.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { callRead, fieldMember, kernelTypes, probeRead } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { readMemory } from "./memory.ts";
import { toInt } from "./operators.ts";
import type { FieldVal, Provenance, Val } from "./values.ts";
import type { AccessSize, Value } from "../ir/ir.ts";

function argNode(call: Call | Expr, index: number): Expr {
  return call.type === "Call" ? call.args[index] ?? call : call;
}

/** A kernel type by its name in quotes. */
function typeNamed(f: Lowering, val: Val, node: Expr): { types: KernelTypes; id: number } {
  if (val.k !== "text") return f.wrong('the name of a kernel type in quotes, such as "task_struct"', val, node);
  const types = kernelTypes(f, node);
  const id = types.named(val.text.replace(/\s*\*$/, ""));
  if (id === undefined) {
    f.fail(
      "unknown-type",
      `this kernel has no type "${val.text}"`,
      node,
      didYouMean(val.text, structNames(types, val.text)),
    );
  }
  return { types, id };
}

/** Names of structs that could be meant: those with the same first letter, since there are ten thousand. */
function* structNames(types: KernelTypes, wanted: string): Iterable<string> {
  for (const id of types.btf.ids("STRUCT")) {
    const name = types.btf.nameOf(id);
    if (name[0] === wanted[0]) yield name;
  }
}

/** `as(address, "sock")`: where the pointer came from decides how it is read, unless it is a plain number. */
export function lowerAs(f: Lowering, args: Val[], call: Call | Expr): Val {
  const given = f.settle(args[0]!);
  const target = args[1]!;
  const ir = f.word(toInt(f, given, argNode(call, 0)));
  const prov: Provenance = given.k === "ptr" && given.prov === "user" ? "user" : "kernel";
  if (target.k === "type") return copied(f, ir, target, prov === "user" ? "probe_read_user" : "probe_read_kernel");
  const { id } = typeNamed(f, target, argNode(call, 1));
  return { k: "ptr", type: id, ir, prov: staysDirect(f, given, id) ? "direct" : prov };
}

/**
 * A `struct sock *` that a congestion control gets is that of a `struct tcp_sock` to the verifier
 * (net/ipv4/bpf_tcp_ca.c, bpf_tcp_ca_is_valid_access), so what begins with a `sock` may be read, and in parts written.
 */
function staysDirect(f: Lowering, given: Val, id: number): boolean {
  if (given.k !== "ptr" || given.prov !== "direct" || f.hook.def?.prog !== "BPF_PROG_TYPE_STRUCT_OPS") return false;
  const types = f.module.types!;
  const from = resolveId(types.btf, given.type);
  for (let at = resolveId(types.btf, id), depth = 0; depth < 8; depth++) {
    if (at === from) return true;
    const first = types.composite(at)?.members[0];
    if (first === undefined) return false;
    at = resolveId(types.btf, first.type);
  }
  return false;
}

/** `user(address, Type)`: a copy of what is there, zeros if it cannot be read. */
export function lowerUser(f: Lowering, args: Val[], call: Call | Expr): Val {
  const ir = f.word(toInt(f, args[0]!, argNode(call, 0)));
  const target = args[1]!;
  if (target.k === "intrinsic" && /^[ui](8|16|32|64)$/.test(target.name)) {
    const bits = Number(target.name.slice(1));
    const signed = target.name.startsWith("i");
    return f.int(probeRead(f, ir, bits / 8 as AccessSize, signed, "user"), { bits, signed });
  }
  if (target.k === "type") return copied(f, ir, target, "probe_read_user");
  const { id } = typeNamed(f, target, argNode(call, 1));
  return { k: "ptr", type: id, ir, prov: "user" };
}

function copied(
  f: Lowering,
  address: ReturnType<Lowering["word"]>,
  type: { desc: LayoutDesc; size: number },
  name: string,
): Val {
  if (type.desc.kind === "str" || type.desc.kind === "bytes") {
    // Written straight to where it is wanted; the helper zeroes it when the address is bad.
    const write = (to: Value, offset: number, size: number): void => void callRead(f, name, to, offset, size, address);
    return { k: "fill", kind: type.desc.kind, length: type.size, partial: false, write };
  }
  const place = f.temporary("read", type.desc, type.size);
  callRead(f, name, place.base, place.offset, type.size, address);
  return readMemory(f, place);
}

export function lowerContainerOf(f: Lowering, args: Val[], call: Call | Expr): Val {
  const given = f.settle(args[0]!);
  const { id } = typeNamed(f, args[1]!, argNode(call, 1));
  const field = fieldOf(f, id, args[2]!, call, 2);
  const offset = f.b.coreConst(f.module.record(id, field.path, "FIELD_BYTE_OFFSET"), BigInt(field.offset));
  const ir = f.b.sub(f.word(toInt(f, given, argNode(call, 0))), offset);
  return { k: "ptr", type: id, ir, prov: given.k === "ptr" && given.prov === "user" ? "user" : "kernel" };
}

/** A field by a path of names in quotes: `"se.vruntime"`. */
function fieldOf(f: Lowering, struct: number, val: Val, call: Call | Expr, index: number): FieldVal {
  const node = argNode(call, index);
  if (val.k !== "text") return f.wrong("the name of a field in quotes", val, node);
  const types = kernelTypes(f, node);
  let field: Val = {
    k: "field",
    root: f.b.const(0n),
    rootType: struct,
    prov: "kernel",
    path: [0],
    type: struct,
    offset: 0,
    bitOffset: 0,
    bitSize: 0,
    name: types.name(struct),
  };
  for (const name of val.text.split(".")) {
    if (field.k !== "field") break;
    field = fieldMember(f, field, name, node);
  }
  return field.k === "field" ? field : f.wrong("a field", field, node);
}

/** The field is named, not read. */
export function lowerExists(f: Lowering, call: Call | Expr): Val {
  const node = argNode(call, 0);
  const known = f.module.diagnostics.errors.length;
  const field = f.rules.place(f, node);
  if (field.k === "error" && f.module.diagnostics.errors.length === known + 1 && node.type === "Member") {
    // The kernel compiled on lacks it: a record for it by name would match nothing here either.
    f.module.diagnostics.errors.pop();
    return { k: "bool", ir: undefined, c: false };
  }
  if (field.k !== "field") return f.wrong("a field of a kernel struct", field, node);
  return {
    k: "bool",
    ir: f.b.coreConst(f.module.record(field.rootType, field.path, "FIELD_EXISTS"), 1n),
    c: undefined,
  };
}

export function lowerSizeof(f: Lowering, call: Call | Expr): Val {
  const node = argNode(call, 0);
  if (node.type === "String") {
    const { types, id } = typeNamed(f, { k: "text", text: node.value }, node);
    return f.int(f.b.coreConst(f.module.record(id, [0], "TYPE_SIZE"), BigInt(types.size(id))), U32);
  }
  const val = f.rules.place(f, node);
  if (val.k === "type" || val.k === "mem") return f.constant(BigInt(val.size));
  if (val.k !== "field") return f.wrong("a type in quotes, a field or one of `types`", val, node);
  const size = BigInt(f.module.types!.size(val.type));
  return f.int(f.b.coreConst(f.module.record(val.rootType, val.path, "FIELD_BYTE_SIZE"), size), U32);
}

export function lowerOffsetof(f: Lowering, args: Val[], call: Call | Expr): Val {
  const { id } = typeNamed(f, args[0]!, argNode(call, 0));
  const field = fieldOf(f, id, args[1]!, call, 1);
  return f.int(f.b.coreConst(f.module.record(id, field.path, "FIELD_BYTE_OFFSET"), BigInt(field.offset)), U32);
}

export function lowerEnumValue(f: Lowering, args: Val[], call: Call | Expr): Val {
  const { types, id } = typeNamed(f, args[0]!, argNode(call, 0));
  const type = types.btf.type(id);
  const name = args[1]!;
  if (type.kind !== "ENUM" && type.kind !== "ENUM64") {
    return f.fail("type", `"${type.name}" is no enum`, argNode(call, 0));
  }
  if (name.k !== "text") return f.wrong("the name of an enumerator in quotes", name, argNode(call, 1));
  const index = type.values.findIndex((value) => value.name === name.text);
  if (index < 0) {
    return f.fail(
      "unknown-field",
      `enum ${type.name} has no "${name.text}"`,
      argNode(call, 1),
      didYouMean(name.text, type.values.map((value) => value.name)),
    );
  }
  const { value } = type.values[index]!;
  return f.int(f.b.coreConst(f.module.record(id, [index], "ENUMVAL_VALUE"), value), {
    bits: type.size * 8,
    signed: type.signed,
  });
}
