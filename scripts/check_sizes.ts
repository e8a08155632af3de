/**
 * Goal: files and functions stay small enough to be read at once.
 *
 * Rules, for src/, scripts/, examples/, bench/ and mod.ts, generated files (*.gen.ts) aside:
 * - A file has at most 500 lines.
 * - A function has at most 80 lines, and at most 7 % of all functions have more than 40.
 */
import { filesBelow, runCheck, textOf } from "./lib/problems.ts";
import type { Problem } from "./lib/problems.ts";
import { functionsOf } from "./lib/source.ts";

const MAX_FILE = 500;
const MAX_FUNCTION = 80;
const LONG_FUNCTION = 40;
const MAX_LONG_SHARE = 0.07;
const FOLDERS = ["mod.ts", "src", "scripts", "examples", "bench"];

/** The problems of the repository at `root`. */
export function checkSizes(root: string): Problem[] {
  const problems: Problem[] = [];
  const long: Problem[] = [];
  let count = 0;
  for (const file of FOLDERS.flatMap((folder) => filesBelow(root, folder, /(?<!\.gen)\.ts$/))) {
    const text = textOf(root, file);
    const lines = text.split("\n").length - 1;
    if (lines > MAX_FILE) problems.push({ file, text: `has ${lines} lines; the limit is ${MAX_FILE}` });
    for (const { name, line, lines } of functionsOf(text)) {
      count += 1;
      if (lines > LONG_FUNCTION) long.push({ file, line, text: `${name}() has ${lines} lines` });
      if (lines > MAX_FUNCTION) {
        problems.push({ file, line, text: `${name}() has ${lines} lines; the limit is ${MAX_FUNCTION}` });
      }
    }
  }
  // A handful of functions is no sample: in a small tree one long function would be over the share.
  if (count >= 30 && long.length > count * MAX_LONG_SHARE) {
    problems.push(...long, {
      file: "src",
      text: `${long.length} of ${count} functions have over ${LONG_FUNCTION} lines; the limit is ${
        MAX_LONG_SHARE * 100
      } %`,
    });
  }
  return problems;
}

if (import.meta.main) runCheck("sizes", checkSizes);
