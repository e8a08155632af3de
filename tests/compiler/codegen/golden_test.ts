/** Machine code of small functions: `*.ir` in this folder. The header gives the ISA version and whether to optimise. */
import { decodeInsns } from "../../../src/asm/insn.ts";
import { disassemble } from "../../../src/asm/text.ts";
import { compileFunction } from "../../../src/compiler/codegen/codegen.ts";
import { parseIr } from "../../../src/compiler/ir/parse.ts";
import { goldenFiles } from "../../support/ir_golden.ts";

goldenFiles(new URL("./", import.meta.url), "compileFunction()", (header, input) => {
  const [cpu, ...rest] = header.split(/,\s*/);
  return parseIr(input).map((fn) => {
    const { name } = fn;
    const code = compileFunction(fn, {
      cpu: Number(cpu) as 1 | 2 | 3 | 4,
      optimize: !rest.includes("not optimised"),
      verify: true,
    });
    const notes = [
      ...code.relocations.map((r) => `; ${JSON.stringify(r)}`),
      ...code.coreRelocations.map((r) => `; ${JSON.stringify(r)}`),
    ];
    const text = disassemble(decodeInsns(code.insns)).trimEnd();
    return [`${name}: ${code.insns.length / 8} slots, ${code.stackBytes} bytes of stack`, text, ...notes].join("\n") +
      "\n";
  }).join("\n");
});
