/** Maps, globals and aggregations of `bpf()`: what kernel functions write is what the script reads, and back. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { spawn } from "node:child_process";
import process from "node:process";
import * as w from "../../../mod.ts";
import { kernelTest } from "../../support/harness.ts";

/** Runs a raw tracepoint program once, with the tracepoint's arguments; the program is not attached. */
function run(tracer: { programs: Record<string, w.TracerProgram> }, id: bigint | number = 0): number {
  const ctx = new Uint8Array(BigInt64Array.of(0n, BigInt(id)).buffer);
  return Object.values(tracer.programs)[0]!.program.testRun({ ctx }).retval;
}

kernelTest("hash maps: get, set, has, delete, getOrInsert and add agree on both sides", {}, () => {
  using tracer = w.bpf({
    maps: {
      values: w.hash({ pid: w.u32, id: w.u16 }, { count: w.u64, name: w.str(16) }),
      numbers: w.hash(w.u32, w.i64),
    },
    programs: {
      "raw_tp:sys_enter"(_, { values, numbers, pid, comm }) {
        const key = { pid: pid(), id: 7 };
        values.set(key, { count: 41, name: comm() });
        const found = values.get(key);
        if (!found) return 1;
        found.count++;
        numbers.set(1, -5);
        numbers.add(1, 3);
        numbers.add(2);
        const fresh = numbers.getOrInsert(3, 30);
        if (fresh !== 30) return 2;
        if (!numbers.has(3) || numbers.has(4)) return 3;
        if (!numbers.delete(9) && numbers.delete(8)) return 4;
        return 0;
      },
    },
  });
  tracer.maps.numbers.set(8, 1n);
  tracer.maps.numbers.set(9, 1n);
  assertEquals(run(tracer), 0);
  const [[key, value]] = [...tracer.maps.values] as [[{ pid: number; id: number }, { count: bigint; name: string }]];
  assertEquals([key, value.count], [{ pid: process.pid, id: 7 }, 42n]);
  assert(value.name.length > 0);
  const rows = [...tracer.maps.numbers].sort(([a], [b]) => a - b);
  assertEquals(rows, [[1, -2n], [2, 1n], [3, 30n], [8, 1n]]);
  tracer.maps.numbers.clear();
  assertEquals(tracer.maps.numbers.size, 0);
});

kernelTest("arrays, per-CPU maps, queues and stacks hand values over", {}, () => {
  using tracer = w.bpf({
    maps: {
      slots: w.arrayMap({ a: w.u32, b: w.u64 }, 4),
      cpus: w.percpuArray(w.u64, 2),
      perKey: w.percpuHash(w.u32, w.u64),
      jobs: w.queue(w.u32, 8),
      undo: w.stack(w.u32, 8),
    },
    programs: {
      "raw_tp:sys_enter"(_, { slots, cpus, perKey, jobs, undo }) {
        const slot = slots.get(2);
        if (!slot) return 1;
        slot.a = 5;
        slot.b += 6;
        slots.set(3, { a: 1, b: 2 });
        cpus.add(1, 10);
        perKey.set(4, 44);
        jobs.push(1);
        jobs.push(2);
        undo.push(1);
        undo.push(2);
        return jobs.pop() ?? 9;
      },
    },
  });
  tracer.maps.slots.set(2, { a: 0, b: 100n });
  assertEquals(run(tracer), 1);
  assertEquals([...tracer.maps.slots.values()], [{ a: 0, b: 0n }, { a: 0, b: 0n }, { a: 5, b: 106n }, { a: 1, b: 2n }]);
  assertEquals(tracer.maps.cpus.sum(1), 10n);
  assertEquals(tracer.maps.perKey.get(4)?.filter((n) => n === 44n).length, 1);
  assertEquals([tracer.maps.jobs.pop(), tracer.maps.jobs.pop()], [2, undefined]);
  assertEquals([tracer.maps.undo.pop(), tracer.maps.undo.pop()], [2, 1]);
});

kernelTest("globals are the kernel's variables, live, and constants stay", {}, () => {
  using tracer = w.bpf({
    globals: {
      plain: w.u32,
      started: w.global(w.i64, -3n),
      factor: w.constant(w.u32, 6),
      pair: { a: w.u16, b: w.u64 },
      flag: w.global(w.bool, true),
      unused: w.global(w.u32, 77),
    },
    programs: {
      "raw_tp:sys_enter"(_, { plain, started, factor, pair, flag }) {
        started++;
        pair.a = 3;
        pair.b += 4;
        if (!flag) return 0;
        return plain * factor;
      },
    },
  });
  tracer.globals.plain = 7;
  tracer.globals.pair = { a: 0, b: 100n };
  assertEquals(run(tracer), 42);
  assertEquals([tracer.globals.started, tracer.globals.pair, tracer.globals.factor], [-2n, { a: 3, b: 104n }, 6]);
  tracer.globals.flag = false;
  assertEquals(run(tracer), 0);
  assertThrows(() => void (tracer.globals.factor = 1), TypeError, `Cannot set global "factor": it is a constant`);
  assertThrows(() => void (tracer.globals.plain = -1), RangeError, "plain");
  assertEquals(tracer.globals.unused, 77);
  tracer.globals.unused = 5;
  assertEquals(tracer.globals.unused, 5);
});

kernelTest("aggregations without a key add up", {}, () => {
  using tracer = w.bpf({
    maps: {
      calls: w.counter(),
      total: w.sum(),
      least: w.min(),
      most: w.max(),
      mean: w.avg(),
      all: w.stats(),
      sizes: w.histogram(),
      steps: w.linearHistogram({ min: 0, max: 100, step: 10 }),
    },
    programs: {
      "raw_tp:sys_enter"(ctx, { calls, total, least, most, mean, all, sizes, steps, i64 }) {
        const n = i64(ctx.id);
        calls.count();
        total.add(n);
        least.add(n);
        most.add(n);
        mean.add(n);
        all.add(n);
        sizes.add(n);
        steps.add(n);
      },
    },
  });
  const { maps } = tracer;
  assertEquals([maps.calls.read(), maps.least.read(), maps.sizes.read().count], [0n, undefined, 0n]);
  const values = [0, 1, 5, 6, 1000, -7, 99, 100];
  for (const n of values) run(tracer, n);
  const sum = BigInt(values.reduce((a, b) => a + b));
  assertEquals([maps.calls.read(), maps.total.read(), maps.least.read(), maps.most.read()], [8n, sum, -7n, 1000n]);
  assertEquals(maps.mean.read(), { count: 8n, sum, average: Number(sum) / 8 });
  assertEquals(maps.all.read(), { count: 8n, sum, min: -7n, max: 1000n, average: Number(sum) / 8 });
  const filled = (h: w.Histogram) => h.buckets.filter((b) => b.count > 0n).map((b) => [b.low, b.high, Number(b.count)]);
  assertEquals(filled(maps.sizes.read()), [
    [-Infinity, 0, 1],
    [0, 1, 1],
    [1, 2, 1],
    [4, 8, 2],
    [64, 128, 2],
    [512, 1024, 1],
  ]);
  assertEquals(filled(maps.steps.read()), [[-Infinity, 0, 1], [0, 10, 4], [90, 100, 1], [100, Infinity, 2]]);
  maps.all.clear();
  assertEquals(maps.all.read().count, 0n);
});

kernelTest("aggregations with a key keep one result for each", {}, () => {
  using tracer = w.bpf({
    maps: {
      calls: w.counter({ odd: w.bool, id: w.u16 }),
      sizes: w.histogram(w.str(8), { unit: "bytes" }),
      all: w.stats(w.u32),
      top: w.topK(w.u32, 2),
    },
    programs: {
      "raw_tp:sys_enter"(ctx, { calls, sizes, all, top, u32 }) {
        const n = u32(ctx.id);
        calls.count({ odd: (n & 1) === 1, id: 9 });
        sizes.add(n & 1 ? "odd" : "even", n);
        all.add(n & 1, n);
        top.count(n % 3);
      },
    },
  });
  const { maps } = tracer;
  assertEquals(maps.calls.entries(), []);
  for (let n = 0; n < 10; n++) run(tracer, n);
  run(tracer, 7);
  assertEquals(maps.calls.get({ odd: true, id: 9 }), 6n);
  assertEquals(maps.calls.get({ odd: true, id: 8 }), undefined);
  assertEquals(maps.calls.entries(), [[{ odd: true, id: 9 }, 6n], [{ odd: false, id: 9 }, 5n]]);
  assertEquals([...maps.sizes].map(([key, h]) => [key, h.count]), [["odd", 6n], ["even", 5n]]);
  assertEquals(maps.sizes.get("odd")?.buckets.map((b) => b.count), [1n, 1n, 3n, 1n]);
  assertEquals(maps.sizes.get("none"), undefined);
  assertEquals(maps.all.get(0), { count: 5n, sum: 20n, min: 0n, max: 8n, average: 4 });
  // 0, 3, 6, 9 · 1, 4, 7, 7 · 2, 5, 8
  assertEquals(maps.top.top(3).map(([, count]) => count), [4n, 4n, 3n]);
  assertEquals(maps.top.takeTop().length, 2);
  assertEquals(maps.top.top(), []);
  assertEquals(maps.calls.take().length, 2);
  assertEquals(maps.calls.entries(), []);
});

kernelTest("stack traces have names", { needs: ["perf"] }, async () => {
  using tracer = w.bpf({
    maps: { stacks: w.stackTraces(), ids: w.queue({ kernel: w.i32, user: w.i32, pid: w.u32 }, 1000) },
    programs: {
      "software:cs:1"(_, { stacks, ids, pid }) {
        ids.push({ kernel: stacks.kernel(), user: stacks.user(), pid: pid() });
      },
    },
  });
  tracer.attach();
  await w.pause(0.05);
  tracer.detach();
  const names: string[] = [];
  for (let id = tracer.maps.ids.pop(); id !== undefined; id = tracer.maps.ids.pop()) {
    if (id.kernel >= 0) names.push(...tracer.maps.stacks.kernelNames(id.kernel));
  }
  assert(names.some((name) => /schedule/.test(name)), [...new Set(names)].slice(0, 20).join(" "));
});

kernelTest("maps that are full or foreign say so", {}, () => {
  using tracer = w.bpf({
    maps: { small: w.hash(w.u32, w.u32, { maxEntries: 1 }) },
    programs: {
      "raw_tp:sys_enter"(_, { small, E2BIG, EEXIST, BPF_NOEXIST }) {
        if (small.set(1, 1) !== 0) return 1;
        if (small.set(1, 2, BPF_NOEXIST) !== -EEXIST) return 2;
        if (small.set(2, 2) !== -E2BIG) return 3;
        return 0;
      },
    },
  });
  assertEquals(run(tracer), 0);
  const { small } = tracer.maps;
  assertThrows(() => small.set(5, 5), w.SyscallError, "E2BIG");
  tracer.close();
  assertThrows(() => tracer.maps.small, TypeError, "the tracer is closed");
  tracer.close();
});

kernelTest("Bloom filters and tries answer on both sides", { needs: ["kernel:5.16"] }, () => {
  using tracer = w.bpf({
    maps: {
      seen: w.bloomFilter(w.u64, 100),
      routes: w.lpmTrie({ prefix: w.u32, address: w.bytes(4) }, w.u32),
    },
    globals: { address: { bytes: w.bytes(4) } },
    programs: {
      "raw_tp:sys_enter"(_, { seen, routes, address }) {
        seen.add(7);
        if (!seen.has(7) || !seen.has(8)) return 1000;
        return routes.get({ prefix: 32, address: address.bytes }) ?? 999;
      },
    },
  });
  tracer.maps.seen.add(8n);
  tracer.maps.routes.set({ prefix: 8, address: new Uint8Array([10, 0, 0, 0]) }, 1);
  tracer.maps.routes.set({ prefix: 16, address: new Uint8Array([10, 1, 0, 0]) }, 2);
  const route = (...bytes: number[]) => {
    tracer.globals.address = { bytes: new Uint8Array(bytes) };
    return run(tracer);
  };
  assertEquals([route(10, 2, 3, 4), route(10, 1, 3, 4), route(11, 1, 1, 1)], [1, 2, 999]);
  assertEquals([tracer.maps.seen.mayHave(7n), tracer.maps.seen.mayHave(8n)], [true, true]);
});

kernelTest("task storage keeps a value for each thread", { needs: ["kernel:5.11"] }, async () => {
  using tracer = w.bpf({
    maps: { perTask: w.taskStorage({ calls: w.u64 }) },
    programs: {
      "tp_btf:sys_enter"(_, { perTask, task }) {
        const mine = perTask.getOrCreate(task());
        if (mine) mine.calls++;
      },
    },
  });
  tracer.attach();
  // Another process: a descriptor of a process stands for its first thread, which need not be the one that runs tests.
  const child = spawn("sh", ["-c", "kill -0 $$; kill -0 $$; echo ready; read line"]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const { calls } = tracer.maps.perTask.get({ pid: child.pid! }) ?? { calls: 0n };
  child.stdin.end("\n");
  await new Promise((resolve) => child.once("exit", resolve));
  assert(calls >= 10n, `${calls} calls`);
});
