/**
 * Golden text: compares what a test produced with a file below tests/golden. `UPDATE_GOLDEN=1` writes the file instead;
 * a run under `CI` never does, so that nothing is blessed by accident.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals, fail } from "./assert.ts";

/** Fails unless `actual` equals the text of `tests/golden/<name>`. */
export function assertGolden(name: string, actual: string): void {
  const path = fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
  if (process.env["UPDATE_GOLDEN"] === "1") {
    if (process.env["CI"]) {
      fail(`Cannot update golden file "${name}": CI is set`);
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
    return;
  }
  if (!existsSync(path)) {
    fail(
      `Cannot read golden file "${name}": it does not exist (run with UPDATE_GOLDEN=1)`,
    );
  }
  assertEquals(actual, readFileSync(path, "utf8"), undefined);
}
