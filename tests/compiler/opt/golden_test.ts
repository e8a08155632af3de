/** Each pass on small functions: `*.ir` in this folder. The header names the passes. */
import { parseIr } from "../../../src/compiler/ir/parse.ts";
import { printFunction } from "../../../src/compiler/ir/text.ts";
import { verifyFunction } from "../../../src/compiler/ir/verify.ts";
import { PASSES } from "../../../src/compiler/opt/pipeline.ts";
import { goldenFiles } from "../../support/ir_golden.ts";

goldenFiles(new URL("./", import.meta.url), "optimize()", (header, input) => {
  const names = header.split(/,\s*/);
  return parseIr(input).map((fn) => {
    verifyFunction(fn, "parsing");
    for (const name of ["order", "leaves", ...names]) {
      const pass = PASSES.find((p) => p.name === name);
      if (pass === undefined) throw new Error(`No pass "${name}"`);
      pass.run(fn, { cpu: 3, optimize: true, after: () => {} });
      verifyFunction(fn, name);
    }
    return printFunction(fn);
  }).join("\n");
});
