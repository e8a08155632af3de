/**
 * Adds up what the CPUs accumulated. Takes the values of one key as 64-bit numbers in the order of
 * `aggregationStorage(...).fields`, CPU after CPU. Pure.
 */
import type { AggregationStorage } from "../compiler/definitions.ts";
import type { Stats } from "./host_aggregations.ts";

/** All CPUs together. `count` is 0 where nothing was added (and where the aggregation keeps no count). */
export interface Accumulated {
  count: bigint;
  sum: bigint;
  min: bigint;
  max: bigint;
}

/** Adds up the CPUs' values. A CPU that added nothing has count 0, and its extremes do not take part. */
export function accumulate(fields: AggregationStorage["fields"], values: BigInt64Array): Accumulated {
  const total: Accumulated = { count: 0n, sum: 0n, min: 0n, max: 0n };
  const [count, sum, min, max] = (["count", "sum", "min", "max"] as const).map((field) => fields.indexOf(field));
  for (let at = 0; at < values.length; at += fields.length) {
    const here = count! < 0 ? 0n : BigInt.asUintN(64, values[at + count!]!);
    if (sum! >= 0) total.sum = BigInt.asIntN(64, total.sum + values[at + sum!]!);
    if (min! >= 0 && here > 0n) {
      total.min = total.count === 0n ? values[at + min!]! : smaller(total.min, values[at + min!]!);
    }
    if (max! >= 0 && here > 0n) {
      total.max = total.count === 0n ? values[at + max!]! : larger(total.max, values[at + max!]!);
    }
    total.count = BigInt.asUintN(64, total.count + here);
  }
  return total;
}

const smaller = (a: bigint, b: bigint) => a < b ? a : b;
const larger = (a: bigint, b: bigint) => a > b ? a : b;

/** With the average, as a number: exact up to 2^53, nearest beyond. */
export function toStats(total: Accumulated): Stats {
  return { ...total, average: average(total) };
}

/** 0 where nothing was added. */
export function average({ count, sum }: Accumulated): number {
  if (count === 0n) return 0;
  // The whole part first: Number(sum) alone would lose digits of large sums before dividing.
  const whole = sum / count;
  return Number(whole) + Number(sum % count) / Number(count);
}
