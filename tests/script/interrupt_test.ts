import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { interrupted, pause } from "../../src/script/interrupt.ts";
import { test } from "../support/harness.ts";
import { ROOT, Script } from "../support/script.ts";

// In a process of its own: the test runner of Deno takes SIGINT for itself.
const LOOP = `
import { interrupted, pause } from "${ROOT}src/script/interrupt.ts";
const stop = interrupted();
console.log("ready");
while (await pause(60, stop));
console.log("after the loop");
setInterval(() => {}, 1000);
`;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`interrupted() aborts on the first ${signal}, the second ends the process`, async () => {
    const folder = mkdtempSync("/tmp/waggle-test-");
    try {
      writeFileSync(`${folder}/loop.ts`, LOOP);
      using script = new Script(`${folder}/loop.ts`);
      await script.until(/ready/);
      script.kill(signal);
      await script.until(/after the loop/);
      script.kill(signal);
      assertEquals((await script.end()).signal, signal);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("interrupted() aborts after the given seconds, or with another signal", async () => {
  const stop = interrupted({ seconds: 0.005 });
  assertEquals(await pause(10, stop), false);
  const controller = new AbortController();
  const chained = interrupted({ signal: controller.signal });
  controller.abort();
  assertEquals(chained.aborted, true);
  assertEquals(interrupted({ signal: controller.signal }).aborted, true);
});

test("interrupted() refuses times that are none", () => {
  assertThrows(() => interrupted({ seconds: -1 }), RangeError, "-1 seconds");
  assertThrows(() => interrupted({ seconds: NaN }), RangeError, "NaN");
});

test("pause() tells whether the time has gone", async () => {
  assertEquals(await pause(0.001), true);
  assertEquals(await pause(10, AbortSignal.abort()), false);
  await assertRejects(async () => await pause(-1), RangeError);
});
