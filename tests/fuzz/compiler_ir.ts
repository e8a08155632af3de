/**
 * The long run of the compiler's back end: random IR programs, evaluated, interpreted and, with --kernel, run by the kernel.
 *
 *     deno run -A tests/fuzz/compiler_ir.ts [--kernel] [--from N] [--count N] [--cpu 1|2|3|4]
 */
import process from "node:process";
import { compileSeed, difference, evaluateSeed, interpret } from "../support/ir_compare.ts";

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};

const from = option("from", 1);
const count = option("count", 2000);
/** 0: all of them in turn. Kernels before 6.6 do not know v4. */
const onlyCpu = option("cpu", 0);
const kernel = process.argv.includes("--kernel");
const { KernelRunner } = kernel ? await import("../support/ir_kernel.ts") : { KernelRunner: undefined };
using runner = KernelRunner === undefined ? undefined : new KernelRunner();

let failures = 0;
let slots = 0;
for (let seed = from; seed < from + count; seed++) {
  const cpu = (onlyCpu === 0 ? [3, 4, 2, 1][seed % 4]! : onlyCpu) as 1 | 2 | 3 | 4;
  for (const optimize of [false, true]) {
    try {
      const wanted = evaluateSeed(seed);
      const code = compileSeed(seed, { cpu, optimize, verify: true });
      for (const { insns } of code.values()) slots += insns.length / 8;
      const problem = difference(wanted, interpret(seed, code)) ?? runner?.compare(seed, code, wanted);
      if (problem !== undefined) throw new Error(problem);
    } catch (error) {
      failures++;
      console.log(`seed ${seed} cpu ${cpu} optimize ${optimize}: ${(error as Error).message.slice(0, 3000)}`);
      if (failures > 5) process.exit(1);
    }
  }
}
console.log(`${count} programs, ${slots} instructions, ${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
