import { assertEquals } from "@std/assert";
import { CASES } from "../../compiler/lower/language_cases.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { kernelTest } from "../../support/harness.ts";

for (const { name, fn, words = [], expect, globals = {}, functions = {} } of CASES) {
  kernelTest(`the language in the kernel: ${name}`, {}, () => {
    using loaded = new Loaded({ globals, functions, programs: { "raw_tp:waggle": fn } });
    assertEquals(BigInt(loaded.run(words.length === 0 ? [0n] : words).retval), BigInt.asUintN(32, expect));
  });
}
