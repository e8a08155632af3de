import { assertEquals, assertThrows } from "@std/assert";
import { array } from "../../src/bytes/composites.ts";
import { u32, u64 } from "../../src/bytes/scalars.ts";
import type { CompileFacts } from "../../src/compiler/definitions.ts";
import { WaggleError } from "../../src/errors.ts";
import { hash } from "../../src/script/kinds.ts";
import { prepare, type WrittenDefinition } from "../../src/script/prepare.ts";
import { test } from "../support/harness.ts";

const FACTS: CompileFacts = {
  arch: "x86_64",
  kernelBtf: undefined,
  tracepoint: () => undefined,
  portable: true,
  cpu: 3,
  has: () => true,
  pageSize: 4096,
  possibleCpus: 1,
};

const SITE = { file: "/home/me/my-tool.bpf.ts", line: 1, column: 1, fileText: "" };

test("prepare() collects maps, globals, types, functions and programs", () => {
  const { input, hooks } = prepare(
    {
      maps: { seen: hash(u32, u32) },
      globals: { target: u32 },
      types: { Pair: { a: u32, b: u32 } },
      functions: { twice: (_: unknown, x: number) => 2 * x },
      programs: {
        "tracepoint:sched:sched_switch"() {},
        "kprobe:a, kprobe:b": () => 0,
      },
    },
    SITE,
    FACTS,
  );
  assertEquals([input.name, input.license], ["my_tool", "GPL"]);
  assertEquals(input.globals["target"]?.layout, u32);
  assertEquals(input.types["Pair"]?.size, 8);
  assertEquals(input.functions["twice"]?.text.includes("2 * x"), true);
  assertEquals(input.programs.map(({ key, section, name }) => [key, section, name]), [
    ["tracepoint:sched:sched_switch", "tracepoint/sched/sched_switch", "sched_switch"],
    ["kprobe:a, kprobe:b", "kprobe/a", "a"],
    ["kprobe:a, kprobe:b", "kprobe/b", "b"],
  ]);
  assertEquals(hooks.map((hook) => hook.key), input.programs.map((program) => program.key));
  assertEquals(prepare({ programs: {} }, undefined, FACTS).input.name, "waggle");
});

const WRONG: readonly [string, WrittenDefinition, string][] = [
  ["an unknown part", { programs: {}, map: {} } as unknown as WrittenDefinition, `"map" is none of`],
  [
    "a name in two parts",
    { maps: { a: hash(u32, u32) }, globals: { a: u32 }, programs: {} },
    `two things are called "a"`,
  ],
  ["a name that C has not", { globals: { "a-b": u32 }, programs: {} }, `the name "a-b"`],
  [
    "a schema under maps",
    { maps: { last: array(u64, 4) }, programs: {} } as unknown as WrittenDefinition,
    `"last" under maps is no map`,
  ],
  ["a program that is no function", { programs: { xdp: 5 } }, `program "xdp": it is not a function`],
];

for (const [what, definition, message] of WRONG) {
  test(`prepare() refuses ${what}`, () => {
    assertThrows(() => prepare(definition, undefined, FACTS), TypeError, message);
  });
}

test("prepare() refuses functions without source", () => {
  const bound = (() => 0).bind(null);
  assertThrows(() => prepare({ programs: { xdp: bound } }, undefined, FACTS), WaggleError, "its source is not there");
});
