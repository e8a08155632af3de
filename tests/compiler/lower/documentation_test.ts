/** docs/language.md: every row names a test that exists, every builtin, method and error code is in it. */
import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { INTRINSICS } from "../../../src/compiler/lower/intrinsics.ts";
import { MAP_METHODS } from "../../../src/compiler/lower/maps.ts";
import { test } from "../../support/harness.ts";
import { ROOT } from "../../support/script.ts";

const doc = readFileSync(`${ROOT}docs/language.md`, "utf8").replace(/ +/g, " ");

function below(folder: string): string[] {
  return readdirSync(`${ROOT}${folder}`, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? below(`${folder}/${entry.name}`)
      : entry.name.endsWith(".ts")
      ? [`${folder}/${entry.name}`]
      : []
  );
}

test("docs/language.md names tests that exist", () => {
  const sources = [...below("tests/compiler"), ...below("tests/kernel"), ...below("tests/script")].map((file) =>
    readFileSync(`${ROOT}${file}`, "utf8")
  ).join("\n");
  const cells = doc.split("\n").filter((line) => line.startsWith("| ") && line.endsWith(" |")).map((line) =>
    line.split(" | ").at(-1)!
  );
  const names = cells.flatMap((cell) =>
    [...cell.matchAll(/"((?:[^"]|""(?!,| \|))+)"(?=,| \|)/g)].map((match) => match[1]!.replaceAll("&#124;", "|"))
  );
  assert(names.length > 60, `only ${names.length} names found`);
  const missing = names.filter((name) =>
    !sources.includes(name) && !sources.includes(name.replace(/^compile\(\) reports [\w-]+: /, ""))
  );
  assertEquals(missing, []);
});

test("docs/language.md lists every builtin and every method", () => {
  for (const { signature } of Object.values(INTRINSICS)) {
    assert(doc.includes(signature.replaceAll("`…`", "…")), signature);
  }
  for (const [kind, methods] of Object.entries(MAP_METHODS)) {
    assert(doc.includes(`| ${kind} | ${methods.map((method) => `\`${method}\``).join(", ")} |`), kind);
  }
});

test("docs/language.md lists every error code", () => {
  const sources = below("src/compiler").map((file) => readFileSync(`${ROOT}${file}`, "utf8")).join("\n");
  const codes = new Set(
    [...sources.matchAll(
      /(?:fail|report|error|#report|SyntaxProblem|wrong)\(\s*(?:this\.|f\.)?"([a-z]+(?:-[a-z]+)*)",/g,
    )].map((match) => match[1]!),
  );
  for (const match of sources.matchAll(/code: "([a-z-]+)"/g)) codes.add(match[1]!);
  const missing = [...codes].filter((code) => !doc.includes(`\`${code}\``));
  assertEquals(missing, []);
});

test("the table of intrinsics has every builtin of the scope's types, and no other", () => {
  const scope = readFileSync(`${ROOT}src/script/scope.ts`, "utf8");
  const interfaces = ["PlaceBuiltins", "MemoryBuiltins", "NumberBuiltins", "EffectBuiltins"];
  const typed = interfaces.flatMap((name) => {
    const body = scope.slice(scope.indexOf(`interface ${name} `));
    return [...body.slice(0, body.indexOf("\n}")).matchAll(/^ {2}(\w+)[<(]/gm)].map((match) => match[1]!);
  });
  assertEquals([...typed, "probe"].sort(), Object.keys(INTRINSICS).sort());
});
