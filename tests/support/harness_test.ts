import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { openSync } from "node:fs";
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
