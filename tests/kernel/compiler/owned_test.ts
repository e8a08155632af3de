/** Spin locks and timers in values of maps: what programs do under them, and that the host never sees or harms them. */
import { assertEquals, assertThrows } from "@std/assert";
import * as w from "../../../mod.ts";
import { map } from "../../compiler/support/compile.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { minify } from "../../compiler/support/minify.ts";
import { kernelTest } from "../../support/harness.ts";

const PACKET = { data: new Uint8Array(64) };

kernelTest("lock() holds the value's spin lock", { needs: ["kernel:5.1"] }, () => {
  using tracer = w.bpf({
    maps: {
      flows: w.hash(w.u32, { packets: w.u32, guard: w.spinLock, bytes: w.u64, last: { port: w.u16, flag: w.bool } }),
      totals: w.arrayMap({ guard: w.spinLock, n: w.u64 }, 2),
      copies: w.hash(w.u32, { packets: w.u32, bytes: w.u64 }),
    },
    functions: {
      account({ totals, lock }, by: number) {
        const total = totals.get(1);
        if (!total) return;
        lock(total, () => {
          total.n += by;
          if (total.n < 100) return;
          total.n = 100;
        });
      },
    },
    programs: {
      tc(ctx, { flows, account, copies, lock }) {
        const flow = flows.getOrInsert(7, { packets: 0, bytes: 0, last: { port: 0, flag: false } });
        if (!flow) return 1;
        const length = ctx.len;
        let before = 0;
        lock(flow, () => {
          before = flow.packets;
          flow.packets = before + 1;
          flow.bytes = flow.bytes * 2 + length;
          if (before === 0) return;
          for (let i = 0; i < 3; i++) flow.last.port += 10;
          flow.last.flag = true;
        });
        account(60);
        copies.set(before, { packets: flow.packets, bytes: flow.bytes });
        flows.set(9, flow);
        return 0;
      },
    },
  });
  const { flows, totals, copies } = tracer.maps;
  for (let i = 0; i < 2; i++) assertEquals(tracer.programs.tc.program.testRun(PACKET).retval, 0);
  const wanted = { packets: 2, bytes: 192n, last: { port: 30, flag: true } };
  assertEquals(flows.get(7), wanted);
  assertEquals(flows.get(9), wanted);
  assertEquals(flows.get(7, { lock: true }), wanted);
  assertEquals(totals.get(1), { n: 100n });
  assertEquals(copies.get(0), { packets: 1, bytes: 64n });
  flows.update(7, { packets: 5, bytes: 1n, last: { port: 1, flag: false } }, { lock: true });
  assertEquals(tracer.programs.tc.program.testRun(PACKET).retval, 0);
  assertEquals(flows.get(7)?.packets, 6);
});

kernelTest("a timer calls its function with the entry, again and again", { needs: ["kernel:5.15"] }, async () => {
  using tracer = w.bpf({
    maps: {
      sessions: w.hash(w.u32, { expiry: w.timer, rounds: w.u32, at: w.u64 }),
      slots: w.arrayMap({ n: w.u32, wake: w.timer }, 4),
      events: w.ringbuf({ key: w.u32, rounds: w.u32, late: w.u64 }),
    },
    globals: { limit: w.u32 },
    functions: {
      expire({ sessions, events, nsecs, limit }, key: number, session: { rounds: number; at: number }) {
        let rounds = session.rounds;
        while (rounds < limit) rounds++;
        events.emit({ key, rounds: session.rounds, late: nsecs() - session.at });
        session.rounds++;
        if (session.rounds < 3) sessions.startTimer(session, 1_000_000);
        else sessions.delete(key);
      },
      wake({ events }, index: number, slot: { n: number }) {
        events.emit({ key: index, rounds: slot.n, late: 0 });
      },
    },
    programs: {
      tc(ctx, { sessions, slots, expire, wake, nsecs }) {
        if (ctx.mark === 5) {
          const slot = slots.get(3);
          if (!slot) return 100;
          slots.startTimer(slot, 60_000_000_000, wake);
          return (slots.cancelTimer(slot) ? 1 : 0) + (slots.cancelTimer(slot) ? 10 : 0);
        }
        sessions.set(4, { rounds: 0, at: nsecs() });
        const session = sessions.get(4);
        if (!session) return 100;
        return sessions.startTimer(session, 2_000_000, expire);
      },
    },
  });
  const { program } = tracer.programs.tc;
  assertEquals(program.testRun(PACKET).retval, 0);
  const seen: { key: number; rounds: number; late: bigint }[] = [];
  for await (const event of tracer.maps.events) {
    seen.push(event);
    if (seen.length === 3) break;
  }
  assertEquals(seen.map(({ key, rounds }) => [key, rounds]), [[4, 0], [4, 1], [4, 2]]);
  assertEquals(seen.every(({ late }, i) => late >= BigInt(2 + i) * 1_000_000n), true);
  assertEquals(tracer.maps.sessions.get(4), undefined);
  const mark = new Uint8Array(192);
  mark[8] = 5;
  assertEquals(program.testRun({ ...PACKET, ctx: mark }).retval, 1);
});

kernelTest("spin locks and timers are refused where the kernel has no room for them", {}, () => {
  const refused = (make: () => unknown, text: string) => assertThrows(make, TypeError, text);
  refused(() => w.percpuHash(w.u32, { guard: w.spinLock }), "a spin lock in hash, array, task_storage");
  refused(() => w.hash({ guard: w.spinLock, id: w.u32 }, w.u32), "its key has a spin lock");
  refused(() => w.ringbuf({ t: w.timer, n: w.u32 }), "a timer in hash, lru_hash, array only");
  refused(() => w.hash(w.u32, { a: w.timer, b: w.timer }), "more than one bpf_timer");
  refused(() => w.hash(w.u32, { inner: { guard: w.spinLock, n: w.u32 } }), "a field of the value itself");
  refused(() => w.bpf({ globals: { t: { wake: w.timer } }, programs: { xdp: () => 2 } }), "put it into an arrayMap");
});

for (const bundler of ["esbuild", "bun"] as const) {
  kernelTest(`locks, timers and loops over maps mean the same after ${bundler} --minify`, {
    needs: ["kernel:5.15"],
  }, async () => {
    // deno-lint-ignore no-explicit-any -- compiled from its text
    const program = (ctx: any, { m, lock, expire }: any) => {
      m.set(1, { a: 1, b: 2 });
      const value = m.get(1);
      if (!value) return 100;
      const length = ctx.len;
      lock(value, () => {
        if (value.a === 2) return;
        value.a += length;
        value.b = value.a * 2;
      });
      m.startTimer(value, 60_000_000_000, expire);
      let sum = 0;
      for (const [key, entry] of m) sum += key * 1000 + entry.a + entry.b;
      return m.cancelTimer(value) ? sum : 0;
    };
    // deno-lint-ignore no-explicit-any -- compiled from its text
    const callback = ({ m }: any, key: number, value: any) => {
      if (value.a > 5) m.delete(key);
    };
    const [text, expire] = await minify(bundler, [program.toString(), callback.toString()]);
    using loaded = new Loaded({
      maps: { m: map("hash", { key: w.u32, value: { expiry: w.timer, a: w.u32, guard: w.spinLock, b: w.u32 } }) },
      functions: { expire: expire! },
      programs: { tc: text! },
    });
    assertEquals(loaded.run([], PACKET).retval, 1000 + 65 + 130);
  });
}
