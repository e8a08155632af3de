import { assertEquals, assertThrows } from "@std/assert";
import { SyntaxProblem } from "../../../src/compiler/syntax/lex.ts";
import { parseFunction } from "../../../src/compiler/syntax/parse.ts";
import { test } from "../../support/harness.ts";
import { minify } from "../support/minify.ts";
import { show } from "../support/show_syntax.ts";

/** Function text → its tree, written as nested lists. */
const TREES: readonly (readonly [source: string, tree: string])[] = [
  ["(a, b) => a", "(func (a b) (block (return a)))"],
  ["a => ({ a, b: 1, 'c d': 2, 3: 4 })", "(func (a) (block (return {a: a, b: 1, c d: 2, 3: 4})))"],
  ['"tracepoint:a:b"(ctx, { x, y: z }) { return x }', "(func tracepoint:a:b (ctx {x: x, y: z}) (block (return x)))"],
  ["xdp(ctx) {}", "(func xdp (ctx) (block))"],
  ["function f(ctx) { ; }", "(func f (ctx) (block (empty)))"],
  ["get(ctx) { return }", "(func get (ctx) (block (return)))"],
  ["async(ctx) { return 1 }", "(func async (ctx) (block (return 1)))"],
  ["() => 1 + 2 * 3 - 4", "(func () (block (return (- (+ 1 (* 2 3)) 4))))"],
  ["() => 2 ** 3 ** 2", "(func () (block (return (** 2 (** 3 2)))))"],
  ["() => a ?? (b || c && d)", "(func () (block (return (?? a (|| b (&& c d))))))"],
  ["() => a ? b : c ? d : e", "(func () (block (return (? a b (? c d e)))))"],
  ["() => a = b += 1", "(func () (block (return (= a (+= b 1)))))"],
  ["() => !a == -b", "(func () (block (return (== (! a) (- b)))))"],
  ["() => a.b?.c[0]?.(1).d", "(func () (block (return (chain (. (?.call ([] (?. (. a b) c) 0) 1) d)))))"],
  ["() => a['b'] + a[b]", "(func () (block (return (+ (. a b) ([] a b)))))"],
  ["() => (a, b)", "(func () (block (return (, a b))))"],
  ["() => `x${a}y${`z${b}`}`", "(func () (block (return (`` x a y (`` z b ) ))))"],
  [
    "() => 0x1F + 0b101 + 0o17 + 1e3 + 1_000 + 5n + .5e1",
    "(func () (block (return (+ (+ (+ (+ (+ (+ 31 5) 15) 1000) 1000) 5) 5))))",
  ],
  ["() => 'a\\n\\x41\\u{1F600}'", '(func () (block (return "a\\nA😀")))'],
  ["() => void 0", "(func () (block (return (void 0))))"],
  ["() => { a++; --b; }", "(func () (block (post++ a) (pre-- b)))"],
  ["() => { let a = 1, { b, c: [d, , e = 2] } = x; }", "(func () (block (let a=1 {b: b, c: [d, , e=2]}=x)))"],
  ["() => { [a, b] = [b, a] }", "(func () (block (= [a, b] [b a])))"],
  ["() => { if (a) b(); else if (c) { d() } }", "(func () (block (if a (call b) (if c (block (call d))))))"],
  [
    "() => { for (let i = 0, j; i < 5; i++, j--) { continue } }",
    "(func () (block (for (let i=0 j) (< i 5) (, (post++ i) (post-- j)) (block (continue)))))",
  ],
  ["() => { for (;;) break }", "(func () (block (for - - - (break))))"],
  ["() => { x: for (const [a, b] of c) continue x }", "(func () (block (label x (forof [a, b] c (continue x)))))"],
  ["() => { while (a) ; do { b() } while (c) }", "(func () (block (while a (empty)) (dowhile (block (call b)) c)))"],
  [
    "() => { switch (a) { case 1: case 2: b(); break; default: c() } }",
    "(func () (block (switch a (case 1) (case 2 (call b) (break)) (default (call c)))))",
  ],
  ["() => { 'use strict'; let of = 1; var get = of }", '(func () (block "use strict" (let of=1) (var get=of)))'],
  ["() => { a\n++b }", "(func () (block a (pre++ b)))"],
  ["() => { return\na }", "(func () (block (return) a))"],
  ["/* one */ (a) => // two\n a", "(func (a) (block (return a)))"],
];

for (const [source, tree] of TREES) {
  test(`parseFunction() reads ${JSON.stringify(source)}`, () => assertEquals(show(parseFunction(source)), tree));
}

test("parseFunction() tells `?.5` from optional chaining", () => {
  assertThrows(() => parseFunction("() => a?.5:1"), SyntaxProblem, "fractions");
});

test("parseFunction() knows the place of every node", () => {
  const source = "(ctx, { pid }) => { const x = ctx.a.b + pid(); return x; }";
  const { body } = parseFunction(source);
  const text = (node: { start: number; end: number }): string => source.slice(node.start, node.end);
  const [decl, ret] = body.body;
  assertEquals(decl!.type === "Var" ? text(decl.decls[0]!.init!) : "", "ctx.a.b + pid()");
  assertEquals(text(decl!), "const x = ctx.a.b + pid()");
  assertEquals(ret!.type === "Return" ? text(ret.value!) : "", "x");
});

test("parseFunction() refuses unclosed strings, templates and brackets, and stray characters", () => {
  for (
    const source of [
      "() => 'a",
      "() => `a",
      "() => `a${b",
      "() => (a",
      "() => { a",
      "() => a §",
      "() => a]",
      "() => 3x",
      "() => '\\u{110000}'",
      "",
    ]
  ) {
    assertThrows(() => parseFunction(source), SyntaxProblem);
  }
});

for (const bundler of ["esbuild", "bun"] as const) {
  test(`parseFunction() reads everything that ${bundler} --minify prints of it`, async () => {
    const sources = TREES.map(([source]) => source).filter((source) =>
      !source.includes("?.5") && !source.includes("\\u{") && !source.includes("?.(") && !source.startsWith("/*") &&
      !source.includes("continue x")
    );
    const texts = await minify(bundler, sources);
    for (const text of texts) parseFunction(text);
  });
}
