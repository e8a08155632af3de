/** Keyed maps and arrays: hash, LRU, per-CPU, longest prefix. */
import { u32 } from "../../bytes/scalars.ts";
import type { Host, Kernel, Layout, Schema } from "../../bytes/layout.ts";
import type { HostArray, HostHash, HostPerCpuArray, HostPerCpuHash } from "../host_maps.ts";
import type { KernelArray, KernelHash, KernelPerCpuHash } from "../kernel_maps.ts";
import { checkEntries, defineMap, layoutOf, type MapKindDefinition, type MapOptions, NO_PREALLOC } from "./define.ts";

/** A hash map as both sides see it. */
export type HashMap<K, V> = MapKindDefinition<KernelHash<Kernel<K>, Kernel<V>>, HostHash<Host<K>, Host<V>>>;
/** A hash map with one value per CPU. */
export type PerCpuHashMap<K, V> = MapKindDefinition<
  KernelPerCpuHash<Kernel<K>, Kernel<V>>,
  HostPerCpuHash<Host<K>, Host<V>>
>;
/** An array. */
export type ArrayMap<V> = MapKindDefinition<KernelArray<Kernel<V>>, HostArray<Host<V>>>;
/** An array with one element per CPU at each index. */
export type PerCpuArrayMap<V> = MapKindDefinition<KernelArray<Kernel<V>>, HostPerCpuArray<Host<V>>>;

/**
 * A hash map. Holds 10 240 entries unless `maxEntries` says otherwise; setting a new key in a full map fails.
 *
 * @example
 * ```ts
 * import { hash, u32, u64 } from "@waggle/waggle";
 *
 * const started = hash(u32, { at: u64, path: u64 }, { maxEntries: 1024 });
 * ```
 */
export function hash<const K extends Schema, const V extends Schema>(
  key: K,
  value: V,
  options?: MapOptions,
): HashMap<K, V> {
  return defineMap("hash", { key: layoutOf(key), value: layoutOf(value) }, options);
}

/**
 * A hash map that drops the entries used least recently when it is full.
 *
 * @example
 * ```ts
 * import { lruHash, u64 } from "@waggle/waggle";
 *
 * const recent = lruHash(u64, { at: u64 });
 * ```
 */
export function lruHash<const K extends Schema, const V extends Schema>(
  key: K,
  value: V,
  options?: MapOptions,
): HashMap<K, V> {
  return defineMap("lru_hash", { key: layoutOf(key), value: layoutOf(value) }, options);
}

/**
 * A hash map with one value per CPU: programs on different CPUs never wait for each other.
 *
 * @example
 * ```ts
 * import { percpuHash, u32, u64 } from "@waggle/waggle";
 *
 * const counts = percpuHash(u32, u64);
 * ```
 */
export function percpuHash<const K extends Schema, const V extends Schema>(
  key: K,
  value: V,
  options?: MapOptions,
): PerCpuHashMap<K, V> {
  return defineMap("percpu_hash", { key: layoutOf(key), value: layoutOf(value) }, options);
}

/**
 * A per-CPU hash map that drops the entries used least recently when it is full.
 *
 * @example
 * ```ts
 * import { lruPercpuHash, u32, u64 } from "@waggle/waggle";
 *
 * const recent = lruPercpuHash(u32, u64);
 * ```
 */
export function lruPercpuHash<const K extends Schema, const V extends Schema>(
  key: K,
  value: V,
  options?: MapOptions,
): PerCpuHashMap<K, V> {
  return defineMap("lru_percpu_hash", { key: layoutOf(key), value: layoutOf(value) }, options);
}

/**
 * An array map of `entries` elements, zeroed at first. Called `arrayMap` because `array(schema, n)` is the layout of an
 * array inside a value.
 *
 * @example
 * ```ts
 * import { arrayMap, u32 } from "@waggle/waggle";
 *
 * const settings = arrayMap({ limit: u32, used: u32 }, 16);
 * ```
 */
export function arrayMap<const V extends Schema>(value: V, entries: number, options?: MapOptions): ArrayMap<V> {
  const maxEntries = checkEntries("array map", entries);
  return defineMap("array", { key: u32 as Layout<unknown>, value: layoutOf(value), maxEntries }, options);
}

/**
 * An array map with one element per CPU at each index.
 *
 * @example
 * ```ts
 * import { percpuArray, u64 } from "@waggle/waggle";
 *
 * const totals = percpuArray(u64, 4);
 * ```
 */
export function percpuArray<const V extends Schema>(
  value: V,
  entries: number,
  options?: MapOptions,
): PerCpuArrayMap<V> {
  const maxEntries = checkEntries("per-CPU array map", entries);
  return defineMap("percpu_array", { key: u32 as Layout<unknown>, value: layoutOf(value), maxEntries }, options);
}

/**
 * A longest-prefix-match trie. The key is a struct whose first field is the `u32` prefix length in bits; the rest is
 * compared bit by bit from its first byte, so addresses go in as they are on the wire.
 *
 * @example
 * ```ts
 * import { bytes, lpmTrie, u32 } from "@waggle/waggle";
 *
 * const routes = lpmTrie({ prefix: u32, address: bytes(4) }, u32);
 * ```
 */
export function lpmTrie<const K extends Schema, const V extends Schema>(
  key: K,
  value: V,
  options?: MapOptions,
): HashMap<K, V> {
  const layout = layoutOf(key);
  if (layout.desc.kind !== "struct" || layout.desc.fields[0]?.layout.size !== 4 || layout.size <= 4) {
    throw new TypeError("Cannot define a lpmTrie: its key is a struct of a u32 prefix length and the bytes to compare");
  }
  return defineMap("lpm_trie", { key: layout, value: layoutOf(value), flags: NO_PREALLOC }, options);
}
