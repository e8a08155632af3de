import { assertEquals, assertStringIncludes } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { ROOT } from "../../scripts/lib/problems.ts";
import { skippedTest, test } from "../support/harness.ts";
import { unmet } from "../support/needs.ts";

const NAME = "build_testdata.ts --check tells an object that is missing or stale from one that is up to date";
const missing = unmet("tool:clang-19") ?? unmet("tool:llvm-strip-19");
if (missing !== undefined) skippedTest(NAME, missing.reason);
else {
  test(NAME, () => {
    const folder = `.cache/build-testdata-${process.pid}`;
    const source = `${folder}/some.bpf.c`;
    const build = (...args: string[]) => {
      const command = [
        "run",
        ...("Deno" in globalThis ? ["-A", "--no-check"] : []),
        "scripts/build_testdata.ts",
        ...args,
      ];
      const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
      return { status, output: stdout + stderr };
    };
    mkdirSync(`${ROOT}/${folder}`, { recursive: true });
    try {
      writeFileSync(`${ROOT}/${source}`, "// build: eb\nint answer = 42;\n");
      const absent = build("--check", source);
      assertEquals(absent.status, 1, absent.output);
      assertStringIncludes(absent.output, "some.bpf.o: is missing");
      assertEquals(build(source).status, 0);
      assertEquals([".bpf.o", ".eb.bpf.o"].map((end) => readFileSync(`${ROOT}/${folder}/some${end}`)[5]), [1, 2]);
      assertEquals(build("--check", source).status, 0);
      writeFileSync(`${ROOT}/${source}`, "// build: eb\nint answer = 43;\n");
      const stale = build("--check", source);
      assertEquals(stale.status, 1, stale.output);
      assertStringIncludes(stale.output, "differs from what");
    } finally {
      rmSync(`${ROOT}/${folder}`, { recursive: true });
      rmSync(`${ROOT}/.cache/testdata/${folder}`, { recursive: true, force: true });
    }
  });
}
