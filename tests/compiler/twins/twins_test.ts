/** Code size against clang-19 -O2: functions in C and in IR that do the same, side by side in this folder. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileFunction } from "../../../src/compiler/codegen/codegen.ts";
import { parseIr } from "../../../src/compiler/ir/parse.ts";
import { assert } from "@std/assert";
import { skippedTest, test } from "../../support/harness.ts";

/** Slots may be this much more than clang's, each and together. */
const EACH = 1.2;
const TOGETHER = 1.05;

const folder = fileURLToPath(new URL("./", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".c")).map((name) => name.slice(0, -2)).sort();

function hasClang(): boolean {
  try {
    return execFileSync("clang-19", ["-print-targets"], { encoding: "utf8" }).includes("bpf");
  } catch {
    return false;
  }
}

/** Slots of the function that clang makes. */
function clangSlots(name: string, temporary: string): number {
  const object = join(temporary, `${name}.o`);
  execFileSync("clang-19", ["-O2", "-target", "bpf", "-mcpu=v3", "-c", join(folder, `${name}.c`), "-o", object]);
  const symbols = execFileSync("llvm-nm-19", ["-S", object], { encoding: "utf8" });
  const size = new RegExp(`^\\w+ (\\w+) T ${name}$`, "m").exec(symbols)?.[1];
  return parseInt(size!, 16) / 8;
}

function ourSlots(name: string): number {
  const [fn] = parseIr(readFileSync(join(folder, `${name}.ir`), "utf8"));
  return compileFunction(fn!, { cpu: 3, verify: true }).insns.length / 8;
}

if (hasClang()) {
  test(`compileFunction() makes no more than ${TOGETHER} times the code of clang -O2`, () => {
    const temporary = mkdtempSync(join(tmpdir(), "twins-"));
    try {
      const rows = names.map((name) => ({ name, ours: ourSlots(name), clang: clangSlots(name, temporary) }));
      for (const { name, ours, clang } of rows) {
        console.log(`${name.padEnd(10)} ${String(ours).padStart(3)} slots, clang ${clang}`);
        assert(ours <= clang * EACH, `${name}: ${ours} slots, clang ${clang}`);
      }
      const sum = (of: "ours" | "clang") => rows.reduce((total, row) => total + row[of], 0);
      assert(sum("ours") <= sum("clang") * TOGETHER, `${sum("ours")} slots, clang ${sum("clang")}`);
    } finally {
      rmSync(temporary, { recursive: true });
    }
  });
} else skippedTest("compileFunction() against clang -O2", "needs clang-19 with the BPF target");
