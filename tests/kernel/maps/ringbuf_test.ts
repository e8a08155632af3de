import { assert, assertEquals, assertGreater, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { SYSCALLS } from "../../../src/abi/arch.ts";
import { BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP } from "../../../src/abi/bpf.gen.ts";
import { openMap } from "../../../src/maps/open.ts";
import { tagged } from "../../../src/maps/tagged.ts";
import { bytes } from "../../../src/bytes/composites.ts";
import { u32, u64 } from "../../../src/bytes/scalars.ts";
import { FormatError } from "../../../src/errors.ts";
import { createMap } from "../../../src/maps/create.ts";
import type { RingBuffer } from "../../../src/maps/ringbuf.ts";
import { runtime } from "../../../src/syscall/runtime/mod.ts";
import { kernelTest } from "../../support/harness.ts";
import { Producer } from "./producers.ts";

const NEEDS = { needs: ["kernel:5.8"] } as const;
const PAGE = 4096;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function ringOf(bytes = 16 * PAGE): RingBuffer<{ seq: bigint }> {
  return createMap({ type: "ringbuf", value: { seq: u64 }, maxEntries: bytes, name: "ring" });
}

/** Numbers from..to-1. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

kernelTest("ringbuf: `consume()` gives every record once and in order", NEEDS, () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  const seen: number[] = [];
  for (let round = 0; round < 50; round++) {
    producer.emit(300);
    assertEquals(ring.consume((event) => void seen.push(Number(event.seq))), 300);
  }
  assertEquals(seen, range(0, 15_000)); // about 13 times round the ring
  assertEquals(ring.consume(() => {}), 0);
  const { records, bytes, available } = ring.stats();
  assertEquals([records, bytes, available], [15_000, 15_000 * 48, 0]);
});

kernelTest("a burst of 8 times the ring loses exactly what the kernel refused", NEEDS, () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  const RECORD = 56;
  producer.emit(Math.floor(8 * ring.maxEntries / RECORD));
  const { tried, refused } = producer.counts;
  assertGreater(refused, 0);
  const seen: number[] = [];
  ring.consume((event) => void seen.push(Number(event.seq)));
  assertEquals(seen.length, tried - refused);
  assertEquals(seen, range(0, seen.length));
  producer.emit(5); // there is room again
  assertEquals(ring.consume(() => {}), 5);
});

kernelTest("`for await` sleeps until records come, and the event loop goes on", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  // The records come from timers: a blocked event loop would wait for ever.
  setTimeout(() => producer.emit(3), 50);
  setTimeout(() => producer.emit(4), 100);
  const seen: number[] = [];
  for await (const event of ring) {
    seen.push(Number(event.seq));
    if (seen.length === 7) break;
  }
  assertEquals(seen, range(0, 7));
});

kernelTest("`for await` wakes up when the ring was full", NEEDS, async () => {
  using ring = ringOf(PAGE);
  using producer = Producer.ring(ring);
  producer.emit(1000);
  const { tried, refused } = producer.counts;
  const seen: number[] = [];
  setTimeout(() => producer.emit(1), 100);
  for await (const event of ring) {
    seen.push(Number(event.seq));
    if (seen.length === tried - refused + 1) break;
  }
  assertEquals(seen.at(-1), 1000);
});

kernelTest("a slow reader loses nothing that the kernel accepted", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  const seen: number[] = [];
  const timer = setInterval(() => producer.emit(500), 1);
  for await (const event of ring) {
    seen.push(Number(event.seq));
    if (seen.length % 300 === 0) await sleep(3);
    if (seen.length >= 6000) break;
  }
  clearInterval(timer);
  ring.consume((event) => void seen.push(Number(event.seq)));
  const { tried, refused } = producer.counts;
  assertEquals(seen.length, tried - refused);
  assert(seen.every((seq, i) => i === 0 || seq > seen[i - 1]!), "out of order");
});

kernelTest("events left by one loop come in the next", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  producer.emit(10);
  for await (const event of ring) if (event.seq === 3n) break;
  const rest: number[] = [];
  for await (const event of ring) if (rest.push(Number(event.seq)) === 4) break;
  assertEquals(rest, [4, 5, 6, 7]);
  ring.consume((event) => void rest.push(Number(event.seq)));
  assertEquals(rest, [4, 5, 6, 7, 8, 9]);
});

kernelTest("closing the ring ends a waiting loop cleanly", NEEDS, async () => {
  const ring = ringOf();
  const loop = (async () => {
    let count = 0;
    for await (const _event of ring) count++;
    return count;
  })();
  await sleep(20);
  ring.close();
  ring.close();
  assertEquals(await loop, 0);
  assertThrows(() => ring.consume(() => {}), TypeError, "closed");
});

kernelTest("an AbortSignal ends the loop and leaves the ring usable", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 30);
  for await (const _event of ring.read({ signal: controller.signal })) throw new Error("there are no events");
  for await (const _event of ring.read({ signal: controller.signal })) throw new Error("aborted before");
  producer.emit(1);
  assertEquals((await ring.next())?.seq, 0n);
});

kernelTest("`next()` gives up after its timeout", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  const start = performance.now();
  assertEquals(await ring.next(40), undefined);
  assertGreater(performance.now() - start, 30);
  producer.emit(1);
  assertEquals(await ring.next(40), { seq: 0n });
});

kernelTest("`batches()` gives arrays of what was there", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  producer.emit(1100);
  const sizes: number[] = [];
  for await (const batch of ring.batches()) {
    sizes.push(batch.length);
    if (sizes.length === 2) break;
  }
  assertEquals(sizes, [1024, 76]);
});

kernelTest("many rings share one waiter, each gets its own events", NEEDS, async () => {
  const rings = range(0, 8).map(() => ringOf(PAGE));
  const producers = rings.map((ring) => Producer.ring(ring));
  const loops = rings.map(async (ring, i) => {
    let count = 0;
    for await (const _event of ring) if (++count === i + 1) break;
    return count;
  });
  for (const [i, producer] of producers.entries()) {
    await sleep(2);
    producer.emit(i + 1);
  }
  assertEquals(await Promise.all(loops), range(1, 9));
  for (const resource of [...rings, ...producers]) resource[Symbol.dispose]();
});

kernelTest("records written with BPF_RB_NO_WAKEUP come with flushMs, or with a forced wake-up", NEEDS, async () => {
  using ring = ringOf();
  using quiet = Producer.ring(ring, { flags: BPF_RB_NO_WAKEUP });
  using loud = Producer.ring(ring, { flags: BPF_RB_FORCE_WAKEUP });
  setTimeout(() => quiet.emit(2), 10);
  assertEquals(await ring.next(60), { seq: 0n }); // looked for when the time was up
  assertEquals(await ring.next(), { seq: 1n });
  setTimeout(() => quiet.emit(1), 10);
  for await (const event of ring.read({ flushMs: 20 })) {
    assertEquals(event.seq, 2n);
    break;
  }
  setTimeout(() => (quiet.emit(1), loud.emit(1)), 10);
  assertEquals((await ring.next())?.seq, 3n);
});

kernelTest("nothing is lost or torn while another CPU writes", NEEDS, async () => {
  const event = { seq: u64, zero: u64, more: bytes(32) };
  for (const way of ["for await", "consume"] as const) {
    using ring = createMap({ type: "ringbuf", value: event, maxEntries: 64 * PAGE, name: "ring" });
    using producer = Producer.ring(ring);
    const ended = produceElsewhere(producer.id, 200, 1000);
    let [count, last] = [0, -1n];
    const check = ({ seq, zero }: { seq: bigint; zero: bigint }) => {
      if (seq <= last || zero !== 0n) throw new Error(`event ${seq} after ${last}, ${zero}`);
      last = seq;
      count++;
    };
    const controller = new AbortController();
    const reading = way === "for await"
      ? readAll(ring.read({ signal: controller.signal }), check)
      : poll(ring, check, ended);
    await ended;
    controller.abort();
    await reading;
    ring.consume(check);
    const { tried, refused } = producer.counts;
    assertEquals([tried, count], [200_000, tried - refused], way);
  }
});

kernelTest("`scan()` shows records in place, and may stop", NEEDS, () => {
  using ring = ringOf();
  using producer = Producer.ring(ring, { size: 24 });
  producer.emit(10);
  const seen: [number, number][] = [];
  const stopped = ring.scan((view, offset, length) => {
    seen.push([Number(view.getBigUint64(offset, true)), length]);
    return seen.length < 4;
  });
  assertEquals([stopped, seen], [4, range(0, 4).map((i) => [i, 24])]);
  assertEquals(ring.scan(() => {}, 2), 2);
  assertEquals(ring.consume((event) => event.seq !== 7n), 2); // 6 and 7
  assertEquals(ring.consume(() => {}), 2);
});

kernelTest("`each()` shows fields in place by one object, which ends with the call", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  producer.emit(10);
  assertEquals((await ring.next())?.seq, 0n); // 1 to 9 are queued, and come first
  producer.emit(5);
  const seen: bigint[] = [];
  let kept: { readonly seq: bigint } | undefined;
  const count = ring.each((event) => {
    seen.push(event.seq);
    kept = event;
    return event.seq < 12n;
  });
  assertEquals([count, seen], [12, range(1, 13).map(BigInt)]);
  assertThrows(() => kept?.seq, RangeError);
  assertEquals(ring.each(() => {}, 1), 1);
  ring.each((event) => {
    assertThrows(() => ring.each(() => {}), TypeError, "outer call");
    assertEquals(event.seq, 14n); // still there
  });
});

kernelTest("a handler that throws loses its record only", NEEDS, () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  producer.emit(3);
  assertThrows(
    () =>
      ring.consume((event) => {
        if (event.seq === 1n) throw new RangeError("no");
      }),
    RangeError,
    "no",
  );
  const rest: bigint[] = [];
  ring.consume((event) => void rest.push(event.seq));
  assertEquals(rest, [2n]);
});

kernelTest("a record shorter than its type is a FormatError", NEEDS, () => {
  using ring = createMap({ type: "ringbuf", value: { a: u64, b: u64 }, maxEntries: PAGE, name: "short" });
  using producer = Producer.ring(ring, { size: 8 });
  producer.emit(1);
  const error = assertThrows(() => ring.consume(() => {}), FormatError, "a record has 8 bytes, but its type has 16");
  assertInstanceOf(error, FormatError);
});

kernelTest("`tagged()` tells the kinds of events apart, and checks each one's size", NEEDS, () => {
  const events = tagged({ zero: [0, { mark: u32, more: u32 }], one: [1, { mark: u32, a: u64, b: bytes(32) }] });
  using ring = createMap({ type: "ringbuf", maxEntries: PAGE, name: "tagged" });
  using typed = openMap({ fd: ring.fd }, { value: events }) as RingBuffer<unknown>;
  using producer = Producer.ring(ring, { size: 24 });
  producer.emit(1);
  typed.consume((event) => assertEquals(event, { type: "zero", mark: 0, more: 0 }));
  producer.emit(1);
  assertThrows(() => typed.consume(() => {}), FormatError, "24 bytes, but its type has 48");
  producer.emit(1);
  assertThrows(() => typed.consume(() => {}), FormatError, "unknown mark 2");
});

kernelTest("without a type events are bytes of their own", NEEDS, () => {
  using ring = createMap({ type: "ringbuf", maxEntries: PAGE });
  using producer = Producer.ring(ring, { size: 16 });
  producer.emit(2);
  const events: Uint8Array[] = [];
  ring.consume((event) => void events.push(event));
  producer.emit(200); // overwrites the ring's memory
  assertEquals(events.map((event) => [event.length, event[0]]), [[16, 0], [16, 1]]);
});

kernelTest("an idle reader's thread sleeps in one epoll_pwait", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  const loop = ring.next(60_000);
  // In a guest it takes seconds until the thread is there.
  for (let tries = 0; tries < 100 && waitingThreads(ring.fd).size === 0; tries++) await sleep(100);
  await sleep(100);
  const before = waitingThreads(ring.fd);
  assertEquals(before.size, 1);
  await sleep(1000);
  assertEquals(waitingThreads(ring.fd), before); // not one context switch; bench/idle.ts measures whole scripts
  producer.emit(1);
  assertEquals((await loop)?.seq, 0n);
});

kernelTest("reading while reading is refused", NEEDS, async () => {
  using ring = ringOf();
  using producer = Producer.ring(ring);
  producer.emit(2);
  assertThrows(() => ring.consume(() => void ring.consume(() => {})), TypeError, "outer call");
  await assertRejects(
    async () => {
      for await (const event of ring) throw new Error(`seq ${event.seq}`);
    },
    Error,
    "seq 1",
  );
});

/** The threads blocked in epoll_pwait on a set that has `fd`, and their voluntary context switches so far. */
function waitingThreads(fd: number): Map<string, number> {
  const nr = SYSCALLS[runtime().arch].epoll_pwait;
  const threads = new Map<string, number>();
  for (const task of readdirSync("/proc/self/task")) {
    const [call, epfd] = readFileSync(`/proc/self/task/${task}/syscall`, "utf8").split(" ");
    if (Number(call) !== nr) continue;
    const set = readFileSync(`/proc/self/fdinfo/${Number(epfd)}`, "utf8");
    if (!new RegExp(`^tfd:\\s*${fd}\\b`, "m").test(set)) continue;
    const status = readFileSync(`/proc/self/task/${task}/status`, "utf8");
    threads.set(task, Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)![1]));
  }
  return threads;
}

async function readAll<T>(events: AsyncIterable<T>, check: (event: T) => void): Promise<void> {
  for await (const event of events) check(event);
}

/** Consumes without waiting until the producer has ended. */
async function poll<T>(ring: RingBuffer<T>, check: (event: T) => void, ended: Promise<void>): Promise<void> {
  let running = true;
  void ended.then(() => running = false);
  while (running) {
    for (let i = 0; i < 1000; i++) ring.consume(check);
    await sleep(0);
  }
}

/** Runs a program in another process. */
function produceElsewhere(prog: number, rounds: number, repeat: number): Promise<void> {
  const script = fileURLToPath(new URL("./testdata/produce.ts", import.meta.url));
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : ["run", script];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...args, prog, rounds, repeat].map(String), (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
