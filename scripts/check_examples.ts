/**
 * Goal: every example can be started as it is, and its head tells how.
 *
 * Rules, for every script below examples/:
 * - It is executable and begins with `#!/usr/bin/env -S deno run --allow-ffi` or `#!/usr/bin/env -S bun run`.
 * - A doc comment follows: what it does; an indented line with its own path and options; how the other runtime starts it;
 *   a line `needs:` with the privileges and the kernel version.
 * - It imports mod.ts only, and node:* (check_imports.ts).
 * - If it takes --help, that prints its usage and ends with 0 on both runtimes, without any privilege.
 * Type checking is part of `deno task ok`; tests/kernel runs the examples for real.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, ROOT, runCheck, textOf } from "./lib/problems.ts";
import type { Problem } from "./lib/problems.ts";

const SHEBANGS: Readonly<Record<string, string>> = {
  "#!/usr/bin/env -S deno run --allow-ffi": "bun run",
  "#!/usr/bin/env -S bun run": "deno run --allow-ffi",
};

/** The problems of the repository at `root`. */
export function checkExamples(root: string): Problem[] {
  return filesBelow(root, "examples", /\.ts$/).flatMap((file) => {
    const text = textOf(root, file);
    if (!text.startsWith("#!") && /\bexport\b/.test(text)) return []; // a module that examples share
    return [...headProblems(root, file, text), ...(/--help/.test(text) ? helpProblems(root, file) : [])];
  });
}

function headProblems(root: string, file: string, text: string): Problem[] {
  const lines = text.split("\n", 40);
  const problems: string[] = [];
  const other = SHEBANGS[lines[0] ?? ""];
  if (other === undefined) problems.push(`does not begin with one of: ${Object.keys(SHEBANGS).join(", ")}`);
  if ((statSync(join(root, file)).mode & 0o111) === 0) problems.push("is not executable");
  if (!lines[1]?.startsWith("/**")) problems.push("has no doc comment after the first line");
  const head = text.slice(0, text.indexOf("*/"));
  if (!new RegExp(`^ \\*   ${escapeRegExp(file)}\\b`, "m").test(head)) {
    problems.push(`its head does not show "${file} ..."`);
  }
  if (other !== undefined && !head.includes(`   ${other} ${file}`)) {
    problems.push(`its head does not show "${other} ${file}"`);
  }
  if (!/^ \* needs: \S/m.test(head)) problems.push('its head has no line "needs: ..."');
  return problems.map((problem) => ({ file, line: 1, text: problem }));
}

function helpProblems(root: string, file: string): Problem[] {
  const runs = [["deno", "run", "--no-prompt", "--no-check", "--allow-ffi", file, "--help"], [
    "bun",
    "run",
    file,
    "--help",
  ]];
  return runs.flatMap(([runtime = "", ...args]) => {
    const command = join(ROOT, "node_modules/.bin", runtime);
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8", timeout: 60_000 });
    if (status === 0 && /usage/i.test(stdout)) return [];
    return [{ file, text: `--help on ${runtime} ended with ${status}: ${stderr.trim().split("\n", 3).join(" | ")}` }];
  });
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

if (import.meta.main) runCheck("examples", checkExamples);
