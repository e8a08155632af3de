/**
 * The second parameter of a kernel function: the script's maps, globals, types and functions first, then the builtins of
 * the table, constants of the kernel's headers, helpers by their own names (`bpf_…`) and kfuncs.
 */
import { CONSTANTS } from "../../abi/constants.ts";
import { KFUNC_FLAGS } from "../../abi/kfuncs.ts";
import { helperDef, helperNames } from "../../asm/helpers.ts";
import { I64, intType, U32, U64 } from "../check/int_types.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { typedWord } from "./context.ts";
import { hasKfunc } from "./helpers.ts";
import { CONVERSIONS, INTRINSICS, JS_FUNCTIONS } from "./intrinsics.ts";
import type { Intrinsic } from "./intrinsic.ts";
import type { Lowering } from "./lowering.ts";
import { memVal, settle } from "./memory.ts";
import type { Module } from "./module.ts";
import { toInt } from "./operators.ts";
import { packetNamespace } from "./packet.ts";
import { didYouMean } from "../diagnostics.ts";
import type { NamespaceVal, Val } from "./values.ts";
import type { Value } from "../ir/ir.ts";

/** All names the scope has, apart from helpers. */
export function scopeNames(module: Module): string[] {
  const { maps, globals, types, functions } = module.input;
  return [
    ...Object.keys(maps),
    ...Object.keys(globals),
    ...Object.keys(types),
    ...Object.keys(functions),
    ...Object.keys(INTRINSICS),
    ...Object.keys(CONSTANTS),
    "packet",
    "kfunc",
    "helper",
  ];
}

export function scopeOf(f: Lowering): NamespaceVal {
  return {
    k: "namespace",
    name: "the second parameter",
    member: (name) => scopeMember(f, name),
    known: () => scopeNames(f.module),
  };
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function scopeMember(f: Lowering, name: string): Val | undefined {
  const { input, globals } = f.module;
  const map = own(input.maps, name);
  if (map !== undefined) return { k: "map", name, def: map };
  const place = globals.get(name);
  if (place !== undefined) {
    const shared = place.map !== ".rodata";
    return memVal(place.desc, place.size, place.align, f.b.mapValue(place.map, place.offset), 0, {
      space: "map",
      shared,
      writable: shared,
    });
  }
  const type = own(input.types, name);
  if (type !== undefined) return { k: "type", name, desc: type.desc, size: type.size, align: type.align };
  if (own(input.functions, name) !== undefined) return { k: "function", name };
  return builtin(f, name);
}

function builtin(f: Lowering, name: string): Val | undefined {
  const row = own(INTRINSICS, name);
  if (row !== undefined) {
    return row.args === undefined
      ? row.lower(f, [], { type: "Null", start: 0, end: 0 })
      : { k: "intrinsic", name, row };
  }
  const constant = own<number>(CONSTANTS, name);
  if (constant !== undefined) return f.constant(BigInt(constant));
  if (name === "packet") return packetNamespace(f);
  if (name === "kfunc") {
    return {
      k: "namespace",
      name: "kfunc",
      member: (kfunc) => kfuncValue(f, kfunc),
      known: () => [],
    };
  }
  if (name === "helper") {
    return {
      k: "namespace",
      name: "helper",
      member: helperValue,
      known: () => helperNames().filter((known) => known !== undefined),
    };
  }
  return name.startsWith("bpf_") ? helperValue(name.slice(4)) : undefined;
}

/** Names that JavaScript has everywhere. */
export function jsGlobal(_f: Lowering, name: string): Val | undefined {
  const conversion = own(CONVERSIONS, name);
  if (conversion !== undefined) return { k: "intrinsic", name, row: conversion };
  const methods = own(JS_FUNCTIONS, name);
  if (methods === undefined) return undefined;
  return {
    k: "namespace",
    name,
    member: (method) => {
      const row = own(methods, method);
      return row === undefined ? undefined : { k: "intrinsic", name: `${name}.${method}`, row };
    },
    known: () => Object.keys(methods),
  };
}

// Helpers by name

function helperValue(name: string): Val | undefined {
  const def = helperDef(name);
  if (def === undefined) return undefined;
  const row: Intrinsic = {
    signature: def.proto,
    doc: "",
    since: "",
    args: [0, 5],
    lower: (f, args, call) => {
      const words = args.map((arg, i) => argumentWord(f, arg, call, i));
      f.effect();
      const returns = !/^void\s+bpf_/.test(def.proto);
      const result = f.b.callHelper(def.id, name, words, { returns });
      return returns ? helperResult(f, def.proto, result) : { k: "undefined" };
    },
  };
  return { k: "intrinsic", name: `bpf_${name}`, row };
}

/** The result's type, from the C prototype. */
function helperResult(f: Lowering, proto: string, result: Value): Val {
  const type = proto.slice(0, proto.indexOf("bpf_")).trim();
  const struct = /^struct (\w+) \*$/.exec(type)?.[1];
  if (struct !== undefined) {
    const id = f.module.types?.struct(struct);
    return { k: "ptr", type: id ?? 0, ir: result, prov: "direct" };
  }
  if (type.endsWith("*")) return { k: "ptr", type: 0, ir: result, prov: "kernel" };
  if (type === "u64" || type === "__u64") return f.int(result, U64);
  if (type === "u32" || type === "__u32") return f.int(result, U32);
  return f.int(result, type === "int" ? intType(32, true) : I64);
}

/** What is passed for a value: numbers and pointers as they are, memory by address, maps and the context themselves. */
export function argumentWord(f: Lowering, given: Val, call: Call | Expr, index: number): Value {
  const node = call.type === "Call" ? call.args[index] ?? call : call;
  const val = given.k === "fill" || given.k === "field" ? settle(f, given) : given;
  switch (val.k) {
    case "map":
      f.module.usedMaps.add(val.name);
      return f.b.mapFd(val.name);
    case "ctx":
      return val.ir;
    case "mem":
      return f.address(val);
    case "text": {
      const bytes = new TextEncoder().encode(val.text).length + 1;
      const place = f.temporary("text", { kind: "str", length: bytes }, bytes);
      f.b.zero(place.base, place.offset, Math.ceil(bytes / 8) * 8);
      return f.address(
        f.convert(val, { k: "mem", desc: place.desc, size: bytes, align: 8, memory: place.memory }) as typeof place,
      );
    }
    case "undefined":
      return f.b.const(0n);
    default:
      return f.word(toInt(f, val, node as Expr));
  }
}

// Kernel functions

/** Whether something gives it back is seen when all is compiled; whether on every way, the verifier says. */
function noteAcquired(f: Lowering, name: string, release: string, call: Call | Expr): void {
  const at = f.source.locate(call.start, call.end);
  f.module.acquired.set(`${at.file}:${at.line}:${at.column}`, { name, release, at });
}

function kfuncValue(f: Lowering, name: string): Val | undefined {
  const { types } = f.module;
  if (types === undefined || !hasKfunc(f, name)) return undefined;
  const func = types.btf.type(types.btf.find(name, "FUNC")!);
  const proto = func.kind === "FUNC" ? types.btf.type(func.type) : undefined;
  if (proto?.kind !== "FUNC_PROTO") return undefined;
  const visible = proto.params.filter((param) => !param.name.endsWith("__ign") && !param.name.endsWith("_aux"));
  const row: Intrinsic = {
    signature: `${name}(${visible.map((param) => param.name).join(", ")})`,
    doc: "",
    since: "",
    args: [0, 5],
    lower: (g, args, call) => {
      if (args.length > 5) {
        g.fail("arguments", "a kernel function takes 5 arguments at most", call as Expr, didYouMean(name, []));
      }
      const words = args.map((arg, i) => argumentWord(g, arg, call, i));
      g.effect();
      g.module.kfuncs.add(name);
      const returns = proto.type !== 0;
      const result = g.b.callKfunc(name, words, { returns });
      if (!returns) return { k: "undefined" };
      const flags = own(KFUNC_FLAGS, name);
      if (flags?.release !== undefined) noteAcquired(g, name, flags.release, call);
      const val = typedWord(g, result, proto.type, "direct");
      if (flags?.mayBeNull !== true || val.k !== "ptr") return val;
      const of = { k: "ptr", type: val.type, prov: val.prov } as const;
      return { k: "opt", of, test: () => result, inner: () => val, pending: undefined };
    },
  };
  return { k: "intrinsic", name: `kfunc.${name}`, row };
}
