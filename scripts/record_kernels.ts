/**
 * Writes tests/kernel/results.json: the tests of hooks that passed, by kernel, from the reports that
 * `scripts/vm/kernel-tests --reports DIR` leaves, several runs together. Kernels without a report keep what they had.
 *
 *     deno run -A scripts/record_kernels.ts DIR...
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { isHookTest, type KernelResults } from "./lib/hook_tests.ts";
import { passedTests } from "./lib/junit.ts";

const FILE = "tests/kernel/results.json";
const folders = process.argv.slice(2);
if (folders.length === 0) {
  console.error("usage: record_kernels.ts DIR...");
  process.exit(2);
}
const fresh: Record<string, Set<string>> = {};
for (const folder of folders) {
  for (const file of readdirSync(folder)) {
    const series = /^(\d+\.\d+)-(?:bun|deno)\.xml$/.exec(file)?.[1];
    if (series === undefined) continue;
    const passed = passedTests(readFileSync(`${folder}/${file}`, "utf8")).filter(isHookTest);
    for (const name of passed) (fresh[series] ??= new Set()).add(name);
  }
}
const results: Record<string, readonly string[]> = { ...JSON.parse(readFileSync(FILE, "utf8")) as KernelResults };
for (const [series, passed] of Object.entries(fresh)) results[series] = [...passed].sort();
const byVersion = Object.entries(results).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(byVersion), undefined, 2)}\n`);
