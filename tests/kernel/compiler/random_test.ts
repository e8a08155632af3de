/**
 * Random TypeScript in the kernel: the verifier takes it, and it computes what JavaScript computes. `WAGGLE_FUZZ=20000` runs
 * more programs, `WAGGLE_FUZZ_SEED=7` others; `tests/fuzz/typescript.ts --kernel` is the long run.
 */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { reportOf } from "../../fuzz/typescript/check.ts";
import { KernelRunner } from "../../fuzz/typescript/kernel.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";

/** Guests are emulated, and 20 to 50 times slower. */
const inGuest = process.env["WAGGLE_REFERENCE_KERNEL"] === "1";
const PROGRAMS = Number(process.env["WAGGLE_FUZZ"] ?? (inGuest ? 60 : 600));
const FIRST = Number(process.env["WAGGLE_FUZZ_SEED"] ?? 1) * 1_000_000 + 500_000;
/** Programs of one test. */
const BATCH = inGuest ? 20 : 100;
/** Every so many programs find no iterators and run their loops through bpf_loop. */
const OUTLINED = 5;

for (let from = FIRST; from < FIRST + PROGRAMS; from += BATCH) {
  kernelTest(`random programs ${from} to ${from + BATCH - 1} run in the kernel as JavaScript says`, {}, () => {
    using plain = new KernelRunner();
    using outlined = new KernelRunner("bpf_iter_num_new");
    const refusals = kernelAtLeast("5.17") ? [] : ["unbounded-loop"];
    for (let i = 0; i < BATCH; i++) {
      const kernel = i % OUTLINED === OUTLINED - 1 && kernelAtLeast("5.17") ? outlined : plain;
      assertEquals(reportOf(from + i, { kernel, verify: false, refusals }), undefined);
    }
  });
}
