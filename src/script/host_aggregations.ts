/** What aggregations look like on the host: read whole, added up over the CPUs. Types only. */

/** A keyed aggregation gives one result for each key; one without a key a single result. */
export type Result<K, R> = [K] extends [void] ? {
    /** The result so far. */
    read(): R;
    /** Starts again from nothing. */
    clear(): void;
  }
  : Iterable<[K, R]> & {
    /** The result of one key; undefined if nothing was added for it. */
    get(key: K): R | undefined;
    /** Every key with its result, largest first. */
    entries(): [K, R][];
    /** The same, taken out of the map as they are read: counting starts again from nothing, and nothing is lost. */
    take(): [K, R][];
    /** Starts again from nothing. What is added between reading and clearing is lost; see `take`. */
    clear(): void;
  };

/** Count, sum, average, extremes. All zero when nothing was added. */
export interface Stats {
  readonly count: bigint;
  readonly sum: bigint;
  readonly average: number;
  readonly min: bigint;
  readonly max: bigint;
}

/** Count, sum and average. */
export type Average = Pick<Stats, "count" | "sum" | "average">;

/** One bucket: values from `low` up to but not including `high`. */
export interface Bucket {
  /** `-Infinity` where the bucket has no lower end. */
  readonly low: number;
  /** `Infinity` where the bucket has no upper end. */
  readonly high: number;
  readonly count: bigint;
}

/** A histogram. `String(histogram)` draws it with bars of text. */
export interface Histogram {
  /** From the first to the last bucket that has something in it. */
  readonly buckets: readonly Bucket[];
  /** Values added. */
  readonly count: bigint;
  /** The value below which `percent` of the values lie, taken as evenly spread within its bucket. */
  percentile(percent: number): number;
  toString(): string;
}

export type HostCounter<K> = Result<K, bigint>;
export type HostSum<K> = Result<K, bigint>;
/** undefined when nothing was added. */
export type HostExtreme<K> = Result<K, bigint | undefined>;
export type HostAverage<K> = Result<K, Average>;
export type HostStats<K> = Result<K, Stats>;
export type HostHistogram<K> = Result<K, Histogram>;

/** The most frequent keys. */
export interface HostTopK<K> extends Iterable<[K, bigint]> {
  /** The `rows` (as defined, if not given) most frequent keys with their counts, most frequent first. */
  top(rows?: number): [K, bigint][];
  /** The same, starting again from nothing without losing counts. */
  takeTop(rows?: number): [K, bigint][];
  clear(): void;
}
