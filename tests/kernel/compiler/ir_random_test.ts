/** Random IR programs in the kernel: none may be refused by the verifier, and memory and result are what the IR says. */
import { compileSeed, evaluateSeed } from "../../support/ir_compare.ts";
import { KernelRunner } from "../../support/ir_kernel.ts";
import { assertEquals } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";

/** Programs of one test: few enough for kernels under emulation, which are 20 to 50 times slower. */
const COUNT = 300;

for (const first of [1, 301, 601, 901]) {
  for (const optimize of [false, true]) {
    const what = `random IR programs ${first} to ${first + COUNT - 1}${optimize ? "" : ", not optimised"}`;
    // BPF_PROG_TYPE_SYSCALL came with 5.14, but verifiers before 6.8 forget a bound that was checked on a spilled value
    // when it is loaded again, and refuse some programs that optimising leaves with few registers.
    kernelTest(`the verifier accepts ${what}, and they do what the IR says`, {
      needs: [optimize ? "kernel:6.8" : "kernel:5.14"],
    }, () => {
      using runner = new KernelRunner();
      for (let seed = first; seed < first + COUNT; seed++) {
        const code = compileSeed(seed, { cpu: seed % 2 === 0 ? 3 : 2, optimize });
        assertEquals(runner.compare(seed, code, evaluateSeed(seed)), undefined, `seed ${seed}`);
      }
    });
  }
}
