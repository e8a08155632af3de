/**
 * `deno task ok`: everything that has to hold before a commit is shared, on this machine: format, lint, types, the
 * project's own checks, generated files, publishing, and the tests on both runtimes. `--checks` leaves out the tests.
 * ./scripts/test does the same and adds other kernels.
 */
import process from "node:process";
import { summaryLine, sumResults } from "./lib/junit.ts";
import { checkSteps, runSteps } from "./lib/steps.ts";
import { runHostSuite } from "./lib/suites.ts";

const results = [await runSteps(checkSteps())];
if (!process.argv.includes("--checks")) {
  results.push(runHostSuite("deno", ["tests"]), runHostSuite("bun", ["tests"]));
}
const total = sumResults(results);
for (const failure of total.failures) console.log(`FAIL ${failure}`);
console.log(summaryLine(total));
process.exit(total.failed === 0 ? 0 : 1);
