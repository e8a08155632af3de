import { assertEquals, assertThrows } from "@std/assert";
import { accumulate, average, toStats } from "../../src/script/accumulate.ts";
import { makeHistogram } from "../../src/script/histogram.ts";
import { test } from "../support/harness.ts";

/** Slot counts from `slot: count`. */
function slots(counts: Readonly<Record<number, bigint>>, length = 66): BigUint64Array {
  const array = new BigUint64Array(length);
  for (const [slot, count] of Object.entries(counts)) array[Number(slot)] = count;
  return array;
}

test("makeHistogram() gives powers of two from the first to the last bucket in use", () => {
  const histogram = makeHistogram(slots({ 0: 1n, 1: 2n, 2: 3n, 5: 4n }), undefined);
  assertEquals(histogram.count, 10n);
  assertEquals(histogram.buckets, [
    { low: -Infinity, high: 0, count: 1n },
    { low: 0, high: 1, count: 2n },
    { low: 1, high: 2, count: 3n },
    { low: 2, high: 4, count: 0n },
    { low: 4, high: 8, count: 0n },
    { low: 8, high: 16, count: 4n },
  ]);
});

test("makeHistogram() draws bars, with the longest for the fullest bucket", () => {
  const histogram = makeHistogram(slots({ 3: 26n, 12: 52n, 13: 1n }), undefined, "us");
  const lines = String(histogram).split("\n");
  assertEquals(lines[0], "us         count");
  assertEquals(lines[1], `[2, 4)        26 |${"@".repeat(26)}${" ".repeat(26)}|`);
  assertEquals(lines[10], `[1K, 2K)      52 |${"@".repeat(52)}|`);
  assertEquals(lines[11], `[2K, 4K)       1 |@${" ".repeat(51)}|`);
  assertEquals(String(makeHistogram(slots({}), undefined)), "(nothing)");
});

test("makeHistogram() gives linear buckets with one for less and one for more", () => {
  const linear = { min: 10, max: 35, step: 10 };
  const histogram = makeHistogram(slots({ 0: 1n, 1: 2n, 3: 3n, 4: 4n }, 5), linear);
  assertEquals(histogram.buckets, [
    { low: -Infinity, high: 10, count: 1n },
    { low: 10, high: 20, count: 2n },
    { low: 20, high: 30, count: 0n },
    { low: 30, high: 35, count: 3n },
    { low: 35, high: Infinity, count: 4n },
  ]);
});

test("makeHistogram() spreads values evenly for percentiles", () => {
  const histogram = makeHistogram(slots({ 4: 50n, 6: 50n }), undefined);
  assertEquals(histogram.percentile(50), 8);
  assertEquals(histogram.percentile(75), 24);
  assertEquals(histogram.percentile(100), 32);
  assertEquals(makeHistogram(slots({}), undefined).percentile(50), NaN);
  assertThrows(() => histogram.percentile(101), RangeError);
});

test("accumulate() adds up CPUs and leaves idle ones out of the extremes", () => {
  const fields = ["count", "sum", "min", "max"] as const;
  const values = new BigInt64Array([2n, 30n, 10n, 20n, 0n, 0n, 0n, 0n, 1n, -5n, -5n, -5n]);
  assertEquals(toStats(accumulate(fields, values)), { count: 3n, sum: 25n, min: -5n, max: 20n, average: 25 / 3 });
  assertEquals(accumulate(["sum"], new BigInt64Array([-3n, 1n])).sum, -2n);
  assertEquals(accumulate(["count", "min"], new BigInt64Array([0n, 0n, 1n, 7n])).min, 7n);
  assertEquals(accumulate(["count"], new BigInt64Array([-1n])).count, 0xffff_ffff_ffff_ffffn);
});

test("average() keeps the digits of large sums", () => {
  assertEquals(
    average({ count: 3n, sum: 3n * 9_007_199_254_740_991n + 1n, min: 0n, max: 0n }),
    9_007_199_254_740_991 + 1 / 3,
  );
  assertEquals(average({ count: 0n, sum: 0n, min: 0n, max: 0n }), 0);
});
