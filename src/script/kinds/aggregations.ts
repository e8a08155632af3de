/**
 * Aggregations: counts, sums and histograms made in the kernel, per CPU, and added up when the script reads them.
 * Without a key there is one; with a key schema there is one for each key.
 */
import type { Host, Kernel, Layout, Schema } from "../../bytes/layout.ts";
import type { AggregationKind, LinearBuckets } from "../../compiler/definitions.ts";
import type {
  HostAverage,
  HostCounter,
  HostExtreme,
  HostHistogram,
  HostStats,
  HostSum,
  HostTopK,
} from "../host_aggregations.ts";
import type { KernelAggregation, KernelCounter, KernelTopK } from "../kernel_maps.ts";
import { checkEntries, defineMap, layoutOf, type MapKindDefinition, type MapOptions } from "./define.ts";

/** The schema of "no key". */
type KeyFaces<K> = [K] extends [Schema] ? { host: Host<K>; kernel: Kernel<K> } : { host: void; kernel: void };
type HostKey<K> = KeyFaces<K>["host"];
type KernelKey<K> = KeyFaces<K>["kernel"];

/** Options of histograms: how the script prints them. */
export interface HistogramOptions extends MapOptions {
  /** Unit of the values, for the printed heading, for example `"us"`. */
  unit?: string;
}

/** The extra data of an aggregation that only the script needs. */
export interface AggregationDefinition<KernelFace, HostFace> extends MapKindDefinition<KernelFace, HostFace> {
  readonly unit: string | undefined;
  /** topK: how many rows `top()` gives. */
  readonly rows: number | undefined;
}

function define(
  kind: AggregationKind,
  key: Schema | undefined,
  options: HistogramOptions & { linear?: LinearBuckets; rows?: number } = {},
): AggregationDefinition<never, never> {
  const { unit, linear, rows, ...rest } = options;
  const layout: Layout<unknown> | undefined = key === undefined ? undefined : layoutOf(key);
  return { ...defineMap(kind, { key: layout, linear }, rest), unit, rows };
}

/**
 * A counter: `calls.count()` in the kernel, or `calls.count(key)`.
 *
 * @example
 * ```ts
 * import { counter, u32 } from "@waggle/waggle";
 *
 * const callsByProcess = counter(u32);
 * ```
 */
export function counter<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: MapOptions,
): AggregationDefinition<KernelCounter<KernelKey<K>>, HostCounter<HostKey<K>>> {
  return define("counter", key, options);
}

/**
 * The sum of the values added, as a signed 64-bit number.
 *
 * @example
 * ```ts
 * import { sum, u32 } from "@waggle/waggle";
 *
 * const bytesByProcess = sum(u32);
 * ```
 */
export function sum<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: MapOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostSum<HostKey<K>>> {
  return define("sum", key, options);
}

/**
 * The smallest value added, as a signed 64-bit number.
 *
 * @example
 * ```ts
 * import { min, u32 } from "@waggle/waggle";
 *
 * const fastest = min(u32);
 * ```
 */
export function min<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: MapOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostExtreme<HostKey<K>>> {
  return define("min", key, options);
}

/**
 * The largest value added, as a signed 64-bit number.
 *
 * @example
 * ```ts
 * import { max, u32 } from "@waggle/waggle";
 *
 * const slowest = max(u32);
 * ```
 */
export function max<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: MapOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostExtreme<HostKey<K>>> {
  return define("max", key, options);
}

/**
 * Count and sum of the values added: their average.
 *
 * @example
 * ```ts
 * import { avg, u32 } from "@waggle/waggle";
 *
 * const averageSize = avg(u32);
 * ```
 */
export function avg<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: MapOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostAverage<HostKey<K>>> {
  return define("avg", key, options);
}

/**
 * Count, sum, average, smallest and largest of the values added.
 *
 * @example
 * ```ts
 * import { bool, stats, u8 } from "@waggle/waggle";
 *
 * const traffic = stats({ outgoing: bool, protocol: u8 });
 * ```
 */
export function stats<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: MapOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostStats<HostKey<K>>> {
  return define("stats", key, options);
}

/**
 * A histogram with a bucket for each power of two.
 *
 * @example
 * ```ts
 * import { histogram, str } from "@waggle/waggle";
 *
 * const latency = histogram(str(32), { unit: "us" });
 * ```
 */
export function histogram<const K extends Schema | undefined = undefined>(
  key?: K,
  options?: HistogramOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostHistogram<HostKey<K>>> {
  return define("histogram", key, options);
}

/**
 * A histogram with buckets of `step` from `min` to `max`, one for less and one for more. At most 1000 buckets.
 *
 * @example
 * ```ts
 * import { linearHistogram } from "@waggle/waggle";
 *
 * const load = linearHistogram({ min: 0, max: 100, step: 10 });
 * ```
 */
export function linearHistogram<const K extends Schema | undefined = undefined>(
  buckets: LinearBuckets,
  key?: K,
  options?: HistogramOptions,
): AggregationDefinition<KernelAggregation<KernelKey<K>>, HostHistogram<HostKey<K>>> {
  const { min, max, step } = buckets;
  if (![min, max, step].every(Number.isSafeInteger) || step < 1 || max <= min) {
    throw new RangeError(`Cannot define a linearHistogram: takes integers min < max and a step of at least 1`);
  }
  if ((max - min) / step > 1000) {
    throw new RangeError(
      `Cannot define a linearHistogram: ${Math.ceil((max - min) / step)} buckets are more than 1000`,
    );
  }
  return define("linearHistogram", key, { ...options, linear: { min, max, step } });
}

/**
 * The `rows` most frequent keys. Keys not seen for long give way to new ones when the map is full.
 *
 * @example
 * ```ts
 * import { str, topK, u32 } from "@waggle/waggle";
 *
 * const busiest = topK({ pid: u32, comm: str(16) }, 10);
 * ```
 */
export function topK<const K extends Schema>(
  key: K,
  rows: number,
  options?: MapOptions,
): AggregationDefinition<KernelTopK<KernelKey<K>>, HostTopK<HostKey<K>>> {
  return define("topK", key, { ...options, rows: checkEntries("topK", rows) });
}
