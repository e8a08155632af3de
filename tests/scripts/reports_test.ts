import { assertEquals, assertStringIncludes } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseJunit, summaryLine, sumResults } from "../../scripts/lib/junit.ts";
import { runSteps } from "../../scripts/lib/steps.ts";
import { readReport } from "../../scripts/lib/suites.ts";
import { test } from "../support/harness.ts";

const DENO_REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="3" failures="1" errors="0" time="6.020">
    <testsuite name="./a_test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="ok &lt;a&gt;&amp;&quot;" classname="./a_test.ts" time="0.001" line="2" col="1">
        </testcase>
        <testcase name="bad" classname="./a_test.ts" time="0.002" line="3" col="1">
            <failure message="Uncaught Error: x">Error: x =&gt; y</failure>
        </testcase>
        <testcase name="skipped" classname="./a_test.ts" time="0.000" line="4" col="1">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>
`;

const BUN_REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="3" failures="1" skipped="1" time="6.03">
  <testsuite name="a_test.ts" file="a_test.ts" tests="3" failures="1" skipped="1">
    <testcase name="ok" classname="" time="0.001967" file="a_test.ts" line="2" assertions="0" />
    <testcase name="bad" classname="" file="a_test.ts">
      <failure type="Error" message="x"/>
    </testcase>
    <testcase name="skipped" classname="" file="a_test.ts">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`;

test("parseJunit() counts what Deno and Bun report", () => {
  const deno = parseJunit(DENO_REPORT)!;
  assertEquals([deno.passed, deno.failed, deno.skipped], [1, 1, 1]);
  assertStringIncludes(deno.failures[0]!, "./a_test.ts: bad\nError: x => y");
  const bun = parseJunit(BUN_REPORT)!;
  assertEquals([bun.passed, bun.failed, bun.skipped], [1, 1, 1]);
  assertStringIncludes(bun.failures[0]!, "a_test.ts: bad\nx");
});

test("parseJunit() refuses a report that was cut off", () => {
  assertEquals(parseJunit(DENO_REPORT.slice(0, -20)), undefined);
  assertEquals(parseJunit(""), undefined);
});

test("sumResults() and summaryLine() make the last line of a run", () => {
  const results = [parseJunit(DENO_REPORT)!, parseJunit(BUN_REPORT)!];
  assertEquals(summaryLine(sumResults(results)), "2 passed, 2 failed, 2 skipped");
  assertEquals(summaryLine({ passed: 7, failed: 0, skipped: 0, failures: [] }), "7 passed, 0 failed");
});

test("readReport() turns a crash, an empty run and a bad exit into failures", () => {
  const folder = mkdtempSync(join(tmpdir(), "waggle-report-"));
  const report = join(folder, "a.xml");
  try {
    assertEquals(readReport("a", report, 139).failures, ["a: no report; the run ended with 139"]);
    writeFileSync(report, '<testsuites name="x"></testsuites>');
    assertEquals(readReport("a", report, 0).failures, ["a: no test ran"]);
    writeFileSync(report, '<testsuites><testcase name="t" /></testsuites>');
    assertEquals(readReport("a", report, 0), { passed: 1, failed: 0, skipped: 0, failures: [] });
    assertEquals(readReport("a", report, 1).failed, 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("runSteps() counts a command that fails", async () => {
  const log = console.log;
  console.log = () => {};
  try {
    const result = await runSteps([{ name: "good", command: ["true"] }, { name: "bad", command: ["false"] }]);
    assertEquals(result, { passed: 1, failed: 1, skipped: 0, failures: ["bad"] });
  } finally {
    console.log = log;
  }
});
