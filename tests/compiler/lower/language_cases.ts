// deno-lint-ignore-file no-var eqeqeq no-inner-declarations -- what the compiler must understand is written here
/**
 * What the language means: functions of the first words of their context, the words, and the result. Run in the
 * interpreter and in the kernel, as written and as bundlers print them. docs/language.md refers to these names.
 */
import { bool, i16, i32, i64, i8, u16, u32, u64, u8 } from "../../../src/bytes/scalars.ts";
import { array, bytes, str, struct } from "../../../src/bytes/composites.ts";
import type { Script } from "../support/compile.ts";

/** The words of the context. */
export interface Words {
  readonly arg0: number;
  readonly arg1: number;
  readonly arg2: number;
}

// deno-lint-ignore no-explicit-any -- the scope of a test program is whatever the case declares
type Scope = any;

export interface Case {
  readonly name: string;
  /** Text where the type checker would object. */
  readonly fn: ((ctx: Words, $: Scope) => unknown) | string;
  readonly words?: readonly bigint[];
  readonly expect: bigint;
  readonly globals?: Script["globals"];
  readonly functions?: Script["functions"];
}

const c = (name: string, fn: Case["fn"], words: readonly bigint[], expect: bigint, rest: Partial<Case> = {}): Case => ({
  name,
  fn,
  words,
  expect,
  ...rest,
});

export const CASES: readonly Case[] = [
  // Constants and literals
  c("numbers in every notation", () => 0x10 + 0b11 + 0o7 + 1e3 + 1_000 + Number(5n), [], 2031n),
  c(
    "constants are folded as 64-bit integers",
    () => Number(0xffff_ffff_ffff_ffffn) + 6 + Number(0x20_0000_0000_0001n) / 2,
    [],
    0x10_0000_0000_0005n,
  ),
  c("void 0 is undefined", () => (void 0 === undefined ? 1 : 0), [], 1n),
  c("booleans are 0 and 1", (ctx, { u64 }) => u64(ctx.arg0 > 5) + u64(ctx.arg0 > 50), [10n], 1n),

  // Arithmetic
  c("addition wraps at 64 bits", (ctx) => ctx.arg0 + 1, [0xffff_ffff_ffff_ffffn], 0n),
  c("a difference is signed", (ctx) => ctx.arg0 - ctx.arg1 < 0 ? 1 : 0, [3n, 5n], 1n),
  c("division of a difference truncates towards zero", (ctx) => (ctx.arg0 - ctx.arg1) / 2, [1n, 8n], -3n),
  c("remainder has the sign of the dividend", (ctx) => (ctx.arg0 - ctx.arg1) % 4, [1n, 8n], -3n),
  c("unsigned division", (ctx) => ctx.arg0 / 3, [0xffff_ffff_ffff_fff6n], 0x5555_5555_5555_5552n),
  c("division by zero is zero", (ctx) => ctx.arg0 / ctx.arg1, [7n, 0n], 0n),
  c("remainder by zero is the dividend", (ctx) => ctx.arg0 % ctx.arg1, [7n, 0n], 7n),
  c("signed division by a negative number", (ctx, { i64 }) => i64(ctx.arg0) / i64(ctx.arg1), [100n, -7n], -14n),
  c("a quotient may be wider than the dividend", (ctx, { i8, i64 }) => i8(i8(ctx.arg0) / i8(ctx.arg1)) + i64(0), [
    0x80n,
    0xffn,
  ], -128n),
  c("multiplication", (ctx) => ctx.arg0 * ctx.arg1, [123456789n, 1000n], 123456789000n),
  c("powers with a constant exponent", (ctx) => ctx.arg0 ** 3, [7n], 343n),
  c("unary minus and plus", (ctx) => -ctx.arg0 + +ctx.arg1, [5n, 2n], -3n),

  // Bits
  c("and, or, xor, not are 64 bits wide", (ctx) => (ctx.arg0 & 0xff00) | (~ctx.arg1 ^ 1), [
    0x12345n,
    0xffff_ffff_ffff_fff0n,
  ], 0x230en),
  c(
    "or and xor are signed if an operand is",
    (ctx, { i64 }) => {
      let flags = i64(ctx.arg0);
      flags |= 1;
      return (flags ^ ctx.arg1) >> 1;
    },
    [-8n, 0n],
    -4n,
  ),
  c("left shift is 64 bits wide", (ctx) => ctx.arg0 << 40, [3n], 3n << 40n),
  c("right shift of an unsigned value is logical", (ctx) => ctx.arg0 >> 60, [0xf000_0000_0000_0000n], 15n),
  c("right shift of a signed value keeps the sign", (ctx, { i64 }) => i64(ctx.arg0) >> 4, [-256n], -16n),
  c(">>> is always logical", (ctx, { i64 }) => i64(ctx.arg0) >>> 60, [-1n], 15n),
  c("variable shift counts are taken modulo 64", (ctx) => ctx.arg0 << ctx.arg1, [1n, 65n], 2n),

  // Casts
  c("u8 keeps the low 8 bits", (ctx, { u8 }) => u8(ctx.arg0), [0x1ffn], 255n),
  c("i8 extends the sign", (ctx, { i8 }) => i8(ctx.arg0), [0xffn], -1n),
  c("u16, i16", (ctx, { u16, i16 }) => u16(ctx.arg0) + i16(ctx.arg0), [0x1_8000n], 0n),
  c("u32, i32", (ctx, { u32, i32 }) => u32(ctx.arg0) + i32(ctx.arg0), [0x1_8000_0000n], 0n),
  c("byte order", (ctx, { ntohs, ntohl, ntohll }) => ntohs(ctx.arg0) + ntohl(ctx.arg1) + ntohll(ctx.arg2), [
    0x3412n,
    0x78563412n,
    0x0100_0000_0000_0000n,
  ], 0x1234n + 0x12345678n + 1n),
  c("min, max, abs", (ctx, { min, max, abs, i64 }) => min(ctx.arg0, 10) + max(ctx.arg0, 100) + abs(i64(ctx.arg1)), [
    50n,
    -7n,
  ], 117n),
  c(
    "Math.min, Math.max, Math.abs",
    (ctx) => Math.min(ctx.arg0, 10) + Math.max(ctx.arg0, 100) + Math.abs(ctx.arg1 - 8),
    [50n, 1n],
    117n,
  ),
  c("log2", (ctx, { log2 }) => log2(ctx.arg0) * 100 + log2(ctx.arg1), [1025n, 1n], 1000n),
  c("log2 of a negative constant", (_ctx, { log2 }) => log2(-5), [], 63n),
  c("what was cast to a signed type stays signed", (ctx, { i64 }) => (i64(5) - i64(2) + ctx.arg0) / 2, [-9n], -3n),

  // Comparison
  c("unsigned comparison", (ctx) => ctx.arg0 > 5 ? 1 : 0, [0xffff_ffff_ffff_ffffn], 1n),
  c("signed comparison", (ctx, { i64 }) => i64(ctx.arg0) > 5 ? 1 : 0, [-1n], 0n),
  c("an unsigned 32-bit value meets a signed one", (ctx, { u32, i32 }) => u32(ctx.arg0) > i32(ctx.arg1) ? 1 : 0, [
    0xffff_ffffn,
    0xffff_ffffn,
  ], 1n),
  c("=== and !==", (ctx) => (ctx.arg0 === 5 ? 1 : 0) + (ctx.arg0 !== 6 ? 2 : 0), [5n], 3n),
  c("== and != mean the same", (ctx) => (ctx.arg0 == 5 ? 1 : 0) + (ctx.arg0 != 6 ? 2 : 0), [5n], 3n),

  // Conditions
  c(
    "&& and || short-circuit",
    (ctx) => {
      let n = 0;
      if (ctx.arg0 === 1 && (n += 1) > 0) n += 10;
      if (ctx.arg0 === 2 || (n += 100) > 0) n += 1000;
      return n;
    },
    [2n],
    1000n,
  ),
  c("&& and || give values", (ctx) => (ctx.arg0 || 7) + (ctx.arg1 && 9), [0n, 3n], 16n),
  c("zero is falsy", (ctx) => (ctx.arg0 ? 1 : 2) + (!ctx.arg1 ? 10 : 20), [0n, 5n], 22n),
  c("nested conditional expressions", (ctx) => ctx.arg0 < 10 ? ctx.arg0 < 5 ? 1 : 2 : 3, [7n], 2n),
  c("negated conditions", (ctx) => !(ctx.arg0 < 5 || ctx.arg0 > 10) ? 1 : 0, [7n], 1n),
  c(
    "a condition as a value",
    (ctx) => {
      const both = ctx.arg0 > 1 && ctx.arg1 > 1;
      return both ? 5 : 6;
    },
    [2n, 2n],
    5n,
  ),
  c("?? keeps zero", (ctx) => ctx.arg0 ?? 5, [0n], 0n),

  // Statements
  c(
    "if, else if, else",
    (ctx) => {
      if (ctx.arg0 < 5) return 1;
      else if (ctx.arg0 < 10) return 2;
      else return 3;
    },
    [7n],
    2n,
  ),
  c(
    "variables change in branches",
    (ctx) => {
      let x = 1;
      if (ctx.arg0 > 3) x = ctx.arg0;
      else x += 5;
      return x * 2;
    },
    [9n],
    18n,
  ),
  c(
    "a variable without initialiser",
    (ctx) => {
      let x;
      if (ctx.arg0 > 3) x = 1;
      else x = 2;
      return x;
    },
    [9n],
    1n,
  ),
  c(
    "var is the function's",
    (ctx) => {
      if (ctx.arg0 > 3) {
        var x: number | undefined = 7;
      }
      return x! ?? 0;
    },
    [9n],
    7n,
  ),
  c(
    "inner scopes shadow",
    (ctx) => {
      const x = ctx.arg0;
      {
        const x = 100;
        if (x !== 100) return 0;
      }
      return x;
    },
    [9n],
    9n,
  ),
  c(
    "switch falls through and breaks",
    `(ctx) => {
    let n = 0;
    switch (ctx.arg0) {
      case 1:
        n += 1;
      case 2:
        n += 10;
        break;
      default:
        n += 100;
      case 3:
        n += 1000;
    }
    return n;
  }`,
    [1n],
    11n,
  ),
  c(
    "switch takes the default",
    (ctx) => {
      switch (ctx.arg0) {
        case 1:
          return 1;
        default:
          return 100;
        case 3:
          return 3;
      }
    },
    [9n],
    100n,
  ),
  c(
    "comma, assignment as expression",
    (ctx) => {
      let a, b;
      a = b = ctx.arg0, a++;
      return a * 10 + b;
    },
    [4n],
    54n,
  ),
  c(
    "compound assignment",
    (ctx) => {
      let x = ctx.arg0;
      x += 3;
      x *= 2;
      x <<= 2;
      x |= 1;
      x &= 0xfff;
      x ^= 2;
      x %= 1000;
      return x;
    },
    [4n],
    59n,
  ),
  c(
    "logical assignment",
    (ctx) => {
      let x = ctx.arg0;
      x ||= 5;
      x &&= 6;
      return x;
    },
    [0n],
    6n,
  ),
  c(
    "prefix and postfix",
    (ctx) => {
      let x = ctx.arg0;
      const a = x++;
      const b = ++x;
      const c = x--;
      return a * 1000 + b * 100 + c * 10 + x;
    },
    [1n],
    1332n,
  ),
  c(
    "swap by destructuring",
    (ctx) => {
      let a = ctx.arg0, b = ctx.arg1;
      [a, b] = [b, a];
      return a * 10 + b;
    },
    [1n, 2n],
    21n,
  ),
  c(
    "objects and destructuring with defaults",
    (ctx) => {
      const point = { x: ctx.arg0, y: { z: ctx.arg1 } };
      const { x, y: { z }, w = 5 } = point as { x: number; y: { z: number }; w?: number };
      return x * 100 + z * 10 + w;
    },
    [1n, 2n],
    125n,
  ),
  c(
    "fields of an object change",
    (ctx) => {
      const o = { n: 0, m: ctx.arg0 };
      if (ctx.arg0 > 1) o.n = 5;
      o.m += 2;
      return o.n * 10 + o.m;
    },
    [3n],
    55n,
  ),
  c(
    "array literals",
    (ctx) => {
      const list = [ctx.arg0, 20, 30];
      const [a, , b] = list;
      return a! + b! + list.length;
    },
    [1n],
    34n,
  ),

  // Loops
  c(
    "for counts to a constant",
    (ctx) => {
      let sum = 0;
      for (let i = 0; i < 10; i++) sum += ctx.arg0 + i;
      return sum;
    },
    [1n],
    55n,
  ),
  c(
    "break and continue",
    () => {
      let sum = 0;
      for (let i = 0; i < 100; i++) {
        if (i % 2 === 0) continue;
        if (i > 10) break;
        sum += i;
      }
      return sum;
    },
    [],
    25n,
  ),
  c(
    "labels",
    () => {
      let n = 0;
      outer: for (let i = 0; i < 5; i++) {
        for (let j = 0; j < 5; j++) {
          if (j === 3) continue outer;
          if (i === 3) break outer;
          n += 1;
        }
      }
      return n;
    },
    [],
    9n,
  ),
  c(
    "two variables, downwards",
    (ctx) => {
      let n = 0;
      for (let i = 10, j = ctx.arg0; i > 0; i--, j++) n += j;
      return n;
    },
    [0n],
    45n,
  ),
  c(
    "for…of a constant range",
    (ctx, { range }) => {
      let sum = 0;
      for (const i of range(5)) sum += i * ctx.arg0;
      for (const i of range(5, 8)) sum += i;
      return sum;
    },
    [2n],
    38n,
  ),
  c(
    "for…of an array literal",
    (ctx) => {
      let sum = 0;
      for (const x of [ctx.arg0, 10, 100]) {
        if (x === 10) continue;
        sum += x;
      }
      return sum;
    },
    [2n],
    102n,
  ),
  c(
    "a counter that goes down is signed, and so is what is made from it",
    (ctx) => {
      let sum = 0, last;
      for (let i = 2; i > -2; i--) {
        if (ctx.arg0) last = i << ctx.arg1;
        sum += i;
      }
      for (let i = 3; i >= 0; i--) sum += i;
      return (last ?? 0) * 100 + sum;
    },
    [1n, 3n],
    -792n,
  ),
  c(
    "return inside a loop",
    (ctx) => {
      for (let i = 0; i < 64; i++) if (i * i >= ctx.arg0) return i;
      return 99;
    },
    [50n],
    8n,
  ),

  // Globals
  c(
    "globals are read and written",
    (ctx, $) => {
      $.counter += ctx.arg0;
      $.counter++;
      $.last = $.counter * 2;
      return $.last;
    },
    [4n],
    10n,
    { globals: { counter: u64, last: u64 } },
  ),
  c(
    "small globals are truncated and extended",
    (ctx, $) => {
      $.byte = ctx.arg0;
      $.short = ctx.arg0;
      return $.byte + $.short;
    },
    [0x1ff80n],
    -256n,
    { globals: { byte: i8, short: i16 } },
  ),
  c("a constant global", (_ctx, $) => $.limit * 2, [], 42n, {
    globals: { limit: { layout: u32, initial: 21, constant: true } },
  }),
  c("an initialised global", (_ctx, $) => $.start + 1, [], 8n, {
    globals: { start: { layout: i64, initial: 7n, constant: false } },
  }),
  c(
    "structs and arrays as globals",
    (ctx, $) => {
      $.table[2] = ctx.arg0;
      $.point.y = 5;
      const i = ctx.arg1;
      return $.table[i] * 10 + $.point.y + $.table.length;
    },
    [7n, 2n],
    79n,
    { globals: { table: array(u32, 4), point: struct({ x: u8, y: u16 }) } },
  ),
  c(
    "a boolean global",
    (ctx, $) => {
      $.flag = ctx.arg0 > 3;
      return $.flag ? 1 : 2;
    },
    [4n],
    1n,
    { globals: { flag: bool } },
  ),
  c(
    "strings: literals into buffers, comparison",
    (_ctx, $) => {
      $.name = "bash";
      if ($.name !== "bash") return 1;
      if ($.name === "bas" || $.name === "bashx") return 2;
      return $.name.startsWith("ba") ? 5 : 3;
    },
    [],
    5n,
    { globals: { name: str(16) } },
  ),
  c(
    "strings: two buffers",
    (_ctx, $) => {
      $.a = "one";
      $.b = "one";
      $.c = "two";
      return ($.a === $.b ? 1 : 0) + ($.a === $.c ? 10 : 0) + ($.a ? 100 : 0);
    },
    [],
    101n,
    { globals: { a: str(16), b: str(24), c: str(16) } },
  ),
  c(
    "strings: length in bytes",
    (_ctx, $) => {
      $.name = "bash";
      $.full = "12345678";
      return $.name.length * 1000 + $.full.length * 100 + "é".length * 10 + $.empty.length;
    },
    [],
    4810n,
    { globals: { name: str(16), full: str(9), empty: str(16) } },
  ),
  c(
    "strings: endsWith and includes",
    (_ctx, $) => {
      $.path = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
      return ($.path.endsWith(".so.3") ? 1 : 0) + ($.path.endsWith(".so") ? 10 : 0) +
        ($.path.includes("lib/x86_64-linux-gnu") ? 100 : 0) + ($.path.includes("libcrypto") ? 1000 : 0) +
        ($.path.includes("") ? 10000 : 0) + ($.path.endsWith("") ? 100000 : 0) + ($.path.includes("/") ? 2 : 0);
    },
    [],
    110103n,
    { globals: { path: str(64) } },
  ),
  c(
    "strings: indexOf and lastIndexOf",
    (_ctx, $) => {
      $.path = "/usr/lib/liba.so";
      const i = $.path.lastIndexOf("/");
      return i * 10000 + $.path.indexOf("/usr/lib/l") * 1000 + $.path.indexOf("lib") * 100 +
        $.path.lastIndexOf("lib") * 10 + $.path.indexOf("x");
    },
    [],
    80000n + 500n + 90n - 1n,
    { globals: { path: str(32) } },
  ),
  c(
    "strings: slice and substring",
    (ctx, $) => {
      $.path = "/usr/lib/liba.so";
      $.base = $.path.slice($.path.lastIndexOf("/") + 1);
      $.top = $.path.slice(1, 4);
      $.end = $.path.slice(-3);
      $.middle = $.path.substring(ctx.arg0, ctx.arg1);
      $.none = $.path.slice(99);
      return ($.base === "liba.so" ? 1 : 0) + ($.top === "usr" ? 10 : 0) + ($.end === ".so" ? 100 : 0) +
        ($.middle === "lib" ? 1000 : 0) + ($.none === "" ? 10000 : 0);
    },
    [8n, 5n],
    11111n,
    { globals: { path: str(32), base: str(16), top: str(4), end: str(8), middle: str(16), none: str(8) } },
  ),
  c(
    "strings: characters",
    (ctx, $) => {
      $.name = "a/b";
      const second = $.name[ctx.arg0];
      return ($.name[0] === "a" ? 1 : 0) + (second === "/" ? 10 : 0) + ($.name[2] === "/" ? 100 : 0) +
        ($.name.charAt(2) === "b" ? 1000 : 0) + $.name.charCodeAt(ctx.arg0) * 10000 + ($.name[3] ? 5 : 0);
    },
    [1n],
    471011n,
    { globals: { name: str(8) } },
  ),
  c(
    "strings: startsWith another string",
    (_ctx, $) => {
      $.name = "waggle-worker";
      $.prefix = "waggle";
      $.long = "waggle-worker-and-more";
      return ($.name.startsWith($.prefix) ? 1 : 0) + ($.name.startsWith($.long) ? 10 : 0) +
        ($.prefix.startsWith($.name) ? 100 : 0) + ($.name.startsWith($.none) ? 1000 : 0);
    },
    [],
    1001n,
    { globals: { name: str(16), prefix: str(16), long: str(32), none: str(8) } },
  ),
  c(
    "strings: methods of literals",
    () => {
      const name = "libssl.so";
      return (name.endsWith(".so") ? 1 : 0) + name.indexOf(".") * 10 + name.length * 100 +
        (name.slice(0, 3) === "lib" ? 1000 : 0) + name.charCodeAt(0) * 10000;
    },
    [],
    1081961n,
  ),
  c(
    "bytes are elements",
    (ctx, $) => {
      $.raw[3] = ctx.arg0;
      return $.raw[3] + $.raw[0];
    },
    [200n],
    200n,
    { globals: { raw: bytes(6) } },
  ),
  c(
    "fetched compound assignment of a global",
    (_ctx, $) => {
      const before = $.n++;
      const after = ++$.n;
      const less = $.n -= 5;
      return before * 10000 + after * 100 + less;
    },
    [],
    1000n * 70n + 900n + 4n,
    { globals: { n: { layout: i32, initial: 7, constant: false } } },
  ),

  c(
    "a counter meets signed values",
    (ctx, { i32 }) => {
      let n = 0, sum = 0;
      for (let i = 0; i < i32(ctx.arg0) && i < 100; i++) n++, sum += i;
      return n * 1000 + sum;
    },
    [5n],
    5010n,
  ),
  c(
    "an index is evaluated before the value",
    (_ctx, $) => {
      $.table[$.n] = ++$.n;
      return $.table[1] * 10 + $.table[2];
    },
    [],
    20n,
    { globals: { table: array(u32, 4), n: { layout: u32, initial: 1, constant: false } } },
  ),
  c(
    "compound assignment reads the old value first",
    (ctx) => {
      let x = ctx.arg0;
      x += (x = 100) + 1;
      return x;
    },
    [4n],
    105n,
  ),
  c(
    "compound assignment of a small field wraps at its width",
    (_ctx, $) => {
      const a = ++$.byte;
      const b = $.word += 3;
      return a * 1000 + b;
    },
    [],
    1n,
    {
      globals: {
        byte: { layout: u8, initial: 255, constant: false },
        word: { layout: u32, initial: 0xffff_fffe, constant: false },
      },
    },
  ),

  // Functions
  c("functions are called", (ctx, { twice }) => twice(ctx.arg0) + twice(5), [4n], 18n, {
    functions: { twice: (_$: unknown, n: number) => n * 2 },
  }),
  c("functions call functions and use the scope", (ctx, { outer }) => outer(ctx.arg0, 3), [4n], 42n, {
    globals: { base: { layout: u64, initial: 30n, constant: false } },
    functions: {
      outer: ({ inner, base }: Scope, a: number, b: number) => inner(a, b) + base,
      inner: (_$: unknown, a: number, b: number) => {
        if (a > 100) return 0;
        return a * b;
      },
    },
  }),
  c(
    "functions without a result",
    (ctx, $) => {
      $.note(ctx.arg0);
      return $.seen;
    },
    [6n],
    6n,
    {
      globals: { seen: u64 },
      functions: {
        note: ($: Scope, n: number) => {
          $.seen = n;
        },
      },
    },
  ),
  c("functions with boolean results", (ctx, { isOdd }) => isOdd(ctx.arg0) ? 1 : 0, [7n], 1n, {
    functions: { isOdd: (_$: unknown, n: number) => n % 2 === 1 },
  }),
  c(
    "large objects live in scratch memory or on the stack",
    (ctx, $) => {
      const copy = { a: ctx.arg0, b: 2 };
      $.pair = copy;
      return $.pair.a + $.pair.b;
    },
    [5n],
    7n,
    { globals: { pair: struct({ a: u32, b: u64 }) } },
  ),
];
