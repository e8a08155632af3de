/**
 * The second half of ./scripts/test, which has made the machine ready: the checks of `deno task ok`, the tests on Deno
 * and on Bun, and tests/kernel under other kernels. Its last line is "N passed, N failed", added up over all of them.
 *
 * By default that is one kernel and the folders below whose tests are quick there; guests are 20 to 50 times slower.
 *
 *     --all-kernels    all of tests/kernel under all kernels    --kernels "6.1 7.3"   these
 *     --no-vm          none, only this machine's               --no-checks           tests only
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { summaryLine, sumResults } from "./lib/junit.ts";
import type { SuiteResult } from "./lib/junit.ts";
import { checkSteps, runSteps } from "./lib/steps.ts";
import { runGuestSuite, runHostSuite } from "./lib/suites.ts";

const ALL_KERNELS = "5.10 6.1 6.12 6.18 7.3";
const QUICK_FOLDERS = ["load", "maps", "syscall"].map((name) => `tests/kernel/${name}`);
const { values: options } = parseArgs({
  options: {
    "all-kernels": { type: "boolean", default: false },
    "kernels": { type: "string", default: "6.1" },
    "no-vm": { type: "boolean", default: false },
    "no-checks": { type: "boolean", default: false },
  },
});

const table: [string, SuiteResult][] = [];
async function part(name: string, run: () => SuiteResult | Promise<SuiteResult>): Promise<void> {
  console.log(`== ${name}`);
  const start = performance.now();
  const result = await run();
  for (const failure of result.failures) console.log(`FAIL ${failure}`);
  console.log(`${name}: ${summaryLine(result)} (${((performance.now() - start) / 1000).toFixed(0)} s)`);
  table.push([name, result]);
}

if (!options["no-checks"]) await part("checks", () => runSteps(checkSteps()));
await part("tests on Deno", () => runHostSuite("deno", ["tests"]));
await part("tests on Bun", () => runHostSuite("bun", ["tests"]));
const folders = options["all-kernels"] ? ["tests/kernel"] : QUICK_FOLDERS;
const kernels = options["no-vm"] ? "" : options["all-kernels"] ? ALL_KERNELS : options.kernels;
for (const series of kernels.split(" ").filter((word) => word !== "")) {
  await part(`kernel tests on Linux ${series}`, () => sumResults(runGuestSuite(series, folders)));
}

console.log("==");
for (const [name, result] of table) console.log(`${name}: ${summaryLine(result)}`);
const total = sumResults(table.map(([, result]) => result));
console.log(summaryLine(total));
process.exit(total.failed === 0 ? 0 : 1);
