import { assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { jumpTableObject } from "../support/jump_table_object.ts";
import { FormatError } from "../../src/errors.ts";
import { parseObject } from "../../src/object/parse.ts";
import { FunctionIndex, relocateProgram } from "../../src/object/relocate.ts";
import { InsnView } from "../../src/asm/insn.ts";
import { BPF_PSEUDO_MAP_VALUE } from "../../src/abi/defines.ts";
import { SHT_SYMTAB } from "../../src/abi/elf.ts";
import { readElf } from "../../src/object/elf.ts";

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

test("parseObject() leaves entries that lead out of their function to the verifier, as libbpf does", () => {
  const spec = parseObject(jumpTableObject((entries) => entries[2] = 8n));
  const [, switched] = spec.programs;
  const table = switched!.relocations.find((r) => r.kind === "jump_table")!;
  assertEquals(table.targets[2], -1);
});

test("parseObject() refuses jump tables that are not in their section", () => {
  const bytes = jumpTableObject();
  // The size of the first table's symbol, four entries, becomes one of nine: the section has eight.
  const at = symbolSize(bytes, "BPF.JT.0.0");
  for (
    const [size, text] of [[72, "ends at byte 72, but the section has only 64"], [
      4,
      "are not those of entries",
    ]] as const
  ) {
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at, BigInt(size), true);
    assertThrows(() => parseObject(bytes), FormatError, text);
  }
});

/** Place of `st_size` of a symbol in the file. */
function symbolSize(bytes: Uint8Array, name: string): number {
  const elf = readElf(bytes);
  const index = [...elf.symbols].find((s) => s.name === name)!.index;
  return elf.sections.find((s) => s.type === SHT_SYMTAB)!.offset + index * 24 + 16;
}
