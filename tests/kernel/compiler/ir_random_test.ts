/** Random IR programs in the kernel: none may be refused by the verifier, and memory and result are what the IR says. */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { kernelTest } from "../../support/harness.ts";
import { compileSeed, evaluateSeed } from "../../support/ir_compare.ts";
import { KernelRunner } from "../../support/ir_kernel.ts";
import { kernelAtLeast } from "../../support/needs.ts";

/** Programs of one test. Guests are emulated, and 20 to 50 times slower. */
const COUNT = process.env["WAGGLE_REFERENCE_KERNEL"] === "1" ? 60 : 300;

for (const first of [1, 301, 601, 901]) {
  for (const optimize of [false, true]) {
    const what = `random IR programs ${first} to ${first + COUNT - 1}${optimize ? "" : ", not optimised"}`;
    // BPF_PROG_TYPE_SYSCALL came with 5.14.
    kernelTest(`the verifier accepts ${what}, and they do what the IR says`, { needs: ["kernel:5.14"] }, () => {
      using runner = new KernelRunner();
      const oldVerifiers = !kernelAtLeast("6.8");
      for (let seed = first; seed < first + COUNT; seed++) {
        const code = compileSeed(seed, { cpu: seed % 2 === 0 ? 3 : 2, optimize, oldVerifiers });
        assertEquals(runner.compare(seed, code, evaluateSeed(seed)), undefined, `seed ${seed}`);
      }
    });
  }
}
