/**
 * Runs the test suites: on Deno and on Bun here, and tests/kernel in guests with other kernels. A suite that crashed,
 * wrote no report or ran no test is a failure.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseJunit } from "./junit.ts";
import type { SuiteResult } from "./junit.ts";
import { ROOT } from "./problems.ts";

/** Where reports go; a guest can write here. */
export const RESULTS: string = join(ROOT, ".cache/results");

const BIN = join(ROOT, "node_modules/.bin");

/** Runs the tests below `folders` on one runtime of this machine; its output goes through. */
export function runHostSuite(runtime: "deno" | "bun", folders: readonly string[]): SuiteResult {
  mkdirSync(RESULTS, { recursive: true });
  const report = join(RESULTS, `host-${runtime}.xml`);
  rmSync(report, { force: true });
  // Types were checked in a step of their own.
  const args = runtime === "deno"
    ? ["test", "--quiet", "--allow-all", "--no-check", `--junit-path=${report}`, ...folders]
    : [
      "test",
      "--only-failures",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...folders.map((folder) => `./${folder}`),
    ];
  const { status, signal } = spawnSync(join(BIN, runtime), args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return readReport(`${runtime} ${folders.join(" ")}`, report, status ?? signal ?? "nothing");
}

/** Runs folders of tests under another kernel, in a guest for each runtime; one result for each. */
export function runGuestSuite(series: string, folders: readonly string[]): SuiteResult[] {
  mkdirSync(RESULTS, { recursive: true });
  const reports = ["bun", "deno"].map((runtime) => [runtime, join(RESULTS, `${series}-${runtime}.xml`)] as const);
  for (const [, report] of reports) rmSync(report, { force: true });
  const command = join(ROOT, "scripts/vm/kernel-tests");
  spawnSync(command, ["--reports", RESULTS, series, "--", ...folders], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return reports.map(([runtime, report]) => {
    const status = report.replace(/xml$/, "status");
    const ended = existsSync(status) ? readFileSync(status, "utf8").trim() : "nothing";
    return readReport(`${runtime} on Linux ${series}`, report, ended === "0" ? 0 : ended);
  });
}

/** A report, with one more failure where the run ended in a way that its tests do not explain. */
export function readReport(name: string, report: string, ended: number | string): SuiteResult {
  const result = existsSync(report) ? parseJunit(readFileSync(report, "utf8")) : undefined;
  const bad = (text: string): SuiteResult => ({
    passed: result?.passed ?? 0,
    skipped: result?.skipped ?? 0,
    failed: (result?.failed ?? 0) + 1,
    failures: [...result?.failures ?? [], `${name}: ${text}`],
  });
  if (result === undefined) return bad(`no report; the run ended with ${ended}`);
  if (result.passed + result.failed === 0) return bad("no test ran");
  if (ended !== 0 && result.failed === 0) return bad(`every test passed, but the run ended with ${ended}`);
  return result;
}

/** The environment says that nobody sits in front. */
export function isCi(): boolean {
  return process.env["CI"] !== undefined && process.env["CI"] !== "";
}
