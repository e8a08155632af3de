/** Loops whose bound is not known: in an iterator of the kernel, and through bpf_loop as on kernels without those. */
import { assertEquals } from "@std/assert";
import { u32 } from "../../../src/bytes/scalars.ts";
import { MachineFacts } from "../../../src/script/facts.ts";
import { map } from "../../compiler/support/compile.ts";
import { Loaded, withoutType } from "../../compiler/support/kernel.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";

// deno-lint-ignore no-explicit-any -- kernel functions are compiled, never called
type Any = any;

const CASES: readonly (readonly [name: string, fn: (ctx: Any, $: Any) => unknown, wanted: number])[] = [
  ["while", (ctx, { limit }) => {
    let n = ctx.arg0;
    while (n < limit) n += ctx.arg1;
    return n;
  }, 21],
  ["for with break, do", (ctx, { limit }) => {
    let sum = 0;
    for (let i = 0; i < limit; i++) {
      if (i === 7) break;
      sum += i;
    }
    do sum += ctx.arg0; while (sum < limit * 10);
    return sum;
  }, 200],
  ["labels", (_ctx, { limit }) => {
    let n = 0;
    outer: for (let i = 0; i < limit; i++) {
      for (let j = 0; j < limit; j++) {
        for (let k = 0; k < limit; k++) {
          if (k === 2) break;
          if (j === 3) continue outer;
          if (i === 4) break outer;
          n++;
        }
      }
    }
    return n;
  }, 24],
  ["in a function, called from a loop", (ctx, { limit, sum }) => {
    let n = ctx.arg0;
    for (let i = 0; i < limit; i++) n += sum(i, ctx.arg1);
    return n;
  }, 101],
  ["return", (ctx, { limit }) => {
    for (let i = 0; i < limit; i++) if (i * i > 50) return i + ctx.arg0;
    return 0;
  }, 9],
  ["ranges", (_ctx, { limit, range }) => {
    let sum = 0;
    for (const i of range(limit)) {
      if (i === 7) continue;
      if (i === 15) break;
      sum += i;
    }
    for (const i of range(5, limit)) sum += i;
    for (const _ of range(50, limit)) sum += 1000000;
    return sum;
  }, 278],
  ["nested, with map values, objects and a value that may be missing", (ctx, { m, limit }) => {
    m.set(1, { n: 5 });
    const s = m.get(1);
    if (!s) return 1;
    const key = { a: ctx.arg0, b: 3 };
    let last;
    for (let i = 0; i < limit; i++) {
      s.n += i;
      if (i === 4) continue;
      for (let j = 0; j < limit; j++) {
        if (j > i) break;
        s.n++;
      }
      last = i;
      key.a += 1;
    }
    return s.n * 100 + (last ?? 0) + key.a;
  }, 40039],
];

/** Functions that loop, called from a program. */
const FUNCTIONS = {
  sum: ({ limit }: Any, to: number, start: number) => {
    let total = start - 2;
    for (let i = 0; i < limit; i++) {
      if (i > 3) break;
      if (to > i) total += i;
    }
    return total;
  },
  total: ({ limit, range, m }: Any, step: number, until: number) => {
    let sum = 0;
    for (let i = 0; i < limit; i += step) {
      if (i > until) return sum * 1000;
      sum += i;
    }
    for (const i of range(limit)) m.add(i % step);
    return sum;
  },
  note: (_: Any, entry: Any, limit: number) => {
    while (entry.n < limit) entry.n++;
  },
};

const CALLS: typeof CASES = [
  ["in functions", (ctx, { m, total }) => {
    const [all, some] = [total(ctx.arg0, 1000), total(ctx.arg1, 5)];
    return all * 1000 + some + (m.get(0) ?? 0) * 10_000_000;
  }, 190_000 + 6000 + 20 * 10_000_000],
  ["in functions that get values of maps", (_ctx, { e, note, limit }) => {
    e.set(1, { n: 3 });
    const entry = e.get(1);
    if (!entry) return 0;
    note(entry, limit);
    note(entry, 17);
    return entry.n;
  }, 20],
];

for (const [name, fn, wanted] of [...CASES, ...CALLS]) {
  for (const way of ["bpf_iter_num", "bpf_loop"] as const) {
    if (!kernelAtLeast(way === "bpf_loop" ? "5.17" : "6.4")) continue;
    kernelTest(`a loop by ${way}: ${name}`, {}, () => {
      using facts = new MachineFacts();
      const script = {
        maps: {
          m: map("hash", { key: u32, value: name.includes("functions") ? u32 : { n: u32 } }),
          e: map("hash", { key: u32, value: { n: u32 } }),
        },
        functions: name.includes("function") ? FUNCTIONS : {},
        globals: { limit: { layout: u32, initial: 20, constant: false } },
        programs: { "raw_tp:waggle": fn },
      };
      using loaded = new Loaded(
        script,
        way === "bpf_loop" ? { kernelBtf: withoutType(facts.kernelBtf!, "bpf_iter_num_new") } : {},
      );
      assertEquals(loaded.run([1n, 2n]).retval | 0, wanted);
      const bodies = loaded.output.spec.subprograms.filter((fn) => fn.name.includes("__loop"));
      assertEquals(bodies.length > 0, way === "bpf_loop");
    });
  }
}
