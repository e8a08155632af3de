/** What checks share: a problem, the walk over the repository's files, and the way a check reports when run alone. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** One thing a check found; `file` is relative to the repository. */
export interface Problem {
  readonly file: string;
  readonly line?: number;
  readonly text: string;
}

/** The repository's root folder. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

const NOT_OURS = new Set(["node_modules", ".git", ".cache", "coverage", "golden"]);

/** Files below `folder` (or the file itself), relative to `root`, that match `pattern`, sorted. */
export function filesBelow(root: string, folder: string, pattern: RegExp): string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return pattern.test(folder) ? [folder] : [];
  return readdirSync(path).sort().flatMap((name) => {
    return NOT_OURS.has(name) ? [] : filesBelow(root, folder === "." ? name : `${folder}/${name}`, pattern);
  });
}

/** The text of a file of the repository. */
export function textOf(root: string, file: string): string {
  return readFileSync(join(root, file), "utf8");
}

/** Prints problems one a line, ready for an editor to jump to. */
export function printProblems(problems: readonly Problem[]): void {
  for (const { file, line, text } of problems) {
    console.error(`${file}${line === undefined ? "" : `:${line}`}: ${text}`);
  }
}

/** Runs a check as a program: prints what it found, exits with 1 if there is anything. */
export function runCheck(name: string, check: (root: string) => readonly Problem[]): void {
  const problems = check(ROOT);
  printProblems(problems);
  console.log(problems.length === 0 ? `${name}: ok` : `${name}: ${problems.length} problems`);
  process.exit(problems.length === 0 ? 0 : 1);
}
