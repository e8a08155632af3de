/** Runs the command as users do, and builds what it is given. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { scriptCommand } from "../support/script.ts";
import { ROOT } from "../support/script.ts";
import { skippedTest, test, type TestBody } from "../support/harness.ts";
import { firstUnmet } from "../support/needs.ts";

/** How a command ended. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** `waggle ARGS` with `--allow-ffi` alone, and on Deno the other permissions named. */
export function waggle(
  args: readonly string[],
  permissions: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Ended {
  const [command, ...words] = waggleCommand(args, permissions);
  const { status, stdout, stderr } = spawnSync(command!, words, {
    encoding: "utf8",
    env: { ...environment(), NO_COLOR: "1", ...env },
  });
  return { status, stdout, stderr };
}

/** The words of that command, the runtime by its full path. */
export function waggleCommand(args: readonly string[], permissions: readonly string[] = []): string[] {
  const [command, ...rest] = scriptCommand(`${ROOT}src/cli/main.ts`, args);
  const deno = !("Bun" in globalThis);
  return [command!, ...deno ? [rest[0]!, ...permissions.map((name) => `--allow-${name}`), ...rest.slice(1)] : rest];
}

/** This process's environment. */
export function environment(): Record<string, string | undefined> {
  return (globalThis as unknown as { process: { env: Record<string, string | undefined> } }).process.env;
}

/** What running LLVM takes on Deno. */
export const RUN_LLVM = ["run", "read", "write"];

/** A test that is skipped where a tool is missing. */
export function toolTest(name: string, tools: readonly string[], fn: TestBody): void {
  const missing = firstUnmet(tools.map((tool) => `tool:${tool}` as const));
  if (missing === undefined) test(name, fn);
  else skippedTest(name, missing.reason);
}

/** A folder for one test. */
export function withFolder(fn: (folder: string) => void): void {
  const folder = mkdtempSync("/tmp/waggle-cli-");
  try {
    fn(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a tool that must succeed. */
export function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
