/** Histograms on the host: buckets from slot counts, percentiles, and the drawing with bars of text. Pure. */
import { type LinearBuckets, linearSlots, LOG2_SLOTS } from "../compiler/definitions.ts";
import type { Bucket, Histogram } from "./host_aggregations.ts";

/** Characters of the longest bar. */
const BAR = 52;

/** Builds the histogram of slot counts; `linear` is undefined for powers of two. */
export function makeHistogram(
  counts: ArrayLike<bigint>,
  linear: LinearBuckets | undefined,
  unit?: string,
): Histogram {
  const slots = linear === undefined ? LOG2_SLOTS : linearSlots(linear);
  let [first, last] = [slots, -1];
  let count = 0n;
  for (let slot = 0; slot < slots; slot++) {
    const here = counts[slot] ?? 0n;
    if (here === 0n) continue;
    count += here;
    first = Math.min(first, slot);
    last = slot;
  }
  const buckets: Bucket[] = [];
  for (let slot = first; slot <= last; slot++) {
    buckets.push({
      ...(linear === undefined ? log2Range(slot) : linearRange(slot, slots, linear)),
      count: counts[slot] ?? 0n,
    });
  }
  return {
    buckets,
    count,
    percentile: (percent) => percentile(buckets, count, percent),
    toString: () => drawBuckets(buckets, unit),
  };
}

/** The values of a bucket of powers of two: see `LOG2_SLOTS`. */
function log2Range(slot: number): { low: number; high: number } {
  if (slot === 0) return { low: -Infinity, high: 0 };
  if (slot === 1) return { low: 0, high: 1 };
  return { low: 2 ** (slot - 2), high: 2 ** (slot - 1) };
}

function linearRange(slot: number, slots: number, { min, max, step }: LinearBuckets): { low: number; high: number } {
  if (slot === 0) return { low: -Infinity, high: min };
  const low = min + (slot - 1) * step;
  return slot === slots - 1 ? { low: max, high: Infinity } : { low, high: Math.min(low + step, max) };
}

function percentile(buckets: readonly Bucket[], count: bigint, percent: number): number {
  if (!(percent >= 0 && percent <= 100)) throw new RangeError(`Cannot take percentile ${percent}: takes 0 to 100`);
  const wanted = Number(count) * percent / 100;
  let below = 0;
  for (const bucket of buckets) {
    const here = Number(bucket.count);
    if (below + here >= wanted && here > 0) {
      if (!Number.isFinite(bucket.low)) return bucket.high;
      if (!Number.isFinite(bucket.high)) return bucket.low;
      return bucket.low + (bucket.high - bucket.low) * (wanted - below) / here;
    }
    below += here;
  }
  return NaN;
}

/** One line a bucket: `[4, 8)        3 |@@@@            |`. */
function drawBuckets(buckets: readonly Bucket[], unit: string | undefined): string {
  if (buckets.length === 0) return "(nothing)";
  const labels = buckets.map(label);
  const width = Math.max(unit?.length ?? 0, ...labels.map((text) => text.length));
  const digits = Math.max(5, ...buckets.map((bucket) => String(bucket.count).length));
  const most = buckets.reduce((max, bucket) => bucket.count > max ? bucket.count : max, 0n);
  const lines = buckets.map((bucket, i) => {
    const length = Number(bucket.count * BigInt(BAR * 8) / most) / 8;
    const bar = "@".repeat(Math.round(length)).padEnd(BAR);
    return `${labels[i]!.padEnd(width)} ${String(bucket.count).padStart(digits)} |${bar}|`;
  });
  if (unit !== undefined) lines.unshift(`${unit.padEnd(width)} ${"count".padStart(digits)}`);
  return lines.join("\n");
}

function label({ low, high }: Bucket): string {
  if (low === -Infinity) return `(..., ${short(high)})`;
  if (high === Infinity) return `[${short(low)}, ...)`;
  return high - low === 1 ? `[${short(low)}]` : `[${short(low)}, ${short(high)})`;
}

/** 4096 as `4K`, 1048576 as `1M`; numbers that are no multiple of 1024 stay as they are. */
function short(value: number): string {
  if (value === 0) return "0";
  for (const [power, letter] of [[60, "E"], [50, "P"], [40, "T"], [30, "G"], [20, "M"], [10, "K"]] as const) {
    if (value % 2 ** power === 0) return `${value / 2 ** power}${letter}`;
  }
  return String(value);
}
