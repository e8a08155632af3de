/** Random TypeScript against the interpreter: plain JavaScript says what the result must be. */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { u64 } from "../../src/bytes/scalars.ts";
import { compileScript } from "../compiler/support/compile.ts";
import { minify } from "../compiler/support/minify.ts";
import { runInVm } from "../compiler/support/run.ts";
import { test } from "../support/harness.ts";
import { randomProgram, randomWords } from "./typescript_random.ts";

/** `WAGGLE_FUZZ=5000` runs more of them. */
const PROGRAMS = Number(process.env["WAGGLE_FUZZ"] ?? 150);
const MINIFIED = Math.ceil(PROGRAMS / 4);

function check(seed: number, text: string): void {
  const { globals, run } = randomProgram(seed);
  const script = { globals: Object.fromEntries(globals.map((name) => [name, u64])), programs: { "raw_tp:test": text } };
  const output = compileScript(script);
  for (const words of [randomWords(seed), randomWords(seed + 7_919)]) {
    const wanted = run(words);
    const { result, machine } = runInVm(output, words);
    const after = new BigUint64Array(machine.contents(".bss").slice().buffer);
    assertEquals(
      { result, globals: [...after] },
      { result: wanted.result, globals: wanted.globals },
      `seed ${seed}, words ${words.join(", ")}:\n${text}`,
    );
  }
}

test(`${PROGRAMS} random programs compute what JavaScript computes`, () => {
  for (let seed = 1; seed <= PROGRAMS; seed++) check(seed, randomProgram(seed).text);
});

for (const bundler of ["esbuild", "bun"] as const) {
  test(`${MINIFIED} random programs mean the same after ${bundler} --minify`, async () => {
    const seeds = Array.from({ length: MINIFIED }, (_, i) => 5_000 + i);
    const texts = await minify(bundler, seeds.map((seed) => randomProgram(seed).text));
    seeds.forEach((seed, i) => check(seed, texts[i]!));
  });
}
