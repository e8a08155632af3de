/** Maps that hand values over: ring buffers, perf event arrays, queues, stacks, Bloom filters. */
import type { Host, Kernel, Schema } from "../../bytes/layout.ts";
import type { HostBloomFilter, HostQueue, HostRing } from "../host_maps.ts";
import type { KernelBloomFilter, KernelQueue, KernelRing, KernelRingBuffer } from "../kernel_maps.ts";
import { checkEntries, defineMap, layoutOf, type MapKindDefinition, type MapOptions } from "./define.ts";

/** Options of `ringbuf`. */
export interface RingOptions extends Omit<MapOptions, "maxEntries"> {
  /** Size of the buffer: rounded up to a power of two of at least one page. 256 KiB by default. */
  bytes?: number;
}

/** A ring buffer as both sides see it. */
export type RingMap<V> = MapKindDefinition<KernelRingBuffer<Kernel<V>>, HostRing<Host<V>>>;
/** A perf event array. */
export type PerfMap<V> = MapKindDefinition<KernelRing<Kernel<V>>, HostRing<Host<V>>>;
/** A queue or a stack. */
export type QueueMap<V> = MapKindDefinition<KernelQueue<Kernel<V>>, HostQueue<Host<V>>>;
/** A Bloom filter. */
export type BloomMap<V> = MapKindDefinition<KernelBloomFilter<Kernel<V>>, HostBloomFilter<Host<V>>>;

/**
 * A ring buffer of records, read in the script with `for await`. All CPUs share it and records keep their order. Before
 * Linux 5.8 a perf event array takes its place.
 *
 * @example
 * ```ts
 * import { ringbuf, str, u32 } from "@waggle/waggle";
 *
 * const events = ringbuf({ pid: u32, comm: str(16) }, { bytes: 1 << 20 });
 * ```
 */
export function ringbuf<const V extends Schema>(record: V, options: RingOptions = {}): RingMap<V> {
  const { bytes = 256 * 1024, ...rest } = options;
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 2 ** 31) {
    throw new RangeError(`Cannot define a ringbuf: ${bytes} bytes is not a size up to 2 GiB`);
  }
  const maxEntries = 2 ** Math.max(12, Math.ceil(Math.log2(bytes)));
  return defineMap("ringbuf", { value: layoutOf(record), maxEntries }, rest);
}

/**
 * A perf event array: one buffer per CPU, for kernels before 5.8. Records of different CPUs arrive in no order.
 *
 * @example
 * ```ts
 * import { perfEvents, str, u32 } from "@waggle/waggle";
 *
 * const events = perfEvents({ pid: u32, comm: str(16) });
 * ```
 */
export function perfEvents<const V extends Schema>(record: V, options?: Omit<MapOptions, "maxEntries">): PerfMap<V> {
  return defineMap("perf_event_array", { value: layoutOf(record), maxEntries: 0 }, options);
}

/**
 * A queue: first in, first out.
 *
 * @example
 * ```ts
 * import { queue, u32 } from "@waggle/waggle";
 *
 * const jobs = queue(u32, 64);
 * ```
 */
export function queue<const V extends Schema>(value: V, entries: number, options?: MapOptions): QueueMap<V> {
  return defineMap("queue", { value: layoutOf(value), maxEntries: checkEntries("queue", entries) }, options);
}

/**
 * A stack: last in, first out.
 *
 * @example
 * ```ts
 * import { stack, u32 } from "@waggle/waggle";
 *
 * const undo = stack({ id: u32 }, 64);
 * ```
 */
export function stack<const V extends Schema>(value: V, entries: number, options?: MapOptions): QueueMap<V> {
  return defineMap("stack", { value: layoutOf(value), maxEntries: checkEntries("stack", entries) }, options);
}

/**
 * A Bloom filter for about `entries` values. Linux 5.16.
 *
 * @example
 * ```ts
 * import { bloomFilter, u64 } from "@waggle/waggle";
 *
 * const seen = bloomFilter(u64, 100_000);
 * ```
 */
export function bloomFilter<const V extends Schema>(value: V, entries: number, options?: MapOptions): BloomMap<V> {
  const maxEntries = checkEntries("bloomFilter", entries);
  return defineMap("bloom_filter", { value: layoutOf(value), maxEntries }, options);
}
