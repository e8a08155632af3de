import { assertEquals } from "@std/assert";
import { functionsOf, importsOf, lineAt, mask } from "../../scripts/lib/source.ts";
import { fencesOf } from "../../scripts/lib/fences.ts";
import { test } from "../support/harness.ts";

test("mask() blanks comments and literals and keeps positions", () => {
  const text = 'a("x{"); // {\nconst r = /[/{]"/g; /* { */ b(`q${c("}")}{`);\n';
  const masked = mask(text);
  assertEquals(masked.length, text.length);
  assertEquals(masked.replaceAll(" ", ""), 'a("");\nconstr=//g;b(`${c("")}`);\n');
});

test("mask() tells a division from a regular expression", () => {
  assertEquals(mask("const x = a / b / 'q';"), "const x = a / b / ' ';");
});

test("importsOf() finds static, dynamic, type-only and re-exported edges", () => {
  const text = [
    'import { a } from "./a.ts";',
    'import type { B } from "./b.ts";',
    'import { type C, type D } from "./c.ts";',
    "export {",
    "  d,",
    '} from "./d.ts";',
    'import "./e.ts";',
    'const f = await import("./f.ts");',
    'const text = "import x from \'./no.ts\'"; // import "./no.ts"',
    'import g, { type H } from "./g.ts";',
    'export * from "./h.ts";',
  ].join("\n");
  assertEquals(
    importsOf(text).map(({ specifier, line, typeOnly, dynamic }) => `${line} ${specifier} ${typeOnly} ${dynamic}`)
      .sort(),
    [
      "1 ./a.ts false false",
      "10 ./g.ts false false",
      "11 ./h.ts false false",
      "2 ./b.ts true false",
      "3 ./c.ts true false",
      "4 ./d.ts false false",
      "7 ./e.ts false false",
      "8 ./f.ts false true",
    ],
  );
});

test("functionsOf() measures functions, methods and arrow functions", () => {
  const text = [
    "export function one(a: { x: number } = { x: 1 }): { y: number } {",
    "  if (a) {",
    "  }",
    "  return { y: 1 };",
    "}",
    "class K {",
    "  #two<T>(",
    "    x: T,",
    "  ): Promise<void> {",
    "    return call(x);",
    "  }",
    "  get three(): string {",
    '    return "}";',
    "  }",
    "}",
    "const four = (x: number): number => {",
    "  return x;",
    "};",
    "declare function five(): void;",
    "call(1);",
  ].join("\n");
  assertEquals(functionsOf(text), [
    { name: "one", line: 1, lines: 5 },
    { name: "#two", line: 7, lines: 5 },
    { name: "three", line: 12, lines: 3 },
    { name: "four", line: 16, lines: 3 },
  ]);
});

test("lineAt() counts from one", () => {
  assertEquals([0, 1, 2, 3].map((at) => lineAt("a\nb\n", at)), [1, 1, 2, 2]);
});

test("fencesOf() reads Markdown and doc comments", () => {
  assertEquals(fencesOf("a.md", "x\n```ts run\na();\n```\n```sh\nls\n```\n"), [{
    words: ["run"],
    code: "a();\n",
    line: 2,
  }]);
  assertEquals(fencesOf("a.ts", "/**\n * ```ts ignore\n * // ignored: no\n *   b();\n * ```\n */\n"), [
    { words: ["ignore"], code: "// ignored: no\n  b();\n", line: 2 },
  ]);
});
