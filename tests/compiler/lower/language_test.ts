import { assertEquals } from "@std/assert";
import { test } from "../../support/harness.ts";
import { compileScript } from "../support/compile.ts";
import { minify } from "../support/minify.ts";
import { runInVm } from "../support/run.ts";
import { type Case, CASES } from "./language_cases.ts";

function run(item: Case, text: string, optimize: boolean): bigint {
  const { globals = {}, functions = {}, words = [] } = item;
  const output = compileScript({ globals, functions, programs: { "raw_tp:test": text } }, undefined, { optimize });
  return runInVm(output, words).result;
}

for (const item of CASES) {
  test(`the language: ${item.name}`, () => {
    assertEquals(run(item, item.fn.toString(), true), item.expect, "optimised");
    assertEquals(run(item, item.fn.toString(), false), item.expect, "not optimised");
  });
}

for (const bundler of ["esbuild", "bun"] as const) {
  test(`the language: every case means the same after ${bundler} --minify`, async () => {
    const texts = await minify(bundler, CASES.map((item) => item.fn.toString()));
    for (const [i, item] of CASES.entries()) {
      assertEquals(run(item, texts[i]!, true), item.expect, `${item.name}: ${texts[i]}`);
    }
  });
}
