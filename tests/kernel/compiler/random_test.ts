/** Random IR programs in the kernel: none may be refused by the verifier, and memory and result are what the IR says. */
import { compileSeed, evaluateSeed } from "../../support/ir_compare.ts";
import { KernelRunner } from "../../support/ir_kernel.ts";
import { assertEquals } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";

const COUNT = 1200;

for (const optimize of [false, true]) {
  kernelTest(
    `the verifier and the kernel agree with ${COUNT} random programs${optimize ? "" : ", not optimised"}`,
    {},
    () => {
      using runner = new KernelRunner();
      for (let seed = 1; seed <= COUNT; seed++) {
        const code = compileSeed(seed, { cpu: seed % 2 === 0 ? 3 : 2, optimize });
        assertEquals(runner.compare(seed, code, evaluateSeed(seed)), undefined, `seed ${seed}`);
      }
    },
  );
}
