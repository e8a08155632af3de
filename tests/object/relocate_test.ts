import { readFileSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { test } from "../support/harness.ts";
import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
} from "../../src/abi/defines.ts";
import { InsnView } from "../../src/asm/insn.ts";
import { parseObject } from "../../src/object/parse.ts";
import {
  type ExternFact,
  FunctionIndex,
  KFUNC_POISON,
  MAP_POISON,
  reachable,
  relocateProgram,
} from "../../src/object/relocate.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";

function fixture(name: string): ObjectSpec {
  return parseObject(new Uint8Array(readFileSync(new URL(`../data/object/${name}`, import.meta.url))), { name });
}

function program(spec: ObjectSpec, name: string) {
  return spec.programs.find((p) => p.name === name)!;
}

test("reachable() lays subprograms out in order of first call, and leaves the others out", () => {
  const spec = fixture("subprogs.o");
  const index = new FunctionIndex(spec);
  const names = (name: string): string[] => reachable(index, program(spec, name)).map((f) => f.name);
  assertEquals(names("returns_5"), ["returns_5", "middle", "leaf"]);
  assertEquals(names("returns_8"), ["returns_8", "weak_fn"]);
  assertEquals(names("returns_10"), ["returns_10", "on_step", "leaf"]);
});

test("relocateProgram() fills calls, maps and records of functions and lines", () => {
  const spec = fixture("subprogs.o");
  const main = program(spec, "returns_5");
  const code = relocateProgram(spec, new FunctionIndex(spec), main, {
    mapFd: () => 42,
    jumpTable: () => 0,
    extern: () => ({ kind: "missing" }),
    code: (fn) => fn.insns,
  });
  const view = new InsnView(code.insns);
  const [, middle, leaf] = code.pieces;
  const call = main.relocations[0]!.insn;
  assertEquals(call + 1 + view.imm(call), middle!.start);
  const inner = middle!.fn.relocations.find((r) => r.kind === "call")!;
  assertEquals(middle!.start + inner.insn + 1 + view.imm(middle!.start + inner.insn), leaf!.start);
  const value = leaf!.fn.relocations.find((r) => r.kind === "map_value")!;
  assertEquals([view.src(leaf!.start + value.insn), view.imm(leaf!.start + value.insn)], [BPF_PSEUDO_MAP_VALUE, 42]);
  const functions = new Uint32Array(code.funcInfo!.buffer);
  assertEquals([functions[0], functions[2], functions[4]], [0, middle!.start, leaf!.start]);
  assertEquals(functions[5], leaf!.fn.btfId);
  const lines = new Uint32Array(code.lineInfo!.buffer);
  assert(lines.length % 4 === 0 && lines.includes(leaf!.start));
  assertEquals(main.insns.length, program(spec, "returns_5").insns.length);
});

test("relocateProgram() does not write to the object's own bytes", () => {
  const spec = fixture("trace_open.o");
  const [main] = spec.programs;
  const before = main!.insns.slice();
  relocateProgram(spec, new FunctionIndex(spec), main!, {
    mapFd: () => 7,
    jumpTable: () => 0,
    extern: () => ({ kind: "missing" }),
    code: (fn) => fn.insns,
  });
  assertEquals(main!.insns, before);
});

test("relocateProgram() marks maps that were not created", () => {
  const spec = fixture("maps.o");
  const main = program(spec, "returns_11");
  const code = relocateProgram(spec, new FunctionIndex(spec), main, {
    mapFd: () => undefined,
    jumpTable: () => 0,
    extern: () => ({ kind: "missing" }),
    code: (fn) => fn.insns,
  });
  const view = new InsnView(code.insns);
  const slot = main.relocations[0]!.insn;
  const marker = MAP_POISON + spec.maps.findIndex((m) => m.name === "jumps");
  assertEquals([view.code(slot), view.imm(slot), view.code(slot + 1), view.imm(slot + 1)], [
    0x85,
    marker,
    0x85,
    marker,
  ]);
});

test("relocateProgram() puts externs in: values, addresses, BTF ids, kfuncs, and nothing for missing weak ones", () => {
  const spec = fixture("externs.o");
  const facts: Record<string, ExternFact> = {
    bpf_rcu_read_lock: { kind: "btf", id: 100, btfFd: 0, callOffset: 0 },
    bpf_rcu_read_unlock: { kind: "btf", id: 101, btfFd: 9, callOffset: 3 },
    bpf_prog_put: { kind: "address", address: 0xffffffff81234567n },
    runqueues: { kind: "btf", id: 55, btfFd: 0, callOffset: 0 },
    LINUX_KERNEL_VERSION: { kind: "kconfig", mapFd: 5, offset: 24 },
  };
  const relocated = (name: string): { view: InsnView; at: (extern: string) => number[] } => {
    const main = program(spec, name);
    const code = relocateProgram(spec, new FunctionIndex(spec), main, {
      mapFd: () => 5,
      jumpTable: () => 0,
      extern: (extern) => facts[extern] ?? { kind: "missing" },
      code: (fn) => fn.insns,
    });
    const at = (extern: string): number[] =>
      main.relocations.filter((r) => "extern" in r && r.extern === extern).map((r) => r.insn);
    return { view: new InsnView(code.insns), at };
  };
  const kfuncs = relocated("kfuncs");
  const [unlock] = kfuncs.at("bpf_rcu_read_unlock");
  assertEquals([kfuncs.view.src(unlock!), kfuncs.view.imm(unlock!), kfuncs.view.off(unlock!)], [
    BPF_PSEUDO_KFUNC_CALL,
    101,
    3,
  ]);
  const [address, call] = kfuncs.at("waggle_no_such_kfunc");
  assertEquals(kfuncs.view.imm64(address!), 0n);
  const index = spec.externs.findIndex((e) => e.name === "waggle_no_such_kfunc");
  assertEquals([kfuncs.view.code(call!), kfuncs.view.imm(call!)], [0x85, KFUNC_POISON + index]);
  const version = relocated("returns_version");
  const [place] = version.at("LINUX_KERNEL_VERSION");
  assertEquals([version.view.src(place!), version.view.imm(place!), version.view.imm(place! + 1)], [
    BPF_PSEUDO_MAP_VALUE,
    5,
    24,
  ]);
  const percpu = relocated("percpu");
  const [typed] = percpu.at("runqueues");
  assertEquals([percpu.view.src(typed!), percpu.view.imm(typed!)], [BPF_PSEUDO_BTF_ID, 55]);
  const ksyms = relocated("returns_1_ksyms");
  const [symbol] = ksyms.at("bpf_prog_put");
  if (symbol !== undefined) assertEquals(ksyms.view.imm64(symbol), 0xffffffff81234567n);
});

test("relocateProgram() loads map descriptors", () => {
  const spec = fixture("trace_open.o");
  const [main] = spec.programs;
  const code = relocateProgram(spec, new FunctionIndex(spec), main!, {
    mapFd: (name) => spec.maps.findIndex((m) => m.name === name) + 10,
    jumpTable: () => 0,
    extern: () => ({ kind: "missing" }),
    code: (fn) => fn.insns,
  });
  const view = new InsnView(code.insns);
  for (const r of main!.relocations) {
    if (r.kind !== "map") continue;
    assertEquals([view.src(r.insn), view.imm(r.insn)], [
      BPF_PSEUDO_MAP_FD,
      spec.maps.findIndex((m) => m.name === r.map) + 10,
    ]);
  }
});
