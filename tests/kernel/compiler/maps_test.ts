/** Methods of maps, in the kernel: each by what the map holds afterwards, or by what the program saw. */
import { assertEquals } from "@std/assert";
import { array, bytes, str, struct } from "../../../src/bytes/composites.ts";
import type { Layout } from "../../../src/bytes/layout.ts";
import { bool, i32, i64, u16, u32, u64, u8 } from "../../../src/bytes/scalars.ts";
import { LOG2_SLOTS } from "../../../src/compiler/definitions.ts";
import { map, type Script } from "../../compiler/support/compile.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";

// deno-lint-ignore no-explicit-any -- kernel functions are compiled, never called
type Any = any;

function check(
  name: string,
  script: Omit<Script, "programs"> & { fn: (ctx: Any, $: Any) => unknown },
  look: (loaded: Loaded) => void,
): void {
  kernelTest(name, {}, () => {
    const { fn, ...rest } = script;
    using loaded = new Loaded({ ...rest, programs: { "raw_tp:waggle": fn } });
    look(loaded);
  });
}

const one = (loaded: Loaded, ...words: number[]): number =>
  loaded.run(words.length === 0 ? [0n] : words.map(BigInt)).retval | 0;

check("hash.set() and get() of a scalar: zero and absent are different for ===, both falsy", {
  maps: { m: map("hash", { key: u32, value: u64 }) },
  fn: (ctx, { m }) => {
    m.set(1, 0);
    m.set(2, 7);
    const zero = m.get(1);
    const seven = m.get(2);
    const absent = m.get(3);
    return (zero === undefined ? 1 : 0) + (absent === undefined ? 10 : 0) + (zero ? 100 : 0) + (seven ? 1000 : 0) +
      (absent ? 10000 : 0) + ctx.arg0;
  },
}, (loaded) => assertEquals(one(loaded, 5), 1015));

check("a scalar is read when it is looked up, not later", {
  maps: { m: map("hash", { key: u32, value: u64 }) },
  fn: (_ctx, { m }) => {
    m.set(1, 7);
    const before = m.get(1);
    m.set(1, 9);
    m.delete(1);
    return before ?? 100;
  },
}, (loaded) => assertEquals(one(loaded), 7));

check("?? gives the default, ?. skips", {
  maps: { m: map("hash", { key: u32, value: { a: u32, b: { c: u32 } } }) },
  fn: (_ctx, { m }) => {
    m.set(1, { a: 3, b: { c: 4 } });
    return (m.get(1)?.b.c ?? 50) + (m.get(2)?.b.c ?? 100) + (m.get(2)?.a === undefined ? 1000 : 0);
  },
}, (loaded) => assertEquals(one(loaded), 1104));

check("fields of a looked-up struct are written in place", {
  maps: { m: map("hash", { key: u32, value: { count: u64, last: i32, name: str(8) } }) },
  fn: (ctx, { m }) => {
    m.set(1, { count: 10, last: -1, name: "x" });
    const s = m.get(1);
    if (!s) return 1;
    s.count++;
    s.count += 5;
    s.last = ctx.arg0;
    s.name = "abc";
    const again = m.get(1);
    return again ? again.count * 10 + again.last : 0;
  },
}, (loaded) => {
  assertEquals(one(loaded, 3), 163);
  assertEquals(loaded.lookup("m", u32, 1, struct({ count: u64, last: i32, name: str(8) })), {
    count: 16n,
    last: 3,
    name: "abc",
  });
});

check("padding of keys and values is zero", {
  maps: { m: map("hash", { key: { a: u8, b: u32 }, value: { c: u16, d: u64 } }) },
  fn: (ctx, { m }) => {
    m.set({ a: ctx.arg0, b: 2 }, { c: 3, d: 4 });
    return m.has({ b: 2, a: 1 }) ? 1 : 0;
  },
}, (loaded) => {
  assertEquals(one(loaded, 0x101), 1);
  const raw = loaded.lookup("m", bytes(8), new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0]), bytes(16));
  assertEquals(raw, new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]));
});

check("delete() and has() tell what was there, set() takes flags", {
  maps: { m: map("hash", { key: u64, value: u8 }) },
  fn: (_ctx, { m, BPF_NOEXIST }) => {
    const first = m.set(1, 5, BPF_NOEXIST);
    const second = m.set(1, 6, BPF_NOEXIST);
    const had = m.has(1);
    const gone = m.delete(1);
    const again = m.delete(1);
    return (first === 0 ? 1 : 0) + (second < 0 ? 10 : 0) + (had ? 100 : 0) + (gone ? 1000 : 0) + (again ? 10000 : 0);
  },
}, (loaded) => assertEquals(one(loaded), 1111));

check("add() inserts and adds atomically, getOrInsert() gives the entry", {
  maps: { m: map("hash", { key: u32, value: i64 }), s: map("lru_hash", { key: u32, value: { n: u32 } }) },
  fn: (_ctx, { m, s }) => {
    m.add(1);
    m.add(1, 5);
    m.add(2, -3);
    const e = s.getOrInsert(9, { n: 40 });
    if (e) e.n += 2;
    return (m.get(1) ?? 0) * 10 + (m.get(2) ?? 0) + (s.get(9)?.n ?? 0);
  },
}, (loaded) => assertEquals(one(loaded), 60 - 3 + 42));

check("arrays: get, set, add, outside is undefined", {
  maps: {
    a: map("array", { key: u32, value: u64, maxEntries: 4 }),
    p: map("percpu_array", { key: u32, value: { n: u64 }, maxEntries: 2 }),
  },
  fn: (_ctx, { a, p }) => {
    a.set(2, 5);
    a.add(2);
    const s = p.get(1);
    if (s) s.n += 3;
    return (a.get(2) ?? 0) + (a.get(9) === undefined ? 100 : 0) + (p.get(1)?.n ?? 0) * 1000;
  },
}, (loaded) => assertEquals(one(loaded), 3106));

check("strings and arrays as keys", {
  maps: { names: map("hash", { key: str(16), value: u32 }), rows: map("hash", { key: array(u16, 3), value: u32 }) },
  fn: (_ctx, { names, rows, comm }) => {
    names.set("fixed", 1);
    names.set(comm(), 2);
    rows.set([1, 2, 3], 5);
    return (names.get("fixed") ?? 0) + (names.get(comm()) ?? 0) * 10 + (rows.get([1, 2, 3]) ?? 0) * 100;
  },
}, (loaded) => assertEquals(one(loaded), 521));

check("queue and stack", {
  maps: { q: map("queue", { value: u32 }), s: map("stack", { value: { a: u32, b: u32 } }) },
  fn: (_ctx, { q, s }) => {
    q.push(1);
    q.push(2);
    s.push({ a: 3, b: 4 });
    const first = q.pop() ?? 0;
    const second = q.peek() ?? 0;
    const third = q.pop();
    const none = q.pop();
    const top = s.pop();
    return first + second * 10 + (third ?? 0) * 100 + (none === undefined ? 1000 : 0) + (top ? top.b * 10000 : 0);
  },
}, (loaded) => assertEquals(one(loaded), 41221));

if (kernelAtLeast("5.16")) {
  check("bloom filter", {
    maps: { b: map("bloom_filter", { value: u32 }) },
    fn: (_ctx, { b }) => {
      b.add(77);
      return (b.has(77) ? 1 : 0) + (b.has(78) ? 10 : 0);
    },
  }, (loaded) => assertEquals(one(loaded), 1));
}

check("emit() says whether there was room, reserve() and submit() work by hand", {
  maps: { ring: map("ringbuf", { value: { id: u32, name: str(1000) }, maxEntries: 4096 }) },
  fn: (_ctx, { ring, comm }) => {
    let sent = 0;
    for (let i = 0; i < 8; i++) if (ring.emit({ id: i, name: comm() })) sent++;
    const r = ring.reserve();
    if (!r) return sent;
    r.id = 5;
    ring.submit(r);
    return sent + 1000;
  },
}, (loaded) => assertEquals(one(loaded), 4));

check("perf event arrays take records", {
  maps: { events: map("perf_event_array", { value: { id: u32, big: str(200) }, maxEntries: 0 }) },
  fn: (_ctx, { events }) => (events.emit({ id: 1, big: "x" }) ? 1 : 2),
}, (loaded) => assertEquals(one(loaded), 2));

check("aggregations: counter, sum, min, max, avg, stats without key", {
  maps: { c: map("counter"), s: map("sum"), lo: map("min"), hi: map("max"), a: map("avg"), st: map("stats") },
  fn: (ctx, { c, s, lo, hi, a, st, i64 }) => {
    for (const v of [5, -3, 9]) {
      c.count();
      s.add(v);
      lo.add(v);
      hi.add(v);
      a.add(v);
      st.add(v);
    }
    st.add(i64(ctx.arg0));
    return 0;
  },
}, (loaded) => {
  one(loaded, -50);
  const values = (name: string, count: number): bigint[] => perCpuSum(loaded, name, count);
  assertEquals(values("c", 1), [3n]);
  assertEquals(values("s", 1), [11n]);
  assertEquals(values("lo", 2), [3n, -3n]);
  assertEquals(values("hi", 2), [3n, 9n]);
  assertEquals(values("a", 2), [3n, 11n]);
  assertEquals(values("st", 4), [4n, -39n, -50n, 9n]);
});

/** The program ran once, so on one CPU: the others hold zeros. */
function perCpuSum(
  loaded: Loaded,
  name: string,
  count: number,
  key: Layout<unknown> = u32 as Layout<unknown>,
  k: unknown = 0,
): bigint[] {
  const raw = loaded.lookup(name, key, k, bytes(count * 8 * 256));
  const words = new BigInt64Array((raw ?? new Uint8Array(count * 8)).slice().buffer);
  return Array.from(
    { length: count },
    (_, i) => words.reduce((sum, word, j) => j % count === i ? sum + word : sum, 0n),
  );
}

check("histograms: negative values, zero, powers of two, linear buckets", {
  maps: {
    h: map("histogram", { maxEntries: LOG2_SLOTS }),
    l: map("linearHistogram", { linear: { min: 10, max: 50, step: 10 } }),
    k: map("histogram", { key: u16 }),
  },
  fn: (_ctx, { h, l, k, i64 }) => {
    for (const v of [-5, 0, 1, 2, 3, 1024]) h.add(i64(v));
    for (const v of [9, 10, 19, 49, 50, 1000]) l.add(v);
    k.add(7, 5);
    k.add(7, 6);
    return 0;
  },
}, (loaded) => {
  one(loaded);
  const bucket = (name: string, slot: number): bigint => perCpuSum(loaded, name, 1, u32 as Layout<unknown>, slot)[0]!;
  assertEquals([0, 1, 2, 3, 12].map((slot) => bucket("h", slot)), [1n, 1n, 1n, 2n, 1n]);
  assertEquals([0, 1, 2, 3, 4, 5].map((slot) => bucket("l", slot)), [1n, 2n, 0n, 0n, 1n, 2n]);
  const keyed = struct({ key: u16, slot: u32 }) as Layout<unknown>;
  assertEquals(perCpuSum(loaded, "k", 1, keyed, { key: 7, slot: 4 }), [2n]);
});

check("keyed aggregations: counter by struct, topK", {
  maps: { c: map("counter", { key: { a: u8, b: u32 } }), t: map("topK", { key: u32 }) },
  fn: (_ctx, { c, t }) => {
    c.count({ a: 1, b: 2 });
    c.count({ b: 2, a: 1 });
    t.count(5);
    t.count(5);
    t.count(6);
    return 0;
  },
}, (loaded) => {
  one(loaded);
  assertEquals(perCpuSum(loaded, "c", 1, struct({ a: u8, b: u32 }) as Layout<unknown>, { a: 1, b: 2 }), [2n]);
  assertEquals(perCpuSum(loaded, "t", 1, u32 as Layout<unknown>, 5), [2n]);
});

check("stack ids of the kernel stack", {
  maps: { stacks: map("stack_trace", { maxEntries: 16 }) },
  fn: (_ctx, { stacks }) => stacks.kernel() >= 0 ? 1 : 0,
}, (loaded) => assertEquals(one(loaded), 1));

check("values larger than 64 bytes go through scratch memory", {
  maps: { m: map("hash", { key: u32, value: { name: str(256), n: u32, deep: str(200) } }) },
  fn: (ctx, { m }) => {
    m.set(1, { name: "some text", n: ctx.arg0, deep: "other" });
    const s = m.get(1);
    return s && s.name === "some text" && s.deep === "other" ? s.n : 0;
  },
}, (loaded) => assertEquals(one(loaded, 9), 9));

check("booleans in structs, a struct copied from map to map", {
  maps: {
    a: map("hash", { key: u32, value: { on: bool, n: u32 } }),
    b: map("hash", { key: u32, value: { on: bool, n: u32 } }),
  },
  fn: (ctx, { a, b }) => {
    a.set(1, { on: ctx.arg0 > 3, n: 5 });
    const s = a.get(1);
    if (!s) return 0;
    b.set(2, s);
    const t = b.get(2);
    return t?.on ? t.n : 1;
  },
}, (loaded) => assertEquals(one(loaded, 4), 5));

check("an entry kept in a variable over several ways", {
  maps: { m: map("hash", { key: u32, value: { n: u32 } }) },
  fn: (ctx, { m }) => {
    m.set(1, { n: 10 });
    m.set(2, { n: 20 });
    let s = m.get(3);
    if (!s) s = m.get(ctx.arg0 > 5 ? 2 : 1);
    if (s) {
      s.n += 1;
      return s.n;
    }
    return 0;
  },
}, (loaded) => assertEquals(one(loaded, 6), 21));

if (kernelAtLeast("5.11")) {
  check("task storage follows the task", {
    maps: { t: map("task_storage", { value: { n: u64 } }) },
    fn: (_ctx, { t, task }) => {
      const before = t.get(task());
      const s = t.getOrCreate(task());
      if (!s) return 1;
      s.n += 7;
      return (before ? 100 : 0) + (t.get(task())?.n ?? 0);
    },
  }, (loaded) => assertEquals(one(loaded), 7));
}

if (kernelAtLeast("5.13")) {
  check("for…of visits the entries of a map", {
    maps: {
      m: map("hash", { key: { a: u32, b: u64 }, value: { n: u64, name: str(8) } }),
      a: map("array", { key: u32, value: u32, maxEntries: 5 }),
      p: map("percpu_hash", { key: u32, value: u64 }),
    },
    globals: { visited: u32 },
    fn: (ctx, $) => {
      const { m, a, p } = $;
      m.set({ a: 1, b: 10 }, { n: 100, name: "one" });
      m.set({ a: 2, b: 20 }, { n: 200, name: "two" });
      m.set({ a: 3, b: 30 }, { n: 300, name: "three" });
      p.set(7, 70);
      let keys = 0, sum = 0;
      for (const [key, value] of m) {
        $.visited++;
        keys += key.a * key.b;
        if (value.name === "two") {
          m.delete(key);
          continue;
        }
        value.n += ctx.arg0;
        sum += value.n;
      }
      for (const [index, element] of a) a.set(index, index * 2 + element);
      for (const entry of a) {
        if (entry[0] === 4) break;
        sum += entry[1] * 1000;
      }
      for (const [key, value] of p) if (value === 70) return sum * 1000 + keys + key + $.visited;
      return 0;
    },
  }, (loaded) => {
    assertEquals(one(loaded, 5), (410 + 12000) * 1000 + 140 + 7 + 3);
    const value = struct({ n: u64, name: str(8) });
    const key = struct({ a: u32, b: u64 });
    assertEquals(loaded.lookup("m", key, { a: 3, b: 30n }, value), { n: 305n, name: "three" });
    assertEquals(loaded.lookup("m", key, { a: 2, b: 20n }, value), undefined);
  });

  check("for…of of a map in a function, inside a loop", {
    maps: { m: map("hash", { key: u32, value: u32 }) },
    globals: { limit: { layout: u32, initial: 3, constant: false } },
    functions: {
      total: ({ m, limit }: Any, factor: number) => {
        let sum = 0;
        for (let i = 0; i < limit; i++) {
          for (const [key, value] of m) {
            if (key === 2) return sum + 100_000;
            sum += value * factor + i;
          }
        }
        return sum;
      },
    },
    fn: (ctx, { m, total }) => {
      m.set(1, 10);
      const first = total(ctx.arg0);
      m.delete(1);
      m.set(2, 20);
      return first + total(ctx.arg0);
    },
  }, (loaded) => assertEquals(one(loaded, 2), 63 + 100_000));
}
