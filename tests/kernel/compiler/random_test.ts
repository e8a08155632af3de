/** Random TypeScript in the kernel: the verifier takes it, and it computes what JavaScript computes. */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { u64 } from "../../../src/bytes/scalars.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { randomProgram, randomWords } from "../../fuzz/typescript_random.ts";
import { kernelTest } from "../../support/harness.ts";

/** `WAGGLE_FUZZ=5000` runs more of them. */
const PROGRAMS = Number(process.env["WAGGLE_FUZZ"] ?? 60);

kernelTest(`${PROGRAMS} random programs run in the kernel as JavaScript says`, {}, () => {
  for (let seed = 20_001; seed <= 20_000 + PROGRAMS; seed++) {
    const { text, globals, run } = randomProgram(seed);
    using loaded = new Loaded({
      globals: Object.fromEntries(globals.map((name) => [name, u64])),
      programs: { "raw_tp:waggle": text },
    });
    const words = randomWords(seed);
    const wanted = run(words);
    assertEquals(BigInt(loaded.run(words).retval), BigInt.asUintN(32, wanted.result), `seed ${seed}:\n${text}`);
    const after = globals.map((name) => new BigUint64Array((loaded.global(name) as Uint8Array).slice().buffer)[0]!);
    assertEquals(after, [...wanted.globals], `seed ${seed}:\n${text}`);
  }
});
