/**
 * What maps look like inside a kernel function: types only, the compiler turns the calls into helper calls and map
 * accesses. Values are copied out only where the program keeps them: a struct got from a map is the map's own memory,
 * and assigning to its fields writes there.
 */

/** Maps whose values may hold a `timer`. */
export interface KernelTimers<K, V> {
  /**
   * Calls `callback` (one of `functions`) with the entry's key and value, once, in so many nanoseconds, on this CPU.
   * Without a callback the timer keeps the one it has: so a callback starts its own timer again. Returns 0 or a negative
   * errno. Linux 5.15.
   */
  startTimer(value: V, nsecs: number, callback?: (key: K, value: V) => unknown): number;
  /** Stops the value's timer; true if it was running. */
  cancelTimer(value: V): boolean;
}

/** Keyed maps: `hash`, `lruHash`. `+=` and `++` on fields of a value they hold are atomic. */
export interface KernelHash<K, V> extends KernelTimers<K, V> {
  /** The value, or `undefined` when the key is not there. Fields of a struct may be assigned: that writes to the map. */
  get(key: K): V | undefined;
  /**
   * Writes the value. `flags`: `BPF_ANY` (default), `BPF_NOEXIST` (only if the key is new), `BPF_EXIST` (only if it is
   * there). Returns 0, or a negative errno (`-E2BIG`: the map is full).
   */
  set(key: K, value: V, flags?: number): number;
  /** Removes the key; false if it was not there. */
  delete(key: K): boolean;
  has(key: K): boolean;
  /** The value; if the key is new, `value` is put there first. `undefined` only when the map is full. */
  getOrInsert(key: K, value: V): V | undefined;
  /** Adds `by` (default 1) atomically to an integer value; a new key starts at 0. */
  add(key: K, by?: number): void;
  /** The entries, in no order: `for (const [key, value] of map)`. Entries may be deleted meanwhile. Linux 5.13. */
  [Symbol.iterator](): Iterator<[key: K, value: V]>;
}

/** Keyed maps with one value per CPU: what a program sees is the value of its own CPU. */
export type KernelPerCpuHash<K, V> = KernelHash<K, V>;

/** Arrays: every index below the size is there, zeroed at first. */
export interface KernelArray<V> extends KernelTimers<number, V> {
  /** The element, or `undefined` outside the array. Fields of a struct may be assigned: that writes to the map. */
  get(index: number): V | undefined;
  /** Writes an element. Returns 0, or a negative errno (`-E2BIG`: outside the array). */
  set(index: number, value: V): number;
  /** Adds `by` (default 1) atomically to an integer element; nothing happens outside the array. */
  add(index: number, by?: number): void;
  /** The elements in order: `for (const [index, value] of array)`. Linux 5.13. */
  [Symbol.iterator](): Iterator<[index: number, value: V]>;
}

/** Queues (first in, first out) and stacks (last in, first out). */
export interface KernelQueue<V> {
  /** Appends. Returns 0, or a negative errno (`-E2BIG`: full; `flags` `BPF_EXIST` then drops the oldest). */
  push(value: V, flags?: number): number;
  /** Takes the next element; `undefined` if there is none. */
  pop(): V | undefined;
  /** Reads the next element without taking it. */
  peek(): V | undefined;
}

/** Bloom filters: `has` may be wrong about values never added, never about values that were. */
export interface KernelBloomFilter<V> {
  /** Adds a value. Returns 0 or a negative errno. */
  add(value: V): number;
  /** Whether the value may have been added. */
  has(value: V): boolean;
}

/** Ring buffers and perf event arrays: a stream of records to the script. */
export interface KernelRing<V> {
  /** Sends a record. The fields are written straight into the buffer. False when the buffer is full: it is lost. */
  emit(record: V): boolean;
}

/** Ring buffers also hand out the memory of a record before it is sent. */
export interface KernelRingBuffer<V> extends KernelRing<V> {
  /** Memory for one record, all zeros, or `undefined` when the buffer is full. It must reach `submit` or `discard`. */
  reserve(): V | undefined;
  /** Sends a reserved record. */
  submit(record: V): void;
  /** Gives a reserved record back unsent. */
  discard(record: V): void;
}

/** Stack traces: stacks are kept by the kernel under an id that serves as a key. */
export interface KernelStackTraces {
  /** Id of the kernel stack here, or a negative errno. `skip` frames are left out. */
  kernel(skip?: number): number;
  /** Id of the user stack of the current task, or a negative errno. */
  user(skip?: number): number;
}

/** Programs to jump to. */
export interface KernelProgArray {
  /** Continues in the program at `index`, which gets the same context; returns only if there is none. */
  call(index: number): void;
}

/** Storage that lives and dies with a task, inode, socket or cgroup. */
export interface KernelStorage<Owner, V> {
  /** The owner's value, or `undefined` if it has none yet. */
  get(owner: Owner): V | undefined;
  /** The owner's value, made of zeros if it has none yet; `undefined` when memory is short. */
  getOrCreate(owner: Owner): V | undefined;
  delete(owner: Owner): boolean;
}

/** Cgroups to test against. */
export interface KernelCgroupArray {
  /** Whether the current task runs in the cgroup at `index`, or below it. */
  includesCurrent(index: number): boolean;
}

/** Targets of redirected packets: devices, CPUs, AF_XDP sockets. */
export interface KernelRedirectMap {
  /** The verdict that sends the packet to the target under `key`; `fallback` (a verdict) if there is none. */
  redirect(key: number, fallback?: number): number;
}

/** Sockets to send to or to pick from. */
export interface KernelSocketMap<K> {
  /** Sends the packet or message to the socket under `key`. Returns a verdict. */
  redirect(key: K, flags?: number): number;
}

type Keyed<K, Args extends readonly unknown[]> = [K] extends [void] ? Args : readonly [key: K, ...Args];

/** Counts. With a key, one count for each. */
export interface KernelCounter<K> {
  count(...key: Keyed<K, []>): void;
}

/** Sums, extremes, averages, histograms: `add(value)`, or `add(key, value)` where there is a key. */
export interface KernelAggregation<K> {
  add(...args: Keyed<K, [value: number]>): void;
}

/** Counts the most frequent keys. */
export interface KernelTopK<K> {
  count(key: K): void;
}
