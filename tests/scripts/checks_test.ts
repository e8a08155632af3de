import { assert, assertEquals } from "@std/assert";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkDocs } from "../../scripts/check_docs.ts";
import { checkExamples } from "../../scripts/check_examples.ts";
import { checkImports } from "../../scripts/check_imports.ts";
import { checkNames } from "../../scripts/check_names.ts";
import { checkSizes } from "../../scripts/check_sizes.ts";
import type { Problem } from "../../scripts/lib/problems.ts";
import { test } from "../support/harness.ts";

/** Runs a check over a small tree made for it; returns "file:line text" of each problem. */
function check(rule: (root: string) => Problem[], files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(join(tmpdir(), "waggle-check-"));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
      if (text.startsWith("#!")) chmodSync(join(root, file), 0o755);
    }
    return rule(root).map(({ file, line, text }) => `${file}${line === undefined ? "" : `:${line}`} ${text}`);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** The one problem of a tree, which must contain `part`. */
function assertOne(problems: readonly string[], part: string): void {
  assert(
    problems.length === 1 && problems[0]!.includes(part),
    `expected one problem with "${part}", got: ${problems.join("; ")}`,
  );
}

test("checkImports() accepts lower ranks and the own folder", () => {
  assertEquals(
    check(checkImports, {
      "mod.ts": 'export { load } from "./src/load/load.ts";',
      "src/errors.ts": "export const E = 1;",
      "src/bytes/cursor.ts": 'import { E } from "../errors.ts";',
      "src/load/load.ts": 'import { a } from "./a.ts"; import { c } from "../bytes/cursor.ts";',
      "src/load/a.ts": "export const a = 1;",
      "src/syscall/runtime/bun.ts": 'import { dlopen } from "bun:ffi"; const b = await import("node:fs"); Bun.argv;',
      "src/cli/main.ts": 'import { load } from "../../mod.ts";',
      "examples/a.ts": 'import { load } from "../mod.ts"; import { parseArgs } from "node:util";',
    }),
    [],
  );
});

test("checkImports() refuses a higher rank, also as a type", () => {
  assertOne(
    check(checkImports, { "src/btf/a.ts": 'import type { L } from "../load/load.ts";' }),
    "rank 2) imports load (rank 6)",
  );
});

test("checkImports() refuses a neighbour of the same rank", () => {
  assertOne(check(checkImports, { "src/btf/a.ts": 'import { o } from "../asm/opcodes.ts";' }), "only lower ranks");
});

test("checkImports() refuses an impure folder in a pure one", () => {
  assertOne(check(checkImports, { "src/object/a.ts": 'import { l } from "../syscall/libc.ts";' }), "is pure");
});

test("checkImports() refuses packages, also dynamic ones", () => {
  assertOne(check(checkImports, { "src/maps/a.ts": 'const fs = await import("node:fs");' }), 'package "node:fs"');
  assertOne(check(checkImports, { "src/maps/a.ts": 'import { x } from "npm:left-pad";' }), 'package "npm:left-pad"');
  assertOne(check(checkImports, { "examples/a.ts": 'import { x } from "jsr:@std/cli";' }), "examples use mod.ts");
});

test("checkImports() refuses the runtime's name outside its folder", () => {
  assertOne(
    check(checkImports, { "src/maps/a.ts": "// Deno.env is fine here\nDeno.exit();" }),
    "src/maps/a.ts:2 names the runtime",
  );
  assertOne(check(checkImports, { "src/maps/a.ts": "globalThis.Bun;" }), "names the runtime");
});

test("checkImports() refuses a cycle of values and accepts one of types", () => {
  const cycle = { "src/btf/a.ts": 'import { b } from "./b.ts";', "src/btf/b.ts": 'import { a } from "./a.ts";' };
  assertOne(check(checkImports, cycle), "imports itself: src/btf/a.ts → src/btf/b.ts → src/btf/a.ts");
  assertEquals(check(checkImports, { ...cycle, "src/btf/b.ts": 'import type { A } from "./a.ts";' }), []);
});

test("checkImports() keeps mod.ts out of src/ and src/ out of examples", () => {
  assertOne(check(checkImports, { "src/maps/a.ts": 'import { x } from "../../mod.ts";' }), "outside src/");
  assertOne(
    check(checkImports, { "src/cli/a.ts": 'import { x } from "../load/load.ts";' }),
    "imports public entry points only",
  );
  assertOne(check(checkImports, { "examples/a.ts": 'import { x } from "../src/load/load.ts";' }), "public mod.ts");
});

test("checkSizes() limits files and functions, generated files aside", () => {
  const long = (name: string, lines: number) => `function ${name}() {\n${"  x();\n".repeat(lines - 2)}}\n`;
  assertEquals(check(checkSizes, { "src/a.ts": long("a", 80), "src/b.gen.ts": "//\n".repeat(900) }), []);
  assertOne(check(checkSizes, { "src/a.ts": long("a", 81) }), "src/a.ts:1 a() has 81 lines");
  assertOne(check(checkSizes, { "src/a.ts": "//\n".repeat(501) }), "has 501 lines");
});

test("checkSizes() limits the share of long functions", () => {
  const body = (lines: number) => `{\n${"  x();\n".repeat(lines - 2)}}\n`;
  const short = Array.from({ length: 37 }, (_, i) => `function f${i}() ${body(3)}`).join("");
  const long = (count: number) => Array.from({ length: count }, (_, i) => `function long${i}() ${body(41)}`).join("");
  assertEquals(check(checkSizes, { "src/a.ts": short + long(2) }), []);
  assert(check(checkSizes, { "src/a.ts": short + long(3) }).some((problem) => problem.includes("3 of 40 functions")));
});

test("checkNames() refuses paths of one machine", () => {
  const path = ["", "work", "main"].join("/");
  assertOne(check(checkNames, { "a.md": `see ${path}/x` }), "of one machine");
  assertEquals(check(checkNames, { "a.md": "https://example.org/work/x and homework/x and $HOME/.cache" }), []);
});

test("checkNames() knows one form of citing a commit", () => {
  const hash = "2f064a59a11f";
  assertEquals(check(checkNames, { "a.ts": `// Linux commit ${hash} ("sched: Change") (in v5.14) renamed it` }), []);
  assertEquals(
    check(checkNames, { "a.ts": `// Linux commit ${hash} ("sched:\n// Change task_struct") (in v5.14)` }),
    [],
  );
  assertOne(check(checkNames, { "a.ts": `// since commit ${hash} it works` }), "subject is missing");
  assertOne(check(checkNames, { "a.ts": `// Linux commit ${hash}ab ("x") (in v5.14)` }), "12 hex digits");
  assertOne(check(checkNames, { "a.ts": `// Linux commit ${hash} ("x") is old` }), "version is missing");
});

test("checkNames() wants a version in links to the kernel", () => {
  const site = ["https://github.com", "torvalds", "linux", "blob"].join("/");
  assertEquals(check(checkNames, { "a.ts": `// ${site}/v6.18/kernel/bpf/btf.c#L1` }), []);
  assertOne(check(checkNames, { "a.ts": `// ${site}/master/kernel/bpf/btf.c` }), "names no version");
});

const DENO_JSON = '{ "name": "@waggle/waggle", "version": "0.1.0", "exports": { ".": "./mod.ts" } }';

test("checkDocs() wants a comment on each export, an example on main ones, and a head on each file", () => {
  const tree = (file: string, text: string) => ({
    "deno.json": DENO_JSON,
    "mod.ts": `export * from "./${file}";\n`,
    [file]: text,
  });
  const good = "/** A file. */\n\n/** One. */\nexport const one = 1;\n";
  assertEquals(check(checkDocs, tree("src/bytes/a.ts", good)), []);
  assertOne(check(checkDocs, tree("src/bytes/a.ts", `${good}export const two = 2;\n`)), "two has no doc comment");
  assertOne(check(checkDocs, tree("src/bytes/a.ts", good.slice(good.indexOf("\n")))), "does not begin");
  const load = "/** A file. */\n\n/** Loads. */\nexport function load(): void {}\n";
  assertOne(check(checkDocs, tree("src/load/a.ts", load)), "load has no @example");
  const example = load.replace("Loads. */", "Loads.\n * @example\n * ```ts\n * load();\n * ```\n */");
  assertEquals(check(checkDocs, tree("src/load/a.ts", example)), []);
});

test("checkDocs() type-checks fences, runs those marked run, and wants a reason for ignore", () => {
  const files = { "deno.json": DENO_JSON, "mod.ts": "/** One. */\nexport const one: number = 1;\n" };
  const page = (words: string, code: string) => ({ ...files, "README.md": `\`\`\`ts ${words}\n${code}\n\`\`\`\n` });
  const use = 'import { one } from "@waggle/waggle";\n';
  assertEquals(check(checkDocs, page("run", `${use}if (one !== 1) throw new Error();`)), []);
  assertOne(check(checkDocs, page("", `${use}const s: string = one;\nconsole.log(s);`)), "do not type-check");
  assertEquals(check(checkDocs, page("run", `${use}if (one === 1) throw new Error();`)).length, 2);
  assertOne(check(checkDocs, page("ignore", "nonsense(")), "// ignored:");
  assertEquals(check(checkDocs, page("ignore", "// ignored: shows a mistake\nnonsense(")), []);
});

test("checkExamples() wants a first line, a head and --help", () => {
  const head = (usage: string) =>
    `#!/usr/bin/env -S bun run\n/**\n * Prints.\n *\n *   examples/a.ts [-h]\n *   deno run --allow-ffi examples/a.ts\n *\n * needs: root\n */\nconsole.log("${usage}"); // --help\n`;
  assertEquals(check(checkExamples, { "examples/a.ts": head("usage: a") }), []);
  assertEquals(check(checkExamples, { "examples/a.ts": head("") }).length, 2);
  assertOne(check(checkExamples, { "examples/a.ts": head("usage: a").replace(" * needs: root\n", "") }), "needs:");
  assertOne(
    check(checkExamples, { "examples/a.ts": head("usage: a").replace("deno run --allow-ffi", "deno run") }),
    "does not show",
  );
});
