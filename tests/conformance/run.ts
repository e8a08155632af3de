/**
 * Compares waggle with libbpf on a folder of objects and prints a report.
 *
 *     deno run -A tests/conformance/run.ts [--target-btf FILE] FOLDER-OR-FILE…
 *     bun tests/conformance/run.ts …
 *
 * Ends with status 1 if there is any difference that is not in exceptions.ts. The whole corpus against the newest libbpf:
 *
 *     tests/conformance/corpus        # builds ~790 objects from the kernel's selftests, below ~/.cache/waggle-corpus
 *     WAGGLE_LIBBPF=$(tests/conformance/libbpf) bun tests/conformance/run.ts ~/.cache/waggle-corpus/v3
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { buildDump, compareObject } from "./compare.ts";
import { isException } from "./exceptions.ts";

const args = process.argv.slice(2);
let targetBtf: string | undefined;
const at = args.indexOf("--target-btf");
if (at >= 0) targetBtf = args.splice(at, 2)[1];

const dump = buildDump();
if (dump === undefined) {
  console.error("Cannot compare: no C compiler with libbpf (apt install gcc libbpf-dev)");
  process.exit(2);
}
const files = args.flatMap((path) =>
  statSync(path).isDirectory()
    ? readdirSync(path).filter((f) => f.endsWith(".o")).sort().map((f) => join(path, f))
    : [path]
);
if (files.length === 0) {
  console.error("Cannot compare: no objects given");
  process.exit(2);
}

const total = { objects: 0, programs: 0, bothLoad: 0, bothRefuse: 0, onlyWaggle: 0, differences: 0, exceptions: 0 };
for (const file of files) {
  const result = compareObject(dump, file, targetBtf);
  total.objects++;
  total.programs += result.programs;
  total.bothLoad += result.bothLoad;
  total.bothRefuse += result.bothRefuse;
  total.onlyWaggle += result.onlyWaggle.length;
  for (const line of result.onlyWaggle) console.log(`+ ${file}: ${line}`);
  for (const line of result.differences) {
    const argued = isException(file, line);
    total[argued ? "exceptions" : "differences"]++;
    console.log(`${argued ? "~" : "!"} ${file}: ${line}`);
  }
}
console.log(Object.entries(total).map(([name, count]) => `${name} ${count}`).join(", "));
process.exit(total.differences === 0 ? 0 : 1);
