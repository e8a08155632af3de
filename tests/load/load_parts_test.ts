import { readFileSync } from "node:fs";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { Btf } from "../../src/btf/btf.ts";
import { BtfBuilder } from "../../src/btf/write.ts";
import { WaggleError } from "../../src/errors.ts";
import type { FeatureName } from "../../src/kernel/features.ts";
import { findArgContexts } from "../../src/load/arg_ctx.ts";
import { kconfigData } from "../../src/load/kconfig_values.ts";
import { dataMapName, kernelName } from "../../src/load/map.ts";
import { ringSize } from "../../src/load/map_params.ts";
import { sanitizeBtf } from "../../src/load/sanitize_btf.ts";
import { explainLog, summarize } from "../../src/load/verifier_log.ts";
import { hintsForLog } from "../../src/load/verifier_hints.ts";
import { parseObject } from "../../src/object/parse.ts";
import { FunctionIndex, reachable } from "../../src/object/relocate.ts";
import type { ExternSpec } from "../../src/object/spec.ts";

test("dataMapName() names data maps as libbpf does", () => {
  assertEquals(dataMapName("my_object_name", ".rodata"), "my_objec.rodata");
  assertEquals(dataMapName("my_object_name", ".bss"), "my_objec.bss");
  assertEquals(dataMapName("my_object_name", ".kconfig"), "my_obje.kconfig");
  assertEquals(dataMapName("x", ".data.foo"), ".data.foo");
  assertEquals(dataMapName("x", ".rodata.abracadabra"), ".rodata.abracad");
  assertEquals(kernelName("has-dash and more"), "has_dash_and_mo");
});

test("ringSize() rounds to pages times a power of two", () => {
  assertEquals(
    [ringSize(0, 4096), ringSize(1, 4096), ringSize(4096, 4096), ringSize(5000, 4096), ringSize(9000, 4096)],
    [
      0,
      4096,
      4096,
      8192,
      16384,
    ],
  );
});

function extern(name: string, value: ExternSpec["value"], size: number, extra: Partial<ExternSpec> = {}): ExternSpec {
  return {
    name,
    kind: "kconfig",
    weak: false,
    btfId: 1,
    size,
    offset: 0,
    typeless: false,
    value,
    signed: false,
    ...extra,
  };
}

test("kconfigData() converts values as libbpf does", () => {
  const data = (
    e: ExternSpec,
    value: string | number | boolean,
  ): number[] => [...kconfigData([e], e.size, { [e.name]: value })];
  assertEquals(data(extern("CONFIG_A", "bool", 1), "y"), [1]);
  assertEquals(data(extern("CONFIG_A", "bool", 1), false), [0]);
  assertEquals(data(extern("CONFIG_A", "tristate", 4), "m"), [2, 0, 0, 0]);
  assertEquals(data(extern("CONFIG_A", "char", 1), "m"), ["m".charCodeAt(0)]);
  assertEquals(data(extern("CONFIG_A", "int", 4), 0x1234), [0x34, 0x12, 0, 0]);
  assertEquals(data(extern("CONFIG_A", "int", 2, { signed: true }), -2), [0xfe, 0xff]);
  assertEquals(data(extern("CONFIG_A", "int", 8), "0xdead000000000000"), [0, 0, 0, 0, 0, 0, 0xad, 0xde]);
  assertEquals(data(extern("CONFIG_A", "string", 4), "abcdef"), [97, 98, 99, 0]);
});

test("kconfigData() refuses what does not fit", () => {
  const given = (e: ExternSpec, value: string | number): () => unknown => () =>
    kconfigData([e], e.size, { [e.name]: value });
  assertThrows(given(extern("CONFIG_A", "int", 2), 70000), RangeError, "does not fit 2 bytes");
  assertThrows(given(extern("CONFIG_A", "int", 2, { signed: true }), 40000), RangeError, "does not fit");
  assertThrows(given(extern("CONFIG_A", "bool", 1), "m"), WaggleError, "needs type");
  assertThrows(given(extern("CONFIG_A", "int", 4), "text"), WaggleError, "needs type char array");
  assertThrows(() => kconfigData([extern("NO_CONFIG", "int", 4)], 4), WaggleError, "NO_CONFIG");
});

/** One type of each kind that kernels did not always have. */
function modernBtf(): Btf {
  const b = new BtfBuilder();
  const int = b.add({
    kind: "INT",
    name: "int",
    size: 4,
    bits: 32,
    bitOffset: 0,
    signed: true,
    char: false,
    bool: false,
  });
  const v = b.add({ kind: "VAR", name: "v", type: int, linkage: "global" });
  b.add({ kind: "DATASEC", name: "?.data", size: 4, vars: [{ type: v, offset: 0, size: 4 }] });
  b.add({ kind: "FLOAT", name: "double", size: 8 });
  b.add({ kind: "DECL_TAG", name: "tag", type: v, component: -1, kflag: false });
  b.add({ kind: "PTR", name: "", type: b.add({ kind: "TYPE_TAG", name: "user", type: int, kflag: false }) });
  b.add({ kind: "ENUM64", name: "e", size: 8, signed: false, values: [{ name: "A", value: 1n << 40n }] });
  const proto = b.add({ kind: "FUNC_PROTO", name: "", type: int, params: [{ name: "x", type: int }] });
  b.add({ kind: "FUNC", name: "f", type: proto, linkage: "global" });
  return b.build();
}

function kinds(bytes: Uint8Array, count: number): string[] {
  const btf = Btf.parse(bytes);
  return Array.from({ length: count }, (_, i) => btf.type(i + 1).kind);
}

test("sanitizeBtf() hands over what the kernel knows as it is", () => {
  const btf = modernBtf();
  assert(sanitizeBtf(btf, () => true) === btf.bytes);
});

test("sanitizeBtf() replaces what the kernel lacks, keeping ids", () => {
  const btf = modernBtf();
  const count = btf.typeCount - 1;
  const without = (...lacks: FeatureName[]): string[] =>
    kinds(sanitizeBtf(btf, (name) => !lacks.includes(name)), count);
  const original = kinds(btf.bytes, count);
  const replaced = (lacks: FeatureName): [string, string][] =>
    without(lacks).flatMap((kind, i): [string, string][] => (kind === original[i] ? [] : [[original[i]!, kind]]));
  assertEquals(replaced("btf_datasec"), [["VAR", "INT"], ["DATASEC", "STRUCT"]]);
  assertEquals(replaced("btf_float"), [["FLOAT", "STRUCT"]]);
  assertEquals(replaced("btf_decl_tag"), [["DECL_TAG", "INT"]]);
  assertEquals(replaced("btf_type_tag"), [["TYPE_TAG", "CONST"]]);
  assertEquals(replaced("btf_enum64"), [["ENUM64", "UNION"]]);
  assertEquals(replaced("btf_func"), [["FUNC_PROTO", "ENUM"], ["FUNC", "TYPEDEF"]]);
  const named = Btf.parse(sanitizeBtf(btf, (name) => name !== "btf_qmark_datasec"));
  assertEquals(named.find("_.data", "DATASEC"), 3);
  const local = Btf.parse(sanitizeBtf(btf, (name) => name !== "btf_global_func"));
  const f = local.type(local.find("f", "FUNC")!);
  assert(f.kind === "FUNC" && f.linkage === "static");
});

test("sanitizeBtf() turns kernel symbols into variables the kernel accepts", () => {
  const b = new BtfBuilder();
  const proto = b.add({ kind: "FUNC_PROTO", name: "", type: 0, params: [{ name: "", type: b.nextId + 1 }] });
  b.add({ kind: "PTR", name: "", type: 0 });
  const kfunc = b.add({ kind: "FUNC", name: "kfunc", type: proto, linkage: "extern" });
  const variable = b.add({ kind: "VAR", name: "jiffies", type: 0, linkage: "extern" });
  b.add({
    kind: "DATASEC",
    name: ".ksyms",
    size: 0,
    vars: [{ type: kfunc, offset: 0, size: 0 }, { type: variable, offset: 0, size: 0 }],
  });
  const btf = Btf.parse(sanitizeBtf(b.build(), () => true));
  const datasec = btf.type(btf.find(".ksyms", "DATASEC")!);
  assert(datasec.kind === "DATASEC");
  assertEquals([datasec.size, datasec.vars.map((v) => [btf.type(v.type).kind, v.offset, v.size])], [
    8,
    [["VAR", 0, 4], ["VAR", 4, 4]],
  ]);
  const f = btf.type(kfunc);
  assert(f.kind === "FUNC" && f.linkage === "global");
  const p = btf.type(f.type);
  assert(p.kind === "FUNC_PROTO" && p.params[0]!.name !== "");
});

test("findArgContexts() gives each program type its own copy of a tagged function", () => {
  const spec = parseObject(new Uint8Array(readFileSync(new URL("../data/object/arg_ctx.o", import.meta.url))));
  const btf = spec.btf!;
  const index = new FunctionIndex(spec);
  const contexts = findArgContexts(btf, spec.programs, (p) => reachable(index, p))!;
  const bytes = sanitizeBtf(btf, () => true, { types: contexts.types });
  const loaded = Btf.parse(bytes);
  const output = spec.subprograms.find((f) => f.name === "output")!;
  const firstParameter = (program: string): string => {
    const p = spec.programs.find((found) => found.name === program)!;
    const func = loaded.type(contexts.btfId(p, output));
    assert(func.kind === "FUNC" && func.name === "output" && func.linkage === "global");
    const proto = loaded.type(func.type);
    assert(proto.kind === "FUNC_PROTO" && proto.params.length === 2);
    const pointer = loaded.type(proto.params[0]!.type);
    assert(pointer.kind === "PTR");
    return loaded.nameOf(pointer.type);
  };
  assertEquals([firstParameter("from_raw_tp"), firstParameter("from_xdp")], ["bpf_raw_tracepoint_args", "xdp_md"]);
  const [main] = spec.programs;
  assertEquals(contexts.btfId(main!, main!), main!.btfId);
});

test("summarize() keeps the complaint and the source line before it", () => {
  const log = [
    "func#0 @0",
    "; int x = 1; @ a.c:3",
    "0: (b4) w0 = 1",
    "; return *p; @ a.c:4",
    "1: (79) r0 = *(u64 *)(r1 +0)",
    "R1 invalid mem access 'scalar'",
    "processed 2 insns (limit 1000000) max_states_per_insn 0",
    "",
  ];
  const text = summarize(log);
  assertStringIncludes(text, "; return *p; @ a.c:4\n1: (79)");
  assertStringIncludes(text, "R1 invalid mem access 'scalar'");
  assertEquals(text.includes("processed"), false);
  assertEquals(text.includes("int x"), false);
});

test("explainLog() takes reason and suggestion from the report of Linux 7.3, and leaves its drawings to the log", () => {
  const raw = [
    "; return *value; @ core_guard.c:64",
    "1: (71) r0 = *(u8 *)(r1 +0)",
    "R1 some new complaint",
    "",
    "Verification failed: Register Type Safety: Invalid dereference",
    "",
    "Reason:",
    "  R1 is an integer scalar here.",
    "",
    "At:",
    "  f @ core_guard.c:64:9",
    "",
    "Suggestion:",
    "  Preserve a pointer-valued",
    "  register.",
    "",
    "processed 2 insns (limit 1000000)",
  ].join("\n");
  const nothing = { core: () => undefined, map: () => undefined, extern: () => undefined };
  const { summary, hint, log } = explainLog(raw, 13, nothing);
  assertEquals(summary.split("\n"), [
    "; return *value; @ core_guard.c:64",
    "1: (71) r0 = *(u8 *)(r1 +0)",
    "R1 some new complaint",
    "Verification failed: Register Type Safety: Invalid dereference",
    "R1 is an integer scalar here.",
  ]);
  assertEquals([hint, log], ["Preserve a pointer-valued register.", raw]);
});

test("hintsForLog() explains what is known and stays silent otherwise", () => {
  assertStringIncludes(hintsForLog("5: ...\nUnreleased reference id=2 alloc_insn=4")!, "released");
  assertStringIncludes(hintsForLog("R1 invalid mem access 'map_value_or_null'")!, "null");
  assertEquals(hintsForLog("something never seen"), undefined);
});
