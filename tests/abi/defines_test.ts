/** src/abi/defines.ts, perf.ts and elf.ts against the headers: a C program prints every constant. */
import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { skippedTest, test } from "../support/harness.ts";

const cc = ["clang-19", "clang", "cc"].find((name) => spawnSync(name, ["--version"]).status === 0);
const judge = cc !== undefined ? test : (name: string) => skippedTest(name, "needs a C compiler");

/** Prints the constants that the header defines; one that an older header lacks is left out. */
function valuesInC(header: string, names: readonly string[]): Map<string, number> {
  const prints = names.map((n) => `#ifdef ${n}\n  printf("${n} %lld\\n", (long long)(${n}));\n#endif`);
  const source = `#define _GNU_SOURCE\n#include <stdio.h>\n#include <unistd.h>\n#include <sys/file.h>
#include <${header}>\nint main(void) {\n${prints.join("\n")}\n  return 0;\n}\n`;
  const dir = mkdtempSync(`${tmpdir()}/defines-`);
  try {
    const compiled = spawnSync(cc!, ["-w", "-x", "c", "-o", `${dir}/a`, "-"], { input: source, encoding: "utf8" });
    assertEquals(compiled.stderr, "");
    const lines = spawnSync(`${dir}/a`, { encoding: "utf8" }).stdout.trim().split("\n");
    return new Map(lines.filter((l) => l !== "").map((l) => [l.split(" ")[0]!, Number(l.split(" ")[1])]));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Constants of one of our files, by the header that the comment above them names. */
function constantsOf(file: string, header?: string): Map<string, Map<string, number>> {
  const text = readFileSync(new URL(`../../src/abi/${file}`, import.meta.url), "utf8");
  const groups = new Map<string, Map<string, number>>();
  let current = header;
  for (const line of text.split("\n")) {
    const named = /^\/\/ <([^>]+)>/.exec(line)?.[1];
    if (named !== undefined) current = named;
    const found = /^export const (\w+) = (-?\w+);/.exec(line);
    if (found === null || current === undefined) continue;
    const group = groups.get(current) ?? new Map<string, number>();
    groups.set(current, group.set(found[1]!, Number(found[2])));
  }
  return groups;
}

/** Enumerators, which `#ifdef` does not see, are compared through their definition as macros of themselves only. */
for (
  const [file, header] of [["defines.ts", undefined], ["perf.ts", "linux/perf_event.h"], ["elf.ts", "elf.h"]] as const
) {
  judge(`\`${file}\` has the values of the C headers`, () => {
    let compared = 0;
    let total = 0;
    for (const [name, ours] of constantsOf(file, header)) {
      const theirs = valuesInC(name, [...ours.keys()]);
      total += ours.size;
      for (const [constant, value] of theirs) {
        assertEquals([name, constant, ours.get(constant)], [name, constant, value]);
        compared++;
      }
    }
    // What the installed headers do not have: newer constants, and enumerators.
    assertEquals(compared > total * 0.75, true, `only ${compared} of ${total} compared`);
  });
}
