/** What the script's maps look like on the host side of a tracer: types only. */
import type { BpfMap } from "../maps/map.ts";
import type { RingBuffer } from "../maps/ringbuf.ts";

/** A keyed map, used like a `Map`. Every call is one system call; iteration reads the live map in batches. */
export type HostHash<K, V> = BpfMap<K, V>;

/** A keyed map with one value per possible CPU. */
export type HostPerCpuHash<K, V> = BpfMap<K, V[]>;

/** An array map: the keys are the indexes from 0. */
export type HostArray<V> = BpfMap<number, V>;

/** An array map with one element per possible CPU at each index. */
export type HostPerCpuArray<V> = BpfMap<number, V[]>;

/** A queue or stack. */
export interface HostQueue<V> {
  push(value: V): void;
  pop(): V | undefined;
  peek(): V | undefined;
}

/** A Bloom filter. */
export interface HostBloomFilter<V> {
  add(value: V): void;
  has(value: V): boolean;
}

/**
 * A stream of records, decoded: `for await (const record of ring)`, or with an AbortSignal `ring.read({ signal })`. One
 * reader at a time gets each record. It is a ring buffer, or a perf buffer before Linux 5.8.
 */
export type HostRing<V> = Pick<RingBuffer<V>, "read" | "batches" | "next" | "consume" | typeof Symbol.asyncIterator>;

/** Stacks by id. */
export interface HostStackTraces {
  /** Return addresses, innermost first; undefined for an id that is not there. */
  get(id: number): bigint[] | undefined;
  /** The stack as names of kernel functions. */
  kernelNames(id: number): string[];
  /** The stack of process `pid` as names of functions, as far as its files tell. */
  userNames(id: number, pid: number): string[];
  delete(id: number): boolean;
  clear(): void;
}

/** Maps that hold descriptors: of programs, cgroups, devices, sockets. */
export interface HostFdMap {
  /** Puts a descriptor, device index or queue length in. */
  set(index: number, fd: number): void;
  delete(index: number): boolean;
}

/** Storage by owner: the key is a pidfd, a file, socket or cgroup descriptor. */
export interface HostStorage<V> {
  get(fd: number): V | undefined;
  set(fd: number, value: V): void;
  delete(fd: number): boolean;
}
