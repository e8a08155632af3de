/** Every mistake has its own message: code, place, and what to write instead. One row a mistake. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { spinLock, timer } from "../../../src/bytes/kernel_owned.ts";
import { str, struct } from "../../../src/bytes/composites.ts";
import { i32, u32, u64 } from "../../../src/bytes/scalars.ts";
import { CompileError } from "../../../src/errors.ts";
import { test } from "../../support/harness.ts";
import { compileScript, map, type Script } from "../support/compile.ts";

const MAPS = {
  started: map("hash", { key: u32, value: { at: u64, name: str(8) } }),
  counts: map("hash", { key: u32, value: u64 }),
  owned: map("hash", { key: u32, value: { guard: spinLock, n: u32, expiry: timer } }),
  events: map("ringbuf", { value: { pid: u32, name: str(8) }, maxEntries: 4096 }),
};
const GLOBALS = {
  target: u32,
  limit: { layout: u32, initial: 5, constant: true },
  signed: i32,
  big: u64,
  point: struct({ x: u32 }),
};

interface Row {
  readonly source: string;
  readonly code: string;
  /** Of the first message; 1-based. */
  readonly column: number;
  readonly text: string;
  readonly note?: string;
  readonly key?: string;
  readonly functions?: Script["functions"];
}

const row = (
  source: string,
  code: string,
  column: number,
  text: string,
  note?: string,
  rest: Partial<Row> = {},
): Row => ({ source, code, column, text, ...(note === undefined ? {} : { note }), ...rest });

const ROWS: readonly Row[] = [
  // Names
  row("(ctx) => LIMIT", "free-identifier", 10, "`LIMIT` is not visible here", "goes under `globals`"),
  row("(ctx, { pid }) => pidd()", "free-identifier", 19, "`pidd` is not visible here", "did you mean `pid`?"),
  row("(ctx) => comm()", "free-identifier", 10, "`comm` is not visible here", "(ctx, { comm })"),
  row("(ctx) => { console.log(1); }", "free-identifier", 12, "`console`", "print(`…`)"),
  row(
    "(ctx, { started, pidd }) => pidd()",
    "unknown-field",
    18,
    "the second parameter has no `pidd`",
    "did you mean `pid`",
  ),
  row("(ctx) => { const x = 1; x = 2; return x; }", "assign-const", 25, "`x` is a constant", "declare it with `let`"),
  row("(ctx) => ctx.nothing", "unknown-field", 14, "has no `nothing`"),
  row("(ctx) => { x = 1; let x; }", "free-identifier", 12, "`x` is not visible here"),
  row("(ctx, { limit }) => { limit = 3; }", "read-only", 23, "cannot be written"),
  row("(ctx, { pid }) => { pid = 3; }", "read-only", 21, "cannot be assigned"),
  row("(ctx, $, more) => 0", "parameters", 1, "two parameters"),
  row("(ctx, { pid } = {}) => 0", "parameter-default", 17, "has no default"),

  // Strings
  row("(ctx, { comm }) => comm().trim()", "unknown-method", 27, "no method `trim`", "startsWith, endsWith"),
  row("(ctx, { comm }) => comm().endWith('x') ? 1 : 0", "unknown-method", 27, "`endWith`", "did you mean `endsWith`?"),
  row("(ctx, { comm }) => comm().endsWith(comm()) ? 1 : 0", "string-search", 36, "takes a string literal"),
  row("(ctx, { comm }) => comm().includes(comm()) ? 1 : 0", "no-helper", 20, "not a literal", "Linux 6.17"),
  row(`(ctx, { comm }) => comm().indexOf("${"x".repeat(33)}")`, "string-length", 35, "at most 32 bytes"),
  row("(ctx, { comm }) => comm() < 'x' ? 1 : 0", "type", 20, "expected an integer, this is str(16)"),
  row("(ctx, { comm }) => { const c = comm(); c[0] = 'x'; }", "read-only", 40, "cannot be written"),

  // Builtins
  row("(ctx, { register }) => register('ip')", "no-registers", 24, "does not see registers", "kprobe, uprobe"),
  row("(ctx, { register }) => register('iq')", "unknown-field", 33, 'no register "iq"', "did you mean `ip`?", {
    key: "kprobe:do_exit",
  }),
  row("(ctx, { signal }) => signal('SIGTRM')", "range", 29, 'no signal "SIGTRM"', "did you mean `SIGTERM`"),
  row("(ctx, { ipv4 }) => ipv4('10.0.0')", "range", 25, "no IPv4 address"),
  row("(ctx, { kernelStack }) => { const s = kernelStack(ctx.arg0); }", "type", 51, "a constant from 0 to 255"),

  // Locks and timers
  row(
    "(ctx, { owned, lock, pid }) => { const v = owned.get(1); if (v) lock(v, () => { v.n = pid(); }); }",
    "locked",
    87,
    "nothing can be called while a lock is held",
    "before or after",
    { key: "tc" },
  ),
  row(
    "(ctx, { owned, lock }) => { const v = owned.get(1); if (v) lock(v, () => { owned.delete(1); }); }",
    "locked",
    76,
    "map_delete_elem",
    "before or after",
    { key: "tc" },
  ),
  row(
    "(ctx, { owned, lock }) => { const v = owned.get(1); if (v) lock(v, v); }",
    "closure",
    68,
    "written in place",
    "lock(value, () =>",
    { key: "tc" },
  ),
  row(
    "(ctx, { owned, lock }) => { const v = owned.get(1); if (v) lock(v, (x) => { v.n = x; }); }",
    "closure",
    69,
    "no parameters",
    undefined,
    { key: "tc" },
  ),
  row(
    "(ctx, { counts, lock }) => { lock(counts, () => {}); }",
    "type",
    35,
    "a value of a map that has a spin lock",
    undefined,
    { key: "tc" },
  ),
  row(
    "(ctx, { started, lock }) => { const v = started.get(1); if (v) lock(v, () => {}); }",
    "kernel-owned",
    69,
    "this value has no spin lock",
    "`guard: spinLock`",
    { key: "tc" },
  ),
  row(
    "(ctx, { owned, lock }) => { const v = owned.get(1); if (v) lock(v, () => {}); }",
    "kernel-owned",
    65,
    "kind raw_tp can have no spin locks",
    "tp_btf",
  ),
  row(
    "(ctx, { owned }) => { const v = owned.get(1); if (v) v.guard.val = 1; }",
    "kernel-owned",
    56,
    "`guard` belongs to the kernel",
    "lock(value",
    { key: "tc" },
  ),
  row(
    "(ctx, { owned }) => { const v = owned.get(1); if (v) owned.startTimer(v, 1, 2); }",
    "type",
    77,
    "one of `functions`",
    "expire($, key, value)",
    { key: "tc" },
  ),
  row(
    "(ctx, { owned, late }) => { const v = owned.get(1); if (v) owned.startTimer(v, 1, late); }",
    "no-context",
    29,
    "a timer's callback has no context",
    "in the program",
    {
      key: "tc",
      functions: { late: "({ packet, owned }, key) => packet.length" },
    },
  ),
  row(
    "(ctx, { owned }) => { const v = owned.get(1); if (v) (() => { v.n = 1; })(); }",
    "closure",
    55,
    "a function inside",
  ),
  row(
    "(ctx, { events }) => { for (const e of events) {} }",
    "for-of",
    40,
    "entries of a ringbuf cannot be visited",
    "hash, lru_hash",
  ),

  // Syntax outside of the subset
  row("(ctx) => { class A {} }", "unsupported", 12, "classes"),
  row("(ctx) => new Map()", "unsupported", 10, "`new`", "declare a map under `maps`"),
  row("(ctx) => this.x", "unsupported", 10, "`this`"),
  row("async (ctx) => 1", "unsupported", 1, "async"),
  row("async function f(ctx) {}", "unsupported", 1, "async"),
  row("(ctx) => { try { } catch { } }", "unsupported", 12, "`try`", "a negative number"),
  row("(ctx) => { throw 1; }", "unsupported", 12, "`throw`"),
  row("(ctx) => /a'b/.test(ctx.arg0)", "unsupported", 10, "regular expressions", "startsWith"),
  row("(ctx, { events }) => events.emit({ ...ctx })", "unsupported", 36, "`...`"),
  row("(ctx) => 0.5 + 1", "unsupported", 10, "fractions", "microseconds"),
  row("(ctx) => 0xffffffffffffffff", "unsupported", 10, "too large to be exact", "BigInt"),
  row("(ctx) => { delete ctx.x; }", "unsupported", 12, "`delete`", "map.delete(key)"),
  row("(ctx) => 'x' in ctx", "unsupported", 14, "`in`", "map.has(key)"),
  row("(ctx) => { for (const x in ctx) {} }", "unsupported", 12, "for…in"),
  row("(ctx) => typeof ctx", "unsupported", 10, "`typeof`", "x === undefined"),
  row("(ctx) => { function f() {} }", "unsupported", 12, "functions inside", "under `functions`"),
  row(
    "(ctx) => { const f = () => 1; return f(); }",
    "closure",
    22,
    "a function inside a kernel function",
    "under `functions`",
  ),
  row("(ctx) => { const o = { [ctx]: 1 }; }", "unsupported", 24, "computed keys"),
  row("(ctx) => { const o = { get x() { return 1; } }; }", "unsupported", 24, "getters"),
  row("(ctx) => { const o = { x() { return 1; } }; }", "unsupported", 24, "methods"),
  row("(ctx) => ctx`x`", "unsupported", 13, "tagged templates"),
  row("*f(ctx) {}", "unsupported", 1, "generator"),
  row("(ctx) => { if (1 }", "syntax", 18, "expected `)`"),

  // Types
  row("(ctx) => ctx.arg0 < 0 ? 1 : 2", "unsigned-negative", 10, "never below zero", "i64(…)"),
  row("(ctx) => ctx.arg0 === -1 ? 1 : 2", "unsigned-negative", 10, "never equals -1", "i64(…)"),
  row(
    "(ctx, { signed }) => ctx.arg0 > signed ? 1 : 2",
    "sign-mix",
    22,
    "an unsigned u64 on its left and a signed i32 on its right",
    "i64(…) around the left side",
  ),
  row("(ctx) => (ctx.arg0 - 5) / ctx.arg1", "sign-mix", 10, "`/`", "u64(…)"),
  row("(ctx, { counts }) => counts.get(1) + 1", "maybe-undefined", 22, "may be undefined", "`x ?? 0`"),
  row(
    "(ctx, { started }) => started.get(1).at",
    "maybe-undefined",
    23,
    "may be undefined",
    "if (x === undefined) return",
  ),
  row("(ctx) => 5 / 0", "zero-divisor", 10, "divides by zero"),
  row("(ctx) => ctx.arg0 << 64", "shift-count", 10, "64 bits"),
  row("(ctx) => ctx.arg0 ** ctx.arg1", "power", 10, "constant exponent"),
  row("(ctx, { comm }) => comm() + 'x'", "string-concat", 20, "cannot be joined", "print(`…`)"),
  row("(ctx, { comm }) => { return comm(); }", "type", 29, "a program returns an integer"),
  row("(ctx) => `a${ctx.arg0}`", "template", 10, "only be printed", "print(`…`)"),
  row("(ctx, { pid }) => pid(1)", "arguments", 19, "takes 0 arguments", "pid(): u32"),
  row("(ctx, { target }) => target()", "not-callable", 22, "cannot be called"),
  row("(ctx) => (ctx.arg0 > 1) === 1 ? 1 : 2", "type", 10, "never `===` to a number"),
  row(
    "(ctx, { comm }) => { let x = 1; if (ctx.arg0) x = comm(); return x; }",
    "type-change",
    51,
    "`x` cannot hold both",
    "second variable",
  ),
  row(
    "(ctx, { nsecs }) => { let t = nsecs(); t = t - 5; return t; }",
    "type-change",
    44,
    "signed and the other unsigned",
  ),
  row("(ctx) => ctx.arg0.x", "no-fields", 19, "has no field `x`"),
  row("(ctx) => { const a = [1, 2]; return a[2]; }", "index-range", 37, "outside of the array of 2"),

  // Maps and structs
  row("(ctx, { counts }) => { counts.gett(1); }", "unknown-method", 31, "has no method `gett`", "did you mean `get`"),
  row("(ctx, { counts }) => { counts.set(1); }", "arguments", 24, "takes 2 arguments at least"),
  row("(ctx, { started }) => { started.set(1, { at: 5 }); }", "missing-field", 40, "`name` is missing"),
  row(
    "(ctx, { started }) => { started.set(1, { at: 5, nam: '', name: '' }); }",
    "unknown-field",
    54,
    "no field `nam`",
    "did you mean `name`",
  ),
  row(
    "(ctx, { started }) => { started.set(1, { at: 5, name: 'too long for it' }); }",
    "string-length",
    55,
    "do not fit str(8)",
  ),
  row("(ctx, { started }) => { started.set(1, { at: 'x', name: '' }); }", "type", 46, "expected u64, this is a string"),
  row(
    "(ctx, { started }) => { started.set(5000000000, { at: 1, name: '' }); }",
    "range",
    37,
    "5000000000 does not fit u32",
  ),
  row(
    "(ctx, { started }) => started.get(1)?.nam === 'x' ? 1 : 0",
    "unknown-field",
    39,
    "no `nam`",
    "did you mean `name`",
  ),
  row("(ctx, { counts }) => { counts.get({ a: 1 }); }", "type", 35, "expected u32, this is an object"),

  // Hooks
  row(
    "(ctx, { packet, XDP_PASS }) => { if (packet.u8(0)) return XDP_PASS; }",
    "no-verdict",
    69,
    "must return a verdict",
    "XDP_PASS",
    { key: "xdp" },
  ),
  row("(ctx) => 0", "unknown-hook", 1, 'there is no hook "nonsense:x"', "docs/sections.md", { key: "nonsense:x" }),
  row("(ctx, { packet }) => packet.u8(0) ?? 0", "no-packet", 32, "has no packet"),

  // Functions
  row("(ctx, { f }) => f(1)", "recursion", 15, "f calls itself", "use a loop", {
    functions: { f: "({ f }, n) => f(n)" },
  }),
  row("(ctx, { f }) => f(1)", "arguments", 17, "f takes 2 arguments", "the scope", {
    functions: { f: "($, a, b) => a + b" },
  }),
  row("(ctx, { f }) => f({ a: 1 })", "argument-type", 19, "cannot be passed", "one by one", {
    functions: { f: "($, a) => 1" },
  }),
  row("(ctx, { f }) => f(1)", "return-type", 17, "on some ways only", "return 0", {
    functions: { f: "($, a) => { if (a) return 1; }" },
  }),
];

function diagnose(item: Row): CompileError {
  const globals = Object.fromEntries(Object.entries(GLOBALS).map(([name, g]) => [name, g])) as NonNullable<
    Script["globals"]
  >;
  const script: Script = {
    maps: MAPS,
    globals,
    functions: item.functions ?? {},
    programs: { [item.key ?? "raw_tp:test"]: item.source },
  };
  return assertThrows(() => compileScript(script), CompileError);
}

for (const item of ROWS) {
  test(`compile() reports ${item.code}: ${item.source}`, () => {
    const { diagnostics } = diagnose(item);
    const [first] = diagnostics;
    assertEquals({ code: first?.code, column: first?.loc?.column, line: first?.loc?.line }, {
      code: item.code,
      column: item.column,
      line: 1,
    }, first?.text);
    assertStringIncludes(first!.text, item.text);
    if (item.note !== undefined) assertStringIncludes(first!.notes.join("\n"), item.note);
  });
}

test("compile() reports several mistakes of several programs at once, with lines and carets", () => {
  const error = assertThrows(() =>
    compileScript({
      programs: {
        "raw_tp:a": "(ctx) => {\n  const a = nothing;\n  const b = a + 1;\n  return ctx.arg0 / 0;\n}",
        "raw_tp:b": "(ctx, { pid }) => {\n\tif (pid( === 1) return 1;\n}",
      },
    }), CompileError);
  assertEquals(error.diagnostics.map((d) => [d.code, d.loc!.file, d.loc!.line, d.loc!.column]), [
    ["free-identifier", "raw_tp:a", 2, 13],
    ["zero-divisor", "raw_tp:a", 4, 10],
    ["syntax", "raw_tp:b", 2, 11],
  ]);
  assertStringIncludes(error.message, "  2 |   const a = nothing;\n    |             ^^^^^^^\n  note:");
  assertStringIncludes(error.message, "  2 | \tif (pid( === 1) return 1;\n    | \t         ^^^");
});

test("a stack that is too large names what takes it", () => {
  const fields = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`f${i}`, u64]));
  const maps = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`m${i}`, map("hash", { key: fields, value: u32 })]),
  );
  const keys = Object.keys(maps);
  const object = `{ ${Object.keys(fields).map((name) => `${name}: ctx.arg0`).join(", ")} }`;
  const source = `(ctx, { ${keys.join(", ")}, has }) => { ${
    keys.map((key, i) => `const k${i} = ${key}.get(${object});`).join(" ")
  } return 0; }`;
  // Each key lives for one call only: the slots share their bytes and everything fits.
  compileScript({ maps, programs: { "raw_tp:a": source.replace(", has", "") } });
});
