/**
 * The long run of random TypeScript: plain JavaScript against the interpreter, or with --kernel against the kernel.
 *
 *     deno run -A tests/fuzz/typescript.ts [--kernel] [--from SEED] [--count N] [--minify esbuild|bun] [--plain]
 *         [--tries N]
 *
 * --plain does not optimise. A failing program is made smaller in N tries, and printed; `--from SEED --count 1` repeats it.
 */
import process from "node:process";
import type { Bundler } from "../compiler/support/minify.ts";
import { minifiedPrograms, reportOf } from "./typescript/check.ts";

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const from = Number(option("from") ?? 1);
const count = Number(option("count") ?? 1000);
const bundler = option("minify") as Bundler | undefined;
const tries = Number(option("tries") ?? 600);
const optimize = !process.argv.includes("--plain");
const { KernelRunner } = process.argv.includes("--kernel")
  ? await import("./typescript/kernel.ts")
  : { KernelRunner: undefined };
using kernel = KernelRunner === undefined ? undefined : new KernelRunner();

/** Programs that are minified together. */
const BATCH = 200;
let failures = 0;
const start = performance.now();
for (let first = from; first < from + count && failures < 10; first += BATCH) {
  const seeds = Array.from({ length: Math.min(BATCH, from + count - first) }, (_, i) => first + i);
  const minified = bundler === undefined ? [] : await minifiedPrograms(bundler, seeds);
  for (const [i, seed] of seeds.entries()) {
    const report = reportOf(seed, {
      kernel,
      optimize,
      cpu: ([3, 4, 2, 1] as const)[seed % 4]!,
      minified: minified[i],
      tries,
    });
    if (report === undefined) continue;
    failures++;
    console.log(`${report}\n`);
  }
}
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`programs from seed ${from}, ${count} of them, in ${seconds} s: ${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
