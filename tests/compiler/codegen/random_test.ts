/** Random programs: what the IR says, and what the interpreter makes of the compiled code. The long run is tests/fuzz/compiler_ir.ts. */
import { compileSeed, difference, evaluateSeed, interpret } from "../../support/ir_compare.ts";
import { assertEquals } from "@std/assert";
import { test } from "../../support/harness.ts";

const COUNT = 400;

for (const cpu of [1, 2, 3, 4] as const) {
  for (const optimize of [false, true]) {
    test(`compileFunction() keeps the meaning of random programs (cpu v${cpu}${optimize ? "" : ", not optimised"})`, () => {
      for (let seed = cpu; seed <= COUNT; seed += 4) {
        const code = compileSeed(seed, { cpu, optimize, verify: true });
        assertEquals(difference(evaluateSeed(seed), interpret(seed, code)), undefined, `seed ${seed}`);
      }
    });
  }
}

test("optimisation makes random programs shorter", () => {
  const slots = (optimize: boolean) => {
    let sum = 0;
    for (let seed = 1; seed <= 100; seed++) {
      for (const { insns } of compileSeed(seed, { optimize }).values()) sum += insns.length / 8;
    }
    return sum;
  };
  assertEquals(slots(true) < 0.9 * slots(false), true);
});
