import { readFileSync } from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { readElf } from "../../src/object/elf.ts";
import { writeObject } from "../../src/object/object_write.ts";
import { parseObject } from "../../src/object/parse.ts";
import type { MapSpec, ObjectSpec } from "../../src/object/spec.ts";

function fixture(name: string): ObjectSpec {
  return parseObject(new Uint8Array(readFileSync(new URL(`../data/${name}`, import.meta.url))), { name });
}

/** What must survive writing; ids of types that only define maps may change. */
function essence(spec: ObjectSpec): unknown {
  const name = (
    id: number,
  ): string => (id === 0 || spec.btf === undefined ? "" : `${spec.btf.type(id).kind} ${spec.btf.nameOf(id)}`);
  const mapOf = (m: MapSpec): unknown => ({
    ...m,
    valueTypeId: name(m.valueTypeId),
    keyTypeId: name(m.keyTypeId),
    inner: m.inner === undefined ? undefined : mapOf(m.inner),
    data: m.data === undefined ? undefined : [...m.data],
    structOps: m.structOps && { ...m.structOps, typeId: name(m.structOps.typeId) },
  });
  const byName = <T extends { name: string }>(list: readonly T[]): T[] =>
    list.toSorted((a, b) => a.name < b.name ? -1 : 1);
  return {
    license: spec.license,
    kernelVersion: spec.kernelVersion,
    programs: spec.programs.map((p) => ({
      name: p.name,
      section: p.sectionName,
      autoload: p.autoload,
      linkage: p.linkage,
      length: p.insns.length,
      lines: p.lines,
      core: p.coreRelocations,
      btf: name(p.btfId),
      relocations: p.relocations.map((r) => ({
        ...r,
        offset: "offset" in r && r.kind !== "call" && r.kind !== "func" ? r.offset : 0,
      })),
    })),
    subprograms: spec.subprograms.map((p) => [p.name, p.linkage, p.insns.length, p.lines.length]),
    maps: byName(spec.maps).map(mapOf),
    externs: spec.externs.map((e) => ({ ...e, btfId: name(e.btfId) })),
  };
}

const FIXTURES = [
  "object/trace_open.o",
  "object/subprogs.o",
  "object/maps.o",
  "object/globals.o",
  "object/externs.o",
  "core_fields.bpf.o",
  "core_enums.bpf.o",
  "maps_basic.bpf.o",
  "kfuncs.bpf.o",
];

for (const name of FIXTURES) {
  test(`writeObject() writes ${name} so that reading gives the same object`, () => {
    const spec = fixture(name);
    const again = parseObject(writeObject(spec), { name });
    assertEquals(essence(again), essence(spec));
  });
}

test("writeObject() writes what clang writes: sections by name, local symbols first", () => {
  const elf = readElf(writeObject(fixture("object/maps.o")));
  assertEquals(elf.sections.slice(1).map((s) => s.name), [
    "license",
    ".maps",
    "socket",
    ".BTF",
    ".BTF.ext",
    ".rel.maps",
    ".relsocket",
    ".symtab",
    ".strtab",
  ]);
  const binds = [...elf.symbols].map((s) => s.bind);
  assertEquals(binds, binds.toSorted());
});

test("writeObject() refuses references to what the object does not have", () => {
  const spec = fixture("object/maps.o");
  const outer = spec.maps.find((m) => m.name === "outer")!;
  outer.slots = [{ index: 0, kind: "map", name: "nowhere" }];
  assertThrows(() => writeObject(spec), TypeError, `there is no map "nowhere"`);
});
