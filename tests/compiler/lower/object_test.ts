/** The object: what the compiler makes equals what the ELF reader makes of the file it is written to. */
import { assertEquals } from "@std/assert";
import { array, str, struct } from "../../../src/bytes/composites.ts";
import { bool, i32, u16, u32, u64 } from "../../../src/bytes/scalars.ts";
import { writeObject } from "../../../src/object/object_write.ts";
import { parseObject } from "../../../src/object/parse.ts";
import type { FunctionSpec, MapSpec } from "../../../src/object/spec.ts";
import { test } from "../../support/harness.ts";
import { compileScript, map, type Script } from "../support/compile.ts";

const SCRIPT: Script = {
  maps: {
    started: map("hash", { key: { a: u16, b: u64 }, value: { path: u64, on: bool, names: array(str(4), 2) } }),
    ring: map("ringbuf", { value: { id: u32 }, maxEntries: 4096 }),
    latency: map("histogram", { key: u32, maxEntries: 64 }),
    stacks: map("stack_trace", { maxEntries: 16 }),
    jumps: map("prog_array", { maxEntries: 4, slots: [{ index: 1, program: "raw_tp:b" }] }),
    pinned: map("array", { key: u32, value: i32, maxEntries: 2, pinned: true }),
  },
  globals: {
    zero: u32,
    limit: { layout: u32, initial: 7, constant: true },
    start: { layout: u64, initial: 9n, constant: false },
    point: struct({ x: u32, y: u16 }, "point"),
  },
  functions: { twice: "($, n) => n * 2 + $.limit" },
  programs: {
    "raw_tp:a":
      "(ctx, { started, ring, twice, start, print, comm }) => { const s = started.get({ a: 1, b: twice(ctx.arg0) }); if (s) s.path = start; ring.emit({ id: 5 }); print(`from ${comm()}`); return 0; }",
    "raw_tp:b":
      "(ctx, { latency, zero, jumps, stacks, point }) => { latency.add(zero, ctx.arg0); point.x++; if (stacks.kernel() > 0) jumps.call(1); }",
    "xdp": "(ctx, { XDP_PASS }) => XDP_PASS",
  },
};

function functionFacts(fn: FunctionSpec): unknown {
  const { name, section, offset, linkage, relocations, coreRelocations, btfId } = fn;
  const lines = fn.lines.map(({ insn, line, column, text, file }) => ({ insn, line, column, text, file }));
  return { name, section, offset, linkage, insns: [...fn.insns], relocations, coreRelocations, btfId, lines };
}

function mapFacts({ data, slots, ...rest }: MapSpec): unknown {
  return { ...rest, data: data === undefined ? undefined : [...data], slots };
}

test("compile() gives what the ELF reader gives for the written object", () => {
  const { spec } = compileScript(SCRIPT);
  const back = parseObject(writeObject(spec), { name: "test.o" });
  assertEquals(back.programs.map(functionFacts), spec.programs.map(functionFacts));
  assertEquals(back.subprograms.map(functionFacts), spec.subprograms.map(functionFacts));
  assertEquals(
    back.programs.map((p) => [p.sectionName, p.target, p.autoload, p.def?.sec]),
    spec.programs.map((p) => [p.sectionName, p.target, p.autoload, p.def?.sec]),
  );
  const bySection = (maps: readonly MapSpec[]): unknown[] => maps.map(mapFacts);
  assertEquals(bySection(back.maps), bySection(spec.maps));
  assertEquals([back.name, back.license, back.endian], [spec.name, spec.license, spec.endian]);
});

test("line info points at the function's lines", () => {
  const { spec } = compileScript({
    programs: { "raw_tp:a": "(ctx) => {\n  const a = ctx.arg0 * 3;\n  return a / ctx.arg1;\n}" },
  });
  const { lines } = spec.programs[0]!;
  assertEquals(lines.map((l) => l.line).includes(2) && lines.map((l) => l.line).includes(3), true);
  assertEquals(lines.find((l) => l.line === 3)?.text, "  return a / ctx.arg1;");
});

test("an object without maps, globals or functions has none", () => {
  const { spec } = compileScript({ programs: { "xdp": "(ctx) => 2" } });
  assertEquals([spec.maps, spec.externs, spec.subprograms, spec.programs.length], [[], [], [], 1]);
});
