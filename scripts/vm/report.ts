/** scripts/vm/report.ts DIR SERIES: prints the counts of a guest's two test runs; ends with 1 if anything failed. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { summaryLine } from "../lib/junit.ts";
import { readReport } from "../lib/suites.ts";

const [folder = ".", series = ""] = process.argv.slice(2);
let failed = 0;
for (const runtime of ["bun", "deno"]) {
  const status = join(folder, `${series}-${runtime}.status`);
  const ended = existsSync(status) ? readFileSync(status, "utf8").trim() : "nothing";
  const result = readReport(runtime, join(folder, `${series}-${runtime}.xml`), ended === "0" ? 0 : ended);
  for (const failure of result.failures) console.log(`FAIL Linux ${series}, ${runtime}: ${failure}`);
  console.log(`Linux ${series}, ${runtime}: ${summaryLine(result)}`);
  failed += result.failed;
}
process.exit(failed === 0 ? 0 : 1);
