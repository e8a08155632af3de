/**
 * The first parameter of a program. What it has follows from the hook: the fields of a tracepoint's record, the typed
 * arguments of a kernel function or raw tracepoint, registers by the machine's calling convention, or a struct of the
 * kernel's user API. Loads from it are `invariant` where the kernel does not change it while the program runs.
 */
import { MACHINES } from "../../abi/pt_regs.ts";
import type { TracepointField, TracepointFormat } from "../../abi/tracepoint_format.ts";
import type { LayoutDesc } from "../../bytes/layout.ts";
import { isReturnSection } from "../../object/section_name.ts";
import type { BtfFuncProto } from "../../btf/types.ts";
import { resolveId } from "../../btf/walk.ts";
import type { KernelTypes } from "../check/kernel_types.ts";
import { intType, U64 } from "../check/int_types.ts";
import type { AccessSize, CoreRecord, Value } from "../ir/ir.ts";
import { asLayout, descOfType } from "./btf_layout.ts";
import { callRead, fieldMember, probeRead, readField } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { memVal } from "./memory.ts";
import { argumentNames, memberFunction, type StructOpsTarget, structOpsTarget } from "./struct_ops.ts";
import { usdtArgument, usdtArgumentCount } from "./usdt.ts";
import type { CtxVal, FieldVal, Memory, Provenance, Val } from "./values.ts";

const CTX_MEMORY: Memory = { space: "ctx", shared: false, writable: false };
const WRITABLE_CTX: Memory = { space: "ctx", shared: false, writable: true };

/** Builds the context value of a program. */
export function contextOf(f: Lowering): CtxVal {
  const ir = f.hook.ctx(f);
  const { def } = f.hook;
  if (def === undefined) return { k: "ctx", ir, field: () => undefined, known: () => [], what: "the context" };
  switch (def.ctx) {
    case "tracepoint":
      return tracepointContext(f, ir);
    case "bpf_raw_tracepoint_args":
    case "btf_args":
      return argumentContext(f, ir);
    case "pt_regs":
      return registerContext(f, ir);
    case "bpf_iter":
      return structContext(f, ir, f.hook.target.kind === "btf" ? `bpf_iter__${f.hook.target.name}` : "");
    case "void":
    case "u32":
      return { k: "ctx", ir, field: () => undefined, known: () => [], what: "the context" };
    default:
      return structContext(f, ir, def.ctx);
  }
}

// Tracepoints

function tracepointContext(f: Lowering, ir: Value): CtxVal {
  const { target } = f.hook;
  if (target.kind !== "tracepoint") {
    return {
      k: "ctx",
      ir,
      field: () => undefined,
      known: () => [],
      what: "the tracepoint",
    };
  }
  const format = f.module.facts.tracepoint(target.category, target.name);
  const what = `tracepoint ${target.category}:${target.name}`;
  // On the machine it was made for, the format file says all, and the kernel's types need not be read.
  const fromFormat = format !== undefined && f.module.facts.portable === false;
  const struct = fromFormat ? undefined : recordStruct(f.module.types, target.category, target.name);
  if (format === undefined) return btfTracepoint(f, ir, struct, what);
  const fields = format.fields.filter((field) => !field.name.startsWith("common_"));
  return {
    k: "ctx",
    ir,
    field: (name) => {
      const field = fields.find((candidate) => candidate.name === name);
      return field === undefined ? undefined : tracepointField(f, ir, field, format, struct);
    },
    known: () => fields.map((field) => field.name),
    what,
  };
}

/** The struct of a tracepoint's record; events of one class share one, which is then not found by the event's name. */
function recordStruct(types: KernelTypes | undefined, category: string, name: string): number | undefined {
  const system = category === "syscalls" ? /^sys_(enter|exit)_/.exec(name)?.[1] : undefined;
  return types?.struct(`trace_event_raw_${system === undefined ? name : `sys_${system}`}`);
}

function btfTracepoint(f: Lowering, ir: Value, struct: number | undefined, what: string): CtxVal {
  const types = f.module.types;
  if (struct === undefined || types === undefined) {
    return {
      k: "ctx",
      ir,
      field: () => undefined,
      known: () => [],
      what: `${what}, which this kernel does not have,`,
    };
  }
  const node = { type: "Null", start: 0, end: 0 } as const;
  const root: FieldVal = {
    k: "field",
    root: ir,
    rootType: struct,
    prov: "direct",
    path: [0],
    type: struct,
    offset: 0,
    bitOffset: 0,
    bitSize: 0,
    name: what,
  };
  return {
    k: "ctx",
    ir,
    field: (name) => types.member(struct, name) === undefined ? undefined : fieldMember(f, root, name, node),
    known: () => types.memberNames(struct),
    what,
  };
}

function tracepointField(
  f: Lowering,
  ir: Value,
  field: TracepointField,
  format: TracepointFormat,
  struct: number | undefined,
): Val {
  const core = recordOf(f, field, format, struct);
  if (field.dynamic !== "none") return dynamicField(f, ir, field);
  if (field.length !== undefined) return arrayField(ir, field);
  const { size, signed } = scalarOf(field);
  const value = f.b.load(size, ir, field.offset, { signed, core, invariant: true });
  return field.type === "bool" ? { k: "bool", ir: value, c: undefined } : f.int(value, intType(size * 8, signed));
}

/** A CO-RE record for a field whose place in the BTF struct is the one the format file gives. */
function recordOf(
  f: Lowering,
  field: TracepointField,
  format: TracepointFormat,
  struct: number | undefined,
): CoreRecord | undefined {
  if (struct === undefined) return undefined;
  const types = f.module.types;
  if (struct === undefined || types === undefined) return undefined;
  const argument = format.category === "syscalls" && format.name.startsWith("sys_enter_");
  const name = argument && field.name !== "__syscall_nr" ? "args" : field.name === "__syscall_nr" ? "id" : field.name;
  const member = types.member(struct, name);
  if (member === undefined || member.bitSize !== 0) return undefined;
  const offset = member.bitOffset / 8;
  if (name === "args" && argument) {
    return f.module.record(struct, [0, ...member.path, (field.offset - offset) / 8], "FIELD_BYTE_OFFSET");
  }
  return offset === field.offset ? f.module.record(struct, [0, ...member.path], "FIELD_BYTE_OFFSET") : undefined;
}

const INT32 =
  /^(int|s32|__s32|pid_t|key_t|clockid_t|__kernel_pid_t|timer_t|mqd_t|key_serial_t|rwf_t|__kernel_clockid_t)$/;
const UINT32 = /^(unsigned int|u32|__u32|uid_t|gid_t|umode_t|unsigned|qid_t|aio_context_t32|__kernel_uid32_t)$/;

/** Arguments of system calls are recorded 8 bytes wide, whatever their type; only the low half of an `int` counts. */
function scalarOf(field: TracepointField): { size: AccessSize; signed: boolean } {
  const type = field.type.replace(/\b(const|volatile)\b/g, "").trim();
  if (field.size === 8 && INT32.test(type)) return { size: 4, signed: true };
  if (field.size === 8 && UINT32.test(type)) return { size: 4, signed: false };
  return { size: field.size as AccessSize, signed: field.signed };
}

function arrayField(ir: Value, field: TracepointField): Val {
  const length = field.length!;
  const isChar = /\bchar\b/.test(field.type) && field.size === length;
  const bits = (field.size / Math.max(1, length)) * 8 as 8 | 16 | 32 | 64;
  const desc: LayoutDesc = isChar && !field.type.includes("unsigned")
    ? { kind: "str", length }
    : isChar || (bits === 8 && !field.signed)
    ? { kind: "bytes", length }
    : {
      kind: "array",
      length,
      element: asLayout({
        desc: { kind: "int", bits, signed: field.signed, name: `${field.signed ? "i" : "u"}${bits}` },
        size: bits / 8,
        align: bits / 8,
      }),
    };
  return memVal(desc, field.size, 1, ir, field.offset, CTX_MEMORY);
}

/** A string whose place in the record is given by a word of it. */
function dynamicField(f: Lowering, ir: Value, field: TracepointField): Val {
  const word = f.b.load(4, ir, field.offset, { invariant: true });
  const low = f.b.and(word, f.b.const(0xffffn));
  const offset = field.dynamic === "relative" ? f.b.add(low, f.b.const(BigInt(field.offset + 4))) : low;
  const address = f.b.add(ir, offset);
  if (!/\bchar\b/.test(field.type)) return { k: "ptr", type: 0, ir: address, prov: "kernel" };
  return {
    k: "fill",
    kind: "str",
    length: undefined,
    partial: true,
    write: (to, at, size) => void callRead(f, "probe_read_kernel_str", to, at, size, address),
  };
}

// Typed arguments

interface Argument {
  readonly name: string;
  readonly type: number;
}

interface Prototype {
  readonly args: readonly Argument[];
  /** Type of the result; 0 is void. */
  readonly result: number;
}

function argumentContext(f: Lowering, ir: Value): CtxVal {
  const { target, def } = f.hook;
  const name = target.kind === "btf" || target.kind === "raw_tracepoint" ? target.name : "";
  const types = f.module.types;
  const raw = def!.ctx === "bpf_raw_tracepoint_args" || def!.expected === "BPF_TRACE_RAW_TP";
  const member = structOpsTarget(f.hook.section);
  const proto = types !== undefined && member !== undefined
    ? memberPrototype(types, member)
    : types === undefined || name === ""
    ? undefined
    : raw
    ? tracepointPrototype(types, name)
    : functionPrototype(types, def!.prog === "BPF_PROG_TYPE_LSM" ? `bpf_lsm_${name}` : name);
  const prov: Provenance = f.hook.typed ? "direct" : "kernel";
  const withResult = /FEXIT|MODIFY_RETURN|FSESSION|LSM/.test(def!.expected ?? "");
  return {
    k: "ctx",
    ir,
    field: (property) => {
      const index = argumentIndex(proto, property, withResult);
      if (index === undefined) return undefined;
      const word = f.b.load(8, ir, index * 8, { invariant: true });
      const type = property === "ret" && index === proto?.args.length
        ? resultType(proto, def!.prog)
        : proto?.args[index]?.type;
      return typedWord(f, word, type, prov);
    },
    known: () => [...(proto?.args.map((arg) => arg.name) ?? []), ...(withResult ? ["ret"] : []), "arg0", "arg1"],
    what: `${def!.sec.replace("+", "")}:${member === undefined ? name : `${member.struct}:${member.member}`}`,
  };
}

/** What an LSM hook before this one returned is an `int`. */
function resultType(proto: Prototype, prog: string): number | undefined {
  return prog === "BPF_PROG_TYPE_LSM" ? undefined : proto.result;
}

function argumentIndex(proto: Prototype | undefined, property: string, withResult: boolean): number | undefined {
  const index = proto?.args.findIndex((arg) => arg.name === property) ?? -1;
  if (index >= 0) return index;
  if (property === "ret" && withResult && proto !== undefined) return proto.args.length;
  const position = /^arg(\d+)$/.exec(property)?.[1];
  if (position === undefined) return undefined;
  return proto === undefined || Number(position) < proto.args.length ? Number(position) : undefined;
}

function memberPrototype(types: KernelTypes, target: StructOpsTarget): Prototype | undefined {
  const id = memberFunction(types, target);
  const proto = id === undefined ? undefined : prototype(types, id, 0);
  if (proto === undefined) return undefined;
  const names = argumentNames(types, target, proto.args.length);
  return { ...proto, args: proto.args.map((arg, i) => ({ ...arg, name: names[i]! })) };
}

function functionPrototype(types: KernelTypes, name: string): Prototype | undefined {
  const id = types.btf.find(name, "FUNC");
  const func = id === undefined ? undefined : types.btf.type(id);
  return func?.kind === "FUNC" ? prototype(types, func.type, 0) : undefined;
}

/** The stub of a tracepoint has its arguments by name (6.6); the type of the callback has them without. */
function tracepointPrototype(types: KernelTypes, name: string): Prototype | undefined {
  for (const stub of [`__probestub_${name}`, `__traceiter_${name}`]) {
    const id = types.btf.find(stub, "FUNC");
    const func = id === undefined ? undefined : types.btf.type(id);
    if (func?.kind === "FUNC") return prototype(types, func.type, 1);
  }
  const typedef = types.btf.find(`btf_trace_${name}`, "TYPEDEF");
  const pointer = typedef === undefined ? undefined : types.btf.type(resolveId(types.btf, typedef));
  return pointer?.kind === "PTR" ? prototype(types, pointer.type, 1) : undefined;
}

function prototype(types: KernelTypes, id: number, skip: number): Prototype | undefined {
  const proto = types.btf.type(resolveId(types.btf, id));
  if (proto.kind !== "FUNC_PROTO") return undefined;
  const params = (proto satisfies BtfFuncProto).params.slice(skip);
  return {
    args: params.map((param, i) => ({ name: param.name === "" ? `arg${i}` : param.name, type: param.type })),
    result: proto.type,
  };
}

/** A 64-bit word that holds a value of a C type. */
export function typedWord(f: Lowering, word: Value, type: number | undefined, prov: Provenance): Val {
  const shape = type === undefined || type === 0 ? undefined : f.module.types!.shape(type);
  if (shape?.k === "pointer") return { k: "ptr", type: shape.to, ir: word, prov: shape.user ? "user" : prov };
  if (shape?.k === "int") {
    if (shape.bool) return { k: "bool", ir: f.b.and(word, f.b.const(1n)), c: undefined };
    if (shape.size === 8) return f.int(word, intType(64, shape.signed));
    const bits = shape.size * 8 as 8 | 16 | 32;
    return f.int(shape.signed ? f.b.sext(word, bits) : f.b.zext(word, bits), intType(bits, shape.signed));
  }
  return f.int(word, U64);
}

// Registers

function registerContext(f: Lowering, ir: Value): CtxVal {
  const machine = MACHINES[f.module.facts.arch];
  const { target, def } = f.hook;
  const returns = isReturnSection(def!);
  const types = f.module.types;
  const proto = target.kind === "kprobe" && types !== undefined ? functionPrototype(types, target.symbol) : undefined;
  const register = (name: string): Value => f.b.load(8, ir, machine.regs[name]!, { invariant: true });
  const system = target.kind === "ksyscall" ? systemCall(f, ir, target.syscall) : undefined;
  const field = (property: string): Val | undefined => {
    const position = def!.attach === "usdt" ? /^arg(\d+)$/.exec(property)?.[1] : undefined;
    if (position !== undefined) return staticArgument(f, ir, Number(position));
    if (property === "ret") return typedWord(f, register(machine.result), proto?.result, "kernel");
    if (property === "ip" || property === "sp" || property === "fp") return f.int(register(machine[property]));
    if (system !== undefined && !returns) return system.field(property);
    const index = argumentIndex(proto, property, false);
    const name = index === undefined ? undefined : machine.args[index];
    if (name === undefined) return undefined;
    const type = proto?.args[index!]?.type;
    return typedWord(f, register(name), type, "kernel");
  };
  const count = def!.attach === "usdt" ? usdtArgumentCount(f) : machine.args.length;
  const known = (): string[] => [
    ...(system?.known() ?? proto?.args.map((arg) => arg.name) ?? []),
    ...Array.from({ length: count }, (_, i) => `arg${i}`),
    "ret",
    "ip",
    "sp",
  ];
  return { k: "ctx", ir, field, known, what: `the ${def!.sec.replace("+", "")}` };
}

function staticArgument(f: Lowering, ir: Value, index: number): Val | undefined {
  return index < usdtArgumentCount(f) ? usdtArgument(f, ir, index) : undefined;
}

/** A system call's function gets one argument: the registers of the caller. */
function systemCall(
  f: Lowering,
  ir: Value,
  name: string,
): { field: (property: string) => Val | undefined; known: () => string[] } {
  const machine = MACHINES[f.module.facts.arch];
  const format = f.module.facts.tracepoint("syscalls", `sys_enter_${name}`);
  const fields = format?.fields.filter((field) => !field.name.startsWith("common_") && field.name !== "__syscall_nr") ??
    [];
  return {
    field: (property) => {
      const named = fields.findIndex((field) => field.name === property);
      const index = named >= 0 ? named : Number(/^arg(\d)$/.exec(property)?.[1] ?? -1);
      const register = machine.syscallArgs[index];
      if (register === undefined) return undefined;
      const regs = f.b.load(8, ir, machine.regs[machine.args[0]!]!, { invariant: true });
      const word = probeRead(f, f.b.add(regs, f.b.const(BigInt(machine.regs[register]!))), 8, false, "kernel");
      const { size, signed } = named >= 0 ? scalarOf(fields[named]!) : { size: 8 as AccessSize, signed: false };
      if (size === 8) return f.int(word, intType(64, signed));
      return f.int(signed ? f.b.sext(word, 32) : f.b.zext(word, 32), intType(32, signed));
    },
    known: () => fields.map((field) => field.name),
  };
}

// Structs of the user API

function structContext(f: Lowering, ir: Value, name: string): CtxVal {
  const types = f.module.types;
  const struct = types?.struct(name);
  if (types === undefined || struct === undefined) {
    return {
      k: "ctx",
      ir,
      field: () => undefined,
      known: () => [],
      what: types === undefined ? `${name}, unknown without the kernel's BTF,` : name,
    };
  }
  return {
    k: "ctx",
    ir,
    field: (property) => structField(f, ir, types, struct, property),
    known: () => types.memberNames(struct),
    what: name,
  };
}

/** The verifier translates these accesses; their offsets are fixed for good, so there is no CO-RE record. */
function structField(f: Lowering, ir: Value, types: KernelTypes, struct: number, property: string): Val | undefined {
  const member = types.member(struct, property);
  if (member === undefined) return undefined;
  const shape = types.shape(member.type);
  const offset = member.bitOffset / 8;
  if (member.bitSize > 0) {
    const root: FieldVal = {
      k: "field",
      root: ir,
      rootType: struct,
      prov: "direct",
      path: [0, ...member.path],
      type: member.type,
      offset: Math.floor(offset),
      bitOffset: member.bitOffset,
      bitSize: member.bitSize,
      name: property,
    };
    return readField(f, root);
  }
  if (shape.k === "pointer") return { k: "ptr", type: shape.to, ir: f.b.load(8, ir, offset), prov: "direct" };
  const desc = descOfType(types, member.type);
  return desc === undefined ? undefined : memVal(desc.desc, desc.size, desc.align, ir, offset, WRITABLE_CTX);
}
