import { assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { jumpTableObject } from "../support/jump_table_object.ts";
import { FormatError } from "../../src/errors.ts";
import { parseObject } from "../../src/object/parse.ts";
import { FunctionIndex, relocateProgram } from "../../src/object/relocate.ts";
import { InsnView } from "../../src/asm/insn.ts";
import { BPF_PSEUDO_MAP_VALUE } from "../../src/abi/defines.ts";

test("relocateProgram() makes a jump table's entries relative to the program, in functions too", () => {
  const spec = parseObject(jumpTableObject());
  const program = spec.programs.find((p) => p.name === "switched")!;
  const tables: [number, readonly number[]][] = [];
  const code = relocateProgram(spec, new FunctionIndex(spec), program, {
    mapFd: () => 0,
    extern: () => ({ kind: "missing" }),
    code: (fn) => fn.insns,
    jumpTable: (table, targets) => {
      tables.push([table, targets]);
      return 40 + tables.length;
    },
  });
  const view = new InsnView(code.insns);
  assertEquals(tables.map(([table]) => table), [0, 32]);
  const returned = tables.map(([, targets]) => targets.map((slot) => view.imm(slot)));
  assertEquals(returned, [[10, 11, 12, 13], [100, 200, 300, 400]]);
  const loads = [...Array(view.count).keys()].filter((slot) => view.isLdImm64(slot));
  assertEquals(loads.map((slot) => [view.src(slot), view.off(slot), view.imm(slot), view.imm(slot + 1)]), [
    [BPF_PSEUDO_MAP_VALUE, 0, 41, 0],
    [BPF_PSEUDO_MAP_VALUE, 0, 42, 0],
  ]);
});

test("parseObject() refuses jump tables that lead out of their function", () => {
  for (const wrong of [0n, 8n, 17n, 1n << 20n, 1n << 63n]) {
    const bytes = jumpTableObject((entries) => entries[2] = wrong);
    assertThrows(() => parseObject(bytes), FormatError, '"BPF.JT.0.0": entry 2 leads to no instruction of function');
  }
});
