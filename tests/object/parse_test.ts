import { readFileSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { BPF_MAP_TYPE_BLOOM_FILTER, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_ARRAY } from "../../src/abi/bpf.gen.ts";
import { FormatError } from "../../src/errors.ts";
import { baseName, parseObject } from "../../src/object/parse.ts";
import type { FunctionSpec, MapSpec, ObjectSpec } from "../../src/object/spec.ts";

function fixture(name: string): ObjectSpec {
  return parseObject(bytesOf(name), { name: `tests/data/${name}` });
}

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../data/${name}`, import.meta.url)));
}

function mapOf(spec: ObjectSpec, name: string): MapSpec {
  const map = spec.maps.find((m) => m.name === name);
  assert(map !== undefined, `no map ${name}`);
  return map;
}

function program(spec: ObjectSpec, name: string): FunctionSpec {
  return [...spec.programs, ...spec.subprograms].find((p) => p.name === name)!;
}

test("parseObject() reads name, license, version and byte order", () => {
  const spec = fixture("object/globals.o");
  assertEquals([spec.name, spec.license, spec.kernelVersion, spec.endian], [
    "globals",
    "Dual MIT/GPL",
    0x060100,
    "little",
  ]);
  assertEquals(baseName("/a/b.c/opensnoop.bpf.o"), "opensnoop");
});

test("parseObject() reads programs with section, row and target", () => {
  const spec = fixture("object/trace_open.o");
  assertEquals(spec.programs.length, 1);
  const [p] = spec.programs;
  assertEquals([p!.name, p!.sectionName, p!.def?.sec, p!.target, p!.autoload], [
    "on_getpid",
    "tracepoint/syscalls/sys_enter_getpid",
    "tracepoint+",
    "syscalls/sys_enter_getpid",
    true,
  ]);
  assert(p!.lines.some((l) => l.text.includes("bpf_ringbuf_reserve") && l.file.endsWith("trace_open.c")));
  assertEquals(spec.btf?.nameOf(p!.btfId), "on_getpid");
});

test("parseObject() tells subprograms from programs and ? from autoload", () => {
  const spec = fixture("object/subprogs.o");
  assertEquals(spec.programs.map((p) => [p.name, p.autoload]), [
    ["returns_5", true],
    ["returns_8", true],
    ["returns_10", true],
    ["not_autoloaded", false],
  ]);
  assertEquals(spec.subprograms.map((s) => [s.name, s.linkage]).sort(), [
    ["leaf", "static"],
    ["middle", "global"],
    ["on_step", "static"],
    ["unused", "global"],
    ["weak_fn", "weak"],
  ]);
});

test("parseObject() finds calls with and without relocation, and addresses of callbacks", () => {
  const spec = fixture("object/subprogs.o");
  const at = (name: string): number => program(spec, name).offset;
  const calls = (name: string): unknown[] =>
    program(spec, name).relocations.filter((r) => r.kind === "call" || r.kind === "func")
      .map((r) => [r.kind, (r as { section: string }).section, (r as { offset: number }).offset]);
  assertEquals(calls("returns_5"), [["call", ".text", at("middle")]]);
  assertEquals(calls("middle"), [["call", ".text", at("leaf")], ["call", ".text", at("leaf")]]);
  assertEquals(calls("returns_10"), [["func", ".text", at("on_step")]]);
});

test("parseObject() reads every member of a map definition", () => {
  const spec = fixture("object/maps.o");
  const typed = mapOf(spec, "typed");
  assertEquals([typed.type, typed.maxEntries, typed.keySize, typed.valueSize, typed.flags, typed.numaNode], [
    BPF_MAP_TYPE_HASH,
    128,
    8,
    24,
    1,
    0,
  ]);
  assertEquals(spec.btf!.nameOf(typed.keyTypeId), "key");
  const sized = mapOf(spec, "sized");
  assertEquals([sized.type, sized.keySize, sized.valueSize, sized.valueTypeId], [BPF_MAP_TYPE_PERCPU_ARRAY, 4, 24, 0]);
  const bloom = mapOf(spec, "bloom");
  assertEquals([bloom.type, bloom.mapExtra, bloom.keySize], [BPF_MAP_TYPE_BLOOM_FILTER, 3n, 0]);
  assertEquals(mapOf(spec, "pinned").pinning, "by_name");
});

test("parseObject() reads maps of maps, program arrays and their slots", () => {
  const spec = fixture("object/maps.o");
  const outer = mapOf(spec, "outer");
  assertEquals([outer.inner?.name, outer.inner?.maxEntries, outer.inner?.valueSize, outer.valueSize], [
    "outer.inner",
    4,
    8,
    4,
  ]);
  assertEquals(outer.slots, [{ index: 0, kind: "map", name: "inner_a" }, { index: 2, kind: "map", name: "inner_b" }]);
  assertEquals(mapOf(spec, "jumps").slots, [{ index: 1, kind: "program", name: "tail_one" }]);
});

test("parseObject() reads legacy maps", () => {
  const spec = fixture("legacy_maps.bpf.o");
  assert(spec.maps.filter((m) => m.kind === "declared").length > 0);
  for (const map of spec.maps.filter((m) => m.kind === "declared")) assert(map.type > 0 && map.maxEntries > 0);
});

test("parseObject() makes one map of each data section, with fixed-up types", () => {
  const spec = fixture("object/globals.o");
  const data = spec.maps.filter((m) => m.section !== undefined);
  assertEquals(data.map((m) => [m.name, m.kind, m.valueSize, m.flags]), [
    [".data", "data", 17, 1024],
    [".rodata", "rodata", 36, 1152],
    [".data.custom", "data", 4, 1024],
    [".rodata.custom", "rodata", 4, 1152],
    [".rodata.only", "rodata", 4, 128],
    [".bss", "bss", 8, 1024],
    [".bss.custom", "bss", 4, 1024],
  ]);
  const datasec = spec.btf!.type(mapOf(spec, ".data").valueTypeId);
  assert(datasec.kind === "DATASEC");
  assertEquals([datasec.size, datasec.vars.map((v) => [spec.btf!.nameOf(v.type), v.offset])], [
    17,
    [["in_data", 0], ["big", 8], ["flag", 16]],
  ]);
  assertEquals(mapOf(spec, ".bss").data, undefined);
  assertEquals(new DataView(mapOf(spec, ".rodata").data!.slice().buffer).getBigUint64(8, true), 5n);
});

test("parseObject() lays out kconfig externs and tells kernel symbols apart", () => {
  const spec = fixture("object/externs.o");
  const externs = new Map(spec.externs.map((e) => [e.name, e]));
  assertEquals(externs.get("CONFIG_ILLEGAL_POINTER_VALUE")?.offset, 0);
  assertEquals(externs.get("CONFIG_DEFAULT_HOSTNAME")?.value, "string");
  assertEquals(externs.get("CONFIG_BPF_JIT")?.value, "tristate");
  assertEquals(externs.get("LINUX_HAS_BPF_COOKIE")?.value, "bool");
  assertEquals([externs.get("bpf_prog_put")?.typeless, externs.get("bpf_prog_put")?.kind], [true, "ksym_var"]);
  assertEquals([externs.get("runqueues")?.typeless, externs.get("runqueues")?.weak], [false, false]);
  assertEquals([externs.get("waggle_no_such_kfunc")?.kind, externs.get("waggle_no_such_kfunc")?.weak], [
    "ksym_func",
    true,
  ]);
  const kconfig = mapOf(spec, ".kconfig");
  const aligned = spec.externs.filter((e) => e.kind === "kconfig").every((e) => e.offset + e.size <= kconfig.valueSize);
  assert(aligned && kconfig.valueSize > 0);
});

test("parseObject() reads the same from both byte orders", () => {
  const view = (spec: ObjectSpec): unknown => ({
    programs: spec.programs.map((p) => [p.name, p.relocations, p.lines.length]),
    maps: spec.maps.map((m) => [m.name, m.type, m.valueSize, m.flags]),
  });
  const big = fixture("globals.eb.bpf.o");
  assertEquals(big.endian, "big");
  assertEquals(view(big), view(fixture("globals.bpf.o")));
});

test("parseObject() makes no lines and no CO-RE records until asked, and the same ones every time", () => {
  const spec = fixture("core_fields.bpf.o");
  const [p] = spec.programs;
  assert(p!.coreRelocations.length > 0);
  assertEquals(p!.coreRelocations, p!.coreRelocations);
  assert(p!.coreRelocations.every((r, i, all) => i === 0 || all[i - 1]!.insn <= r.insn));
});

test("parseObject() refuses what is no BPF object and says why", () => {
  assertThrows(() => parseObject(new TextEncoder().encode("hello"), { name: "x.o" }), FormatError, "x.o: ELF header");
  const bytes = bytesOf("object/trace_open.o");
  bytes[18] = 62; // EM_X86_64
  assertThrows(() => parseObject(bytes), FormatError, "not for BPF");
});

test("parseObject() answers every damaged object with FormatError or a spec", () => {
  const original = bytesOf("object/externs.o");
  let seed = 12345;
  const random = (below: number): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % below;
  for (let round = 0; round < 1500; round++) {
    const bytes = original.slice();
    for (let i = 0; i < 1 + random(4); i++) bytes[random(bytes.length)] = random(256);
    try {
      const spec = parseObject(bytes);
      for (const p of [...spec.programs, ...spec.subprograms]) void [p.lines, p.coreRelocations];
    } catch (error) {
      assert(error instanceof FormatError, `round ${round}: ${(error as Error).stack}`);
    }
  }
});
