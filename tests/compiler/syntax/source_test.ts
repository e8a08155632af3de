import { assertEquals } from "@std/assert";
import { SourceText } from "../../../src/compiler/syntax/source.ts";
import { test } from "../../support/harness.ts";
import { minify } from "../support/minify.ts";

const FILE = `import { bpf, u32 } from "waggle";

interface Options { readonly limit: number }

/** Called "tracepoint:a:b" in the docs. */
const helper = { "tracepoint:a:b": 5 };

using tracer = bpf({
  maps: { counts: hash(u32, u64) },
  programs: {
    "tracepoint:a:b"(ctx: Ctx<"tracepoint:a:b">, { counts, pid, limit }: Scope) {
      // Only those below the limit
      const value: number = ctx.value as number;
      if (value > 10 + 6) return;
      counts.add(pid(), value!);
    },
    "tracepoint:a:c": (ctx) => ctx.other<number>(1),
  },
});
`;

/** The first function as Deno's type stripper prints it. */
const STRIPPED = `"tracepoint:a:b"(ctx, { counts, pid, limit }) {
            // Only those below the limit
            const value = ctx.value;
            if (value > 10 + 6) return;
            counts.add(pid(), value);
        }`;

const site = { file: "/home/user/script.ts", line: 8, column: 16, fileText: FILE };

function placeOf(text: string, part: string, key = "tracepoint:a:b"): string {
  const source = SourceText.of({ text, site }, key);
  const at = text.lastIndexOf(part);
  const { file, line, column, lineText, length } = source.locate(at, at + part.length);
  return `${file.split("/").at(-1)}:${line}:${column}: ${lineText.slice(column - 1, column - 1 + length)}`;
}

test("SourceText finds a function whose types were stripped", () => {
  assertEquals(placeOf(STRIPPED, "ctx.value"), "script.ts:13:29: ctx.value");
  assertEquals(placeOf(STRIPPED, "counts.add"), "script.ts:15:7: counts.add");
  assertEquals(placeOf(STRIPPED, "pid"), "script.ts:15:18: pid");
});

test("SourceText finds functions that Bun folded and printed again", () => {
  const text =
    '"tracepoint:a:b"(ctx, { counts, pid, limit }) {\n    let value = ctx.value;\n    if (value > 16)\n      return;\n    counts.add(pid(), value);\n  }';
  assertEquals(placeOf(text, "pid()"), "script.ts:15:18: pid()");
  assertEquals(placeOf(text, "return"), "script.ts:14:27: return");
  // The folded 16 is nowhere in the file: what stands before it is.
  assertEquals(placeOf(text, "16"), "script.ts:14:17: >");
});

for (const bundler of ["esbuild", "bun"] as const) {
  test(`SourceText finds functions minified by ${bundler}`, async () => {
    const [text] = await minify(bundler, [STRIPPED]);
    assertEquals(placeOf(text!, "add"), "script.ts:15:14: add");
  });
}

test("SourceText finds text that stands in the file word for word", () => {
  const text = "(ctx) => ctx.other<number>(1)";
  assertEquals(placeOf(text, "other", "tracepoint:a:c"), "script.ts:17:36: other");
});

test("SourceText counts in the function's own text where the file holds something else", () => {
  const text = '"tracepoint:a:b"(ctx, { events, comm }) {\n  events.emit({ name: comm(), age: 5 });\n}';
  assertEquals(placeOf(text, "emit"), "tracepoint:a:b:2:10: emit");
  const nowhere = SourceText.of({ text, site: undefined }, "tracepoint:a:b");
  assertEquals(nowhere.inFile, false);
  assertEquals(nowhere.locate(0, 5).line, 1);
});

test("SourceText survives files with regular expressions, JSX and unclosed quotes", () => {
  const fileText = `const r = /it's "/; const x = <p>don't</p>;\n\`\${ "a" }\`;\n${FILE}\nconst y = "`;
  const source = SourceText.of({ text: STRIPPED, site: { ...site, line: 10, fileText } }, "tracepoint:a:b");
  const at = STRIPPED.indexOf("counts.add");
  assertEquals(source.locate(at, at + 1).line, 17);
});
