/** What the script's maps look like on the host side of a tracer: the classes of `src/maps`. Types only. */
import type { CgroupArray, FdMap, ProgArray } from "../maps/fd_map.ts";
import type { ArrayMap } from "../maps/array.ts";
import type { HashMap } from "../maps/hash.ts";
import type { PerCpuMap } from "../maps/percpu.ts";
import type { BloomFilter, QueueMap } from "../maps/queue.ts";
import type { CpuMap, DevMap } from "../maps/redirect.ts";
import type { RingBuffer } from "../maps/ringbuf.ts";
import type { StorageMap } from "../maps/storage.ts";
import type { StackTraces } from "./stacks.ts";

/** A keyed map, used like a `Map`. Every call is one system call; iteration reads the live map in batches. */
export type HostHash<K, V> = HashMap<K, V>;

/** A keyed map with one value per possible CPU. */
export type HostPerCpuHash<K, V> = PerCpuMap<K, V>;

/** An array map: the keys are the indexes from 0. */
export type HostArray<V> = ArrayMap<V>;

/** An array map with one element per possible CPU at each index. */
export type HostPerCpuArray<V> = PerCpuMap<number, V>;

/** A queue or stack. */
export type HostQueue<V> = QueueMap<V>;

/** A Bloom filter. */
export type HostBloomFilter<V> = BloomFilter<V>;

/**
 * A stream of records, decoded: `for await (const record of ring)`, or with an AbortSignal `ring.read({ signal })`. One
 * reader at a time gets each record. It is a ring buffer, or a perf buffer before Linux 5.8.
 */
export type HostRing<V> = Pick<RingBuffer<V>, "read" | "batches" | "next" | "consume" | typeof Symbol.asyncIterator>;

/** Stacks by id, and the names of their functions. */
export type HostStackTraces = StackTraces;

/** Programs to jump to. */
export type HostProgArray = ProgArray;

/** Cgroups to test against. */
export type HostCgroupArray = CgroupArray;

/** Sockets. */
export type HostFdMap<K = number> = FdMap<K>;

/** Network devices to redirect to. */
export type HostDeviceMap = DevMap;

/** CPUs to redirect to. */
export type HostCpuMap = CpuMap;

/** Storage by owner: a descriptor of the task, inode, socket or cgroup. */
export type HostStorage<V> = StorageMap<V>;
