/**
 * Golden tests in one file each, as QBE has them: what is done, the input, a line `; expected`, the output.
 *
 *     ; passes: leaves, fold
 *     function f global params 1
 *     ...
 *     ; expected
 *     function f global params 1
 *     ...
 *
 * `UPDATE_GOLDEN=1` writes the output instead of comparing.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "./assert.ts";
import { test } from "./harness.ts";

const MARK = "\n; expected\n";

/** Registers a test for each file with the extension in the folder; `run` turns header and input into output. */
export function goldenFiles(folder: URL, what: string, run: (header: string, input: string) => string): void {
  const names = readdirSync(folder).filter((name) => name.endsWith(".ir")).sort();
  test(`${what}: golden files are there`, () => assert(names.length > 0, `no .ir files in ${folder}`));
  for (const name of names) {
    test(`${what}: ${name}`, () => {
      const path = fileURLToPath(new URL(name, folder));
      const text = readFileSync(path, "utf8");
      const [input, expected] = text.split(MARK) as [string, string | undefined];
      const header = /^; \w+: (.*)$/m.exec(input)?.[1] ?? "";
      const actual = run(header, input);
      if (process.env["UPDATE_GOLDEN"] === "1" && !process.env["CI"]) {
        writeFileSync(path, `${input.trimEnd()}\n${MARK.trimStart()}${actual}`);
        return;
      }
      assertEquals(actual, expected);
    });
  }
}
