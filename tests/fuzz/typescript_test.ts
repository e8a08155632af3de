/**
 * Random TypeScript against the interpreter: plain JavaScript says what must come out. `WAGGLE_FUZZ=20000` runs more
 * programs, `WAGGLE_FUZZ_SEED=7` others; tests/fuzz/typescript.ts is the long run.
 */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { test } from "../support/harness.ts";
import { minifiedPrograms, reportOf } from "./typescript/check.ts";

const PROGRAMS = Number(process.env["WAGGLE_FUZZ"] ?? 800);
const FIRST = Number(process.env["WAGGLE_FUZZ_SEED"] ?? 1) * 1_000_000;
/** Programs of one test, and those that are minified together. */
const BATCH = 100;

for (let from = FIRST; from < FIRST + PROGRAMS; from += BATCH) {
  test(`random programs ${from} to ${from + BATCH - 1} compute what JavaScript computes`, () => {
    for (let i = 0; i < BATCH; i++) {
      // The checks of the IR between passes cost as much as the passes.
      const options = { cpu: ([3, 4, 2, 1] as const)[i % 4]!, optimize: i % 8 !== 7, verify: i % 4 === 0 };
      assertEquals(reportOf(from + i, { ...options, oldVerifiers: i % 3 === 0 }), undefined);
    }
  });
}

for (const [at, bundler] of (["esbuild", "bun"] as const).entries()) {
  for (let done = 0; done < PROGRAMS / 8; done += BATCH) {
    const from = FIRST + (at + 1) * PROGRAMS + done;
    test(`random programs ${from} to ${from + BATCH - 1} mean the same after ${bundler} --minify`, async () => {
      const seeds = Array.from({ length: BATCH }, (_, i) => from + i);
      const minified = await minifiedPrograms(bundler, seeds);
      seeds.forEach((seed, i) => assertEquals(reportOf(seed, { minified: minified[i]!, verify: false }), undefined));
    });
  }
}
