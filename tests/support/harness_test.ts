import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertGolden } from "./golden.ts";
import { kernelTest, test, withoutLeaks } from "./harness.ts";
import { firstUnmet, unmet, versionAtLeast } from "./needs.ts";
import type { Need } from "./needs.ts";

test("versionAtLeast() compares numbers, not text", () => {
  assert(versionAtLeast("6.12.117+deb12-cloud-amd64", "6.6"));
  assert(versionAtLeast("6.1.0-56-cloud-amd64", "6.1"));
  assert(!versionAtLeast("5.10.0", "5.11"));
});

test("firstUnmet() names the first need that is missing", () => {
  assertEquals(firstUnmet(["tool:sh"]), undefined);
  assertStringIncludes(
    firstUnmet(["tool:sh", "tool:no-such-command"])?.reason ?? "",
    "no-such-command",
  );
  assertStringIncludes(
    firstUnmet(["kernel:99.1"])?.reason ?? "",
    "needs Linux 99.1",
  );
});

test("unmet() refuses a need without a row", () => {
  assertThrows(() => unmet("nonsense" as Need), TypeError, "nonsense");
});

kernelTest("kernelTest() runs where bpf(2) works", {}, () => {
  assertEquals(unmet("bpf"), undefined);
});

test("withoutLeaks() fails when a kernel file stays open", async () => {
  const error = await assertRejects(() => withoutLeaks(() => void openSync("/proc/self/status", "r")));
  assertStringIncludes(error.message, "left file descriptors open");
});

/** Runs a test file of one skipped and one passing test with this runtime; returns its status and output. */
function runSkipping(variables: Readonly<Record<string, string>>): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "waggle-harness-"));
  try {
    const harness = new URL("./harness.ts", import.meta.url).pathname;
    const file = join(folder, "some_test.ts");
    writeFileSync(
      file,
      `import { kernelTest, test } from "${harness}";
test("runs", () => {});
kernelTest("is skipped", { needs: ["tool:no-such-command"] }, () => {});\n`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = "Deno" in globalThis ? ["test", "-A", "--no-check", `--config=${config}`, file] : ["test", file];
    const env = { ...process.env, NO_COLOR: "1", ...variables };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: "utf8" });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("kernelTest() prints why it is skipped, and fails instead under WAGGLE_KERNEL_TESTS=1", () => {
  const skipped = runSkipping({ WAGGLE_KERNEL_TESTS: "0" });
  assertEquals(skipped.status, 0, skipped.output);
  assertStringIncludes(skipped.output, "skip: is skipped: needs ");
  const forced = runSkipping({ WAGGLE_KERNEL_TESTS: "1" });
  assertEquals(forced.status, 1, forced.output);
  assertStringIncludes(forced.output, "Skipped although WAGGLE_KERNEL_TESTS=1");
});

test("assertGolden() fails where there is no file or another text", () => {
  if (process.env["UPDATE_GOLDEN"] === "1") return;
  assertThrows(() => assertGolden("support/no_such_file.txt", ""), Error, "does not exist");
  assertThrows(() => assertGolden("support/sample.txt", "other\n"));
  assertGolden("support/sample.txt", "one line\n");
});
