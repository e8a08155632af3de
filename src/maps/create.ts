/** Creates maps without an object file: typed by schemas, one class per kind. */
import { BPF_F_NUMA_NODE } from "../abi/bpf.gen.ts";
import { toLayout } from "../bytes/composites.ts";
import type { Host, Schema } from "../bytes/layout.ts";
import { nearestNames } from "../errors.ts";
import { mapCreate } from "../syscall/bpf.ts";
import { dupFd, type Fd } from "../syscall/fd.ts";
import { pageSize } from "../syscall/memory.ts";
import type { ArenaMap } from "./arena.ts";
import type { ArrayMap } from "./array.ts";
import type { MapBase, MapParams } from "./base.ts";
import { type CgroupArray, type FdLike, type FdMap, fdNumber, type ProgArray } from "./fd_map.ts";
import type { HashMap } from "./hash.ts";
import type { MapOfMaps } from "./in_maps.ts";
import { MAP_KINDS, type MapKind, type MapKindName } from "./kinds.ts";
import type { PrefixKey } from "./lpm.ts";
import type { BpfMap } from "./map.ts";
import type { PerCpuMap } from "./percpu.ts";
import type { PerfEventArray } from "./perf_event_array.ts";
import type { BloomFilter, QueueMap } from "./queue.ts";
import type { CpuMap, DevMap } from "./redirect.ts";
import type { RingBuffer } from "./ringbuf.ts";
import { schemaBtf } from "./schema_btf.ts";
import type { StackTraceMap } from "./stack_trace.ts";
import type { StorageMap } from "./storage.ts";
import type { UserRingBuffer } from "./user_ringbuf.ts";
import { type MapCodecs, wrapMap } from "./wrap.ts";

/** What a map should be. */
export interface CreateOptions<T extends MapKindName = MapKindName, K = Schema, V = Schema> {
  readonly type: T;
  /** Keys: a schema, or their size in bytes. Kinds with one key size need none. */
  readonly key?: K | number | undefined;
  /** Values, or the events of a ring: a schema, or their size in bytes. */
  readonly value?: V | number | undefined;
  /** Elements; of rings, bytes (a power of two, at least a page); of arenas, pages. One per possible CPU if left out for a perf event array. */
  readonly maxEntries?: number | undefined;
  /** At most 15 bytes are kept: letters, digits, `_` and `.`. */
  readonly name?: string | undefined;
  /** BPF_F_* of BPF_MAP_CREATE. */
  readonly flags?: number | undefined;
  readonly mapExtra?: bigint | number | undefined;
  readonly numaNode?: number | undefined;
  /** Of maps of maps: a map that the inner ones are like, or how to make one. */
  readonly inner?: FdLike | CreateOptions | undefined;
  /** A BTF object and the types in it, for spin locks, timers and kptrs in values; those of the schemas if left out. */
  readonly btf?: { readonly fd: FdLike; readonly keyTypeId: number; readonly valueTypeId: number } | undefined;
}

/** The class of a kind. */
export type MapOf<T extends MapKindName, K, V> = T extends "hash" | "lru_hash" | "rhash" ? HashMap<K, V>
  : T extends "lpm_trie" ? HashMap<unknown extends K ? PrefixKey : K, V>
  : T extends "array" ? ArrayMap<V>
  : T extends "percpu_hash" | "lru_percpu_hash" ? PerCpuMap<K, V>
  : T extends "percpu_array" ? PerCpuMap<number, V>
  : T extends "queue" | "stack" ? QueueMap<V>
  : T extends "bloom_filter" ? BloomFilter<V>
  : T extends "ringbuf" ? RingBuffer<V>
  : T extends "user_ringbuf" ? UserRingBuffer<V>
  : T extends "perf_event_array" ? PerfEventArray<V>
  : T extends "prog_array" ? ProgArray
  : T extends "cgroup_array" ? CgroupArray
  : T extends "xskmap" | "sockmap" | "reuseport_sockarray" ? FdMap<number>
  : T extends "sockhash" ? FdMap<K>
  : T extends "array_of_maps" ? MapOfMaps<number>
  : T extends "hash_of_maps" ? MapOfMaps<K>
  : T extends "devmap" | "devmap_hash" ? DevMap
  : T extends "cpumap" ? CpuMap
  : T extends "stack_trace" ? StackTraceMap
  : T extends "sk_storage" | "task_storage" | "inode_storage" | "cgrp_storage" ? StorageMap<V>
  : T extends "arena" ? ArenaMap
  : BpfMap<K, V>;

/** The type of keys and values without a schema. */
type Face<S> = [S] extends [never] ? Uint8Array : S extends Schema ? Host<S> : Uint8Array;

/**
 * Creates a map. Throws `TypeError` or `RangeError` for options that do not fit the kind, `SyscallError` if the kernel
 * refuses.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * using counts = createMap({ type: "hash", key: u32, value: u64, maxEntries: 1024 });
 * counts.set(1, 5n);
 * ```
 */
export function createMap<const T extends MapKindName, const K extends Schema = never, const V extends Schema = never>(
  options: CreateOptions<T, K, V>,
): MapOf<T, Face<K>, Face<V>> {
  return makeMap(options) as unknown as MapOf<T, Face<K>, Face<V>>;
}

function makeMap(options: CreateOptions): MapBase {
  const kind: MapKind | undefined = Object.hasOwn(MAP_KINDS, options.type) ? MAP_KINDS[options.type] : undefined;
  if (kind === undefined) throw unknownKind(options.type);
  const key = part(options.key, kind.keySize, kind, "key");
  const events = kind.valueSize === 0 || kind.name === "perf_event_array";
  const value = part(options.value, events ? undefined : kind.valueSize, kind, "value");
  const params: MapParams = {
    name: options.name ?? "",
    type: kind.type,
    keySize: key.size,
    valueSize: kind.valueSize ?? value.size,
    maxEntries: maxEntriesOf(kind, options),
    flags: (options.flags ?? 0) | (kind.createFlags ?? 0),
    mapExtra: BigInt(options.mapExtra ?? 0),
  };
  using inner = innerFd(kind, options);
  const btf = options.btf ?? schemaBtf(kind, key.codec, value.codec, params.valueSize);
  using _own = options.btf === undefined ? btf?.fd as Fd | undefined : undefined;
  const fd = create(params, { ...options, btf }, inner?.number);
  return wrapMap(fd, params, { key: key.codec, value: value.codec, inner: innerCodecs(options) });
}

function create(params: MapParams, options: CreateOptions, innerMapFd: number | undefined): Fd {
  return mapCreate({
    map_type: params.type,
    key_size: params.keySize,
    value_size: params.valueSize,
    max_entries: params.maxEntries,
    map_flags: params.flags | (options.numaNode === undefined ? 0 : BPF_F_NUMA_NODE),
    map_name: kernelName(params.name),
    map_extra: params.mapExtra,
    numa_node: options.numaNode,
    inner_map_fd: innerMapFd,
    btf_fd: options.btf === undefined ? undefined : fdNumber(options.btf.fd, "btf.fd"),
    btf_key_type_id: options.btf?.keyTypeId,
    btf_value_type_id: options.btf?.valueTypeId,
  });
}

/** Size and codec of a key or value. Sizes that a kind fixes may be left out, but not contradicted. */
function part(
  given: Schema | number | undefined,
  fixed: number | undefined,
  kind: MapKind,
  what: "key" | "value",
): { size: number; codec: MapCodecs["key"] } {
  if (given === undefined) {
    if (fixed !== undefined) return { size: fixed, codec: undefined };
    if (kind.valueSize !== undefined && what === "value") return { size: kind.valueSize, codec: undefined };
    throw new TypeError(`Cannot create a ${kind.name} map: give the type or size of its ${what}s`);
  }
  const codec = typeof given === "number" ? undefined : toLayout(given);
  const size = codec?.size ?? given as number;
  if (!Number.isInteger(size) || size < 0) {
    throw new RangeError(`Cannot create a ${kind.name} map: ${size} is no size of a ${what}`);
  }
  if (fixed !== undefined && size !== fixed) {
    throw new TypeError(`Cannot create a ${kind.name} map: its ${what}s have ${fixed} bytes, not ${size}`);
  }
  return { size, codec };
}

function maxEntriesOf(kind: MapKind, options: CreateOptions): number {
  const { maxEntries } = options;
  if (maxEntries === undefined) {
    // The kernel sizes storage maps itself; a perf event array needs a slot for every CPU there may be.
    if (kind.createFlags !== undefined && kind.name.endsWith("_storage")) return 0;
    if (kind.name.endsWith("cgroup_storage")) return 0;
    throw new TypeError(`Cannot create a ${kind.name} map: give maxEntries`);
  }
  if (maxEntries >>> 0 !== maxEntries) throw new RangeError(`Cannot create a ${kind.name} map: ${maxEntries} entries`);
  if (kind.name.endsWith("ringbuf")) checkRingSize(kind, maxEntries);
  return maxEntries;
}

function checkRingSize(kind: MapKind, bytes: number): void {
  const page = pageSize();
  if (bytes >= page && (bytes & (bytes - 1)) === 0) return;
  const better = Math.max(page, 2 ** Math.ceil(Math.log2(bytes)));
  throw new RangeError(
    `Cannot create a ${kind.name}: its size must be a power of two of at least ${page}, not ${bytes} (try ${better})`,
  );
}

function innerFd(kind: MapKind, options: CreateOptions): Fd | undefined {
  const ofMaps = kind.name.endsWith("_of_maps");
  const { inner } = options;
  if (!ofMaps) {
    if (inner !== undefined) throw new TypeError(`Cannot create a ${kind.name} map with inner maps`);
    return undefined;
  }
  if (inner === undefined) {
    throw new TypeError(`Cannot create a ${kind.name} map: give inner, a map that its maps are like`);
  }
  if (isOptions(inner)) {
    // A template only: its lifetime ends here, the kernel keeps what it needs.
    using template = makeMap(inner);
    return dupFd(template.fd);
  }
  return dupFd(fdNumber(inner, "inner"));
}

function isOptions(inner: FdLike | CreateOptions): inner is CreateOptions {
  return typeof inner === "object" && inner !== null && "type" in inner && typeof inner.type === "string";
}

function innerCodecs(options: CreateOptions): MapCodecs | undefined {
  const { inner } = options;
  if (inner === undefined || !isOptions(inner)) return undefined;
  const codec = (schema: Schema | number | undefined) =>
    schema === undefined || typeof schema === "number" ? undefined : toLayout(schema);
  return { key: codec(inner.key), value: codec(inner.value), inner: innerCodecs(inner) };
}

/** The kernel takes 15 bytes of letters, digits, `_` and `.`. */
function kernelName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15);
}

function unknownKind(type: string): TypeError {
  const near = nearestNames(type, Object.keys(MAP_KINDS));
  return new TypeError(
    `Cannot create a map: there is no kind "${type}"${near.length > 0 ? `, only ${near.join(", ")}` : ""}`,
  );
}
