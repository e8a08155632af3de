import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { u64 } from "../../../src/bytes/scalars.ts";
import { onlineCpus, possibleCpus } from "../../../src/kernel/cpus.ts";
import { createMap } from "../../../src/maps/create.ts";
import type { PerfEventArray } from "../../../src/maps/perf_event_array.ts";
import { openFdCount } from "../../../src/syscall/fd.ts";
import { kernelTest } from "../../support/harness.ts";
import { Producer } from "./producers.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function arrayOf(): PerfEventArray<{ seq: bigint }> {
  return createMap({ type: "perf_event_array", value: { seq: u64 }, maxEntries: possibleCpus(), name: "events" });
}

kernelTest("perf_event_array: `consume()` gives every event, also those that wrap", { needs: ["perf"] }, () => {
  using array = arrayOf();
  using buffer = array.open({ pages: 1 });
  assertEquals(buffer.cpus, onlineCpus());
  using producer = Producer.perf(array, { size: 40 });
  const seen: number[] = [];
  for (let round = 0; round < 40; round++) {
    producer.emit(25);
    buffer.consume((event) => void seen.push(Number(event.seq)));
  }
  assertEquals(seen.toSorted((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  assertEquals([buffer.stats().records, buffer.lost], [1000, 0]);
});

kernelTest("lost events are counted and reported, none is hidden", { needs: ["perf"] }, () => {
  const lost: [number, number][] = [];
  using array = arrayOf();
  using buffer = array.open({ pages: 1, onLost: (cpu, count) => lost.push([cpu, count]) });
  using producer = Producer.perf(array);
  producer.emit(500);
  buffer.consume(() => {});
  producer.emit(3); // the kernel tells of the loss with the next events that fit
  buffer.consume(() => {});
  const { tried, refused } = producer.counts;
  assertEquals(buffer.lost, refused);
  assertGreater(buffer.lost, 0);
  assertEquals(buffer.stats().records, tried - refused);
  assertEquals(lost.reduce((sum, [, count]) => sum + count, 0), refused);
  assertEquals([...buffer.stats().lostByCpu.keys()].every((cpu) => buffer.cpus.includes(cpu)), true);
});

kernelTest("`for await` reads the events of all CPUs as they come", { needs: ["perf"] }, async () => {
  using array = arrayOf();
  using buffer = array.open();
  using producer = Producer.perf(array);
  const timers = [20, 40, 60].map((ms) => setTimeout(() => producer.emit(5), ms));
  const seen: bigint[] = [];
  for await (const event of buffer) if (seen.push(event.seq) === 15) break;
  assertEquals(seen.length, timers.length * 5);
});

kernelTest("events that came before the loop are not waited for", { needs: ["perf"] }, async () => {
  using array = arrayOf();
  using buffer = array.open();
  using producer = Producer.perf(array);
  producer.emit(2);
  assertEquals((await buffer.next(1000))?.seq, 0n);
  assertEquals((await buffer.next(1000))?.seq, 1n);
  assertEquals(await buffer.next(10), undefined);
  producer.emit(1);
  assertEquals((await buffer.next(1000))?.seq, 2n);
});

kernelTest("with wakeupEvents the rest comes with flushMs", { needs: ["perf"] }, async () => {
  using array = arrayOf();
  using buffer = array.open({ wakeupEvents: 100, cpus: onlineCpus() });
  using producer = Producer.perf(array);
  setTimeout(() => producer.emit(7), 10);
  const seen: bigint[] = [];
  for await (const event of buffer.read({ flushMs: 30 })) if (seen.push(event.seq) === 7) break;
  assertEquals(seen.length, 7);
});

kernelTest("closing a perf buffer ends its loop and empties the array", { needs: ["perf"] }, async () => {
  await sleep(50); // the waiter of an earlier test ends in its own turn
  const before = openFdCount();
  {
    using array = arrayOf();
    using buffer = array.open();
    using producer = Producer.perf(array);
    const loop = (async () => {
      for await (const _event of buffer) throw new Error("there are no events");
      return "ended";
    })();
    await sleep(10);
    buffer.close();
    buffer.close();
    assertEquals(await loop, "ended");
    assertThrows(() => buffer.consume(() => {}), TypeError, "closed");
    producer.emit(1);
    assertEquals(producer.counts.refused, 1); // no event to write to
  }
  await sleep(50);
  assertEquals(openFdCount(), before);
});

kernelTest("`openOverwrite()` keeps the newest events, and gives each once", { needs: ["perf", "kernel:4.7"] }, () => {
  using array = arrayOf();
  const before = openFdCount();
  const recorder = array.openOverwrite({ pages: 1 });
  using producer = Producer.perf(array);
  const numbers = () => recorder.snapshot().map(({ seq }) => Number(seq)).toSorted((a, b) => a - b);
  assertEquals(numbers(), []);
  producer.emit(10);
  assertEquals(numbers(), Array.from({ length: 10 }, (_, i) => i));
  assertEquals(numbers(), []);
  producer.emit(1000);
  assertEquals(producer.counts.refused, 0); // nothing waits for the reader
  const newest = numbers();
  assertEquals(newest.at(-1), 1009);
  // A page of records of 64 bytes, the oldest in part overwritten; more if the producer changed its CPU.
  assertGreater(newest.length, 60);
  assert(newest.length <= 64 * recorder.cpus.length);
  producer.emit(3);
  assertEquals(numbers(), [1010, 1011, 1012]);
  recorder.close();
  recorder.close();
  assertThrows(() => recorder.snapshot(), TypeError, "closed");
  assertEquals(openFdCount(), before + 2); // the producer's own
  assertThrows(() => array.openOverwrite({ pages: 5 }), RangeError, "power of two");
});

kernelTest("`PerfBuffer.each()` shows fields by one object", { needs: ["perf"] }, () => {
  using array = arrayOf();
  using buffer = array.open();
  using producer = Producer.perf(array);
  producer.emit(4);
  const seen: bigint[] = [];
  assertEquals(buffer.each((event) => void seen.push(event.seq), 3), 3);
  buffer.each((event) => void seen.push(event.seq));
  assertEquals(seen.toSorted((a, b) => Number(a - b)), [0n, 1n, 2n, 3n]);
});

kernelTest("wrong options are refused and leave nothing open", { needs: ["perf"] }, () => {
  using array = arrayOf();
  const before = openFdCount();
  assertThrows(() => array.open({ pages: 3 }), RangeError, "power of two");
  assertThrows(() => array.open({ wakeupEvents: 0 }), RangeError, "wake every");
  assertThrows(() => array.open({ cpus: [0, 4095] }), Error, "CPU 4095");
  assertEquals(openFdCount(), before);
  assert(array.id > 0);
});
