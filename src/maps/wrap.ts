/**
 * From a descriptor to the object of its kind: the one place that knows which class belongs to which map type.
 */
import * as abi from "../abi/bpf.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Fd } from "../syscall/fd.ts";
import { mapInfo } from "../syscall/bpf.ts";
import { ArenaMap } from "./arena.ts";
import { ArrayMap } from "./array.ts";
import type { MapBase, MapParams } from "./base.ts";
import { btfCodecs } from "./btf_codecs.ts";
import { bytesCodec, u32Codec } from "./codecs.ts";
import { CgroupArray, FdMap, ProgArray } from "./fd_map.ts";
import { HashMap } from "./hash.ts";
import { MapOfMaps } from "./in_maps.ts";
import { mapKind } from "./kinds.ts";
import { prefixCodec } from "./lpm.ts";
import { BpfMap } from "./map.ts";
import { PerCpuMap } from "./percpu.ts";
import { PerfEventArray } from "./perf_event_array.ts";
import { BloomFilter, QueueMap } from "./queue.ts";
import { CpuMap, DevMap } from "./redirect.ts";
import { RingBuffer } from "./ringbuf.ts";
import { StackTraceMap } from "./stack_trace.ts";
import { StorageMap } from "./storage.ts";
import { UserRingBuffer } from "./user_ringbuf.ts";

/** How keys and values lie in memory; without one they are bytes. Of rings, `value` is the event. */
export interface MapCodecs {
  readonly key?: Codec<unknown> | undefined;
  readonly value?: Codec<unknown> | undefined;
  /** Of the maps in a map of maps. */
  readonly inner?: MapCodecs | undefined;
}

/** Any of the map classes. */
export type AnyMap =
  | BpfMap
  | HashMap
  | ArrayMap
  | PerCpuMap
  | QueueMap
  | BloomFilter
  | MapOfMaps
  | StackTraceMap
  | DevMap
  | CpuMap
  | StorageMap
  | FdMap<unknown>
  | PerfEventArray<unknown>
  | RingBuffer<unknown>
  | UserRingBuffer<unknown>
  | ArenaMap;

type Make = (fd: Fd, params: MapParams, codecs: Required<MapCodecs>) => MapBase;

const hash: Make = (fd, params, { key, value }) => new HashMap(fd, params, key!, value!);
const array: Make = (fd, params, { value }) => new ArrayMap(fd, params, value!);
const perCpu: Make = (fd, params, { key, value }) => new PerCpuMap(fd, params, key!, value!);
const queue: Make = (fd, params, { value }) => new QueueMap(fd, params, value!);
const storage: Make = (fd, params, { value }) => new StorageMap(fd, params, value!);
const fdArray: Make = (fd, params) => new FdMap(fd, params);
const ofMaps: Make = (fd, params, { key, inner }) =>
  new MapOfMaps(fd, params, key!, (innerFd) => wrapMap(innerFd, paramsOf(innerFd), inner ?? btfCodecs(innerFd)));

/** Map type → class. Types without a row get `BpfMap`. */
const CLASSES: Readonly<Record<number, Make>> = {
  [abi.BPF_MAP_TYPE_HASH]: hash,
  [abi.BPF_MAP_TYPE_LRU_HASH]: hash,
  [abi.BPF_MAP_TYPE_RHASH]: hash,
  [abi.BPF_MAP_TYPE_LPM_TRIE]: hash,
  [abi.BPF_MAP_TYPE_ARRAY]: array,
  [abi.BPF_MAP_TYPE_PERCPU_HASH]: perCpu,
  [abi.BPF_MAP_TYPE_LRU_PERCPU_HASH]: perCpu,
  [abi.BPF_MAP_TYPE_PERCPU_ARRAY]: perCpu,
  [abi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE]: perCpu,
  [abi.BPF_MAP_TYPE_QUEUE]: queue,
  [abi.BPF_MAP_TYPE_STACK]: queue,
  [abi.BPF_MAP_TYPE_BLOOM_FILTER]: (fd, params, { value }) => new BloomFilter(fd, params, value!),
  [abi.BPF_MAP_TYPE_ARRAY_OF_MAPS]: ofMaps,
  [abi.BPF_MAP_TYPE_HASH_OF_MAPS]: ofMaps,
  [abi.BPF_MAP_TYPE_PROG_ARRAY]: (fd, params) => new ProgArray(fd, params),
  [abi.BPF_MAP_TYPE_CGROUP_ARRAY]: (fd, params) => new CgroupArray(fd, params),
  [abi.BPF_MAP_TYPE_XSKMAP]: fdArray,
  [abi.BPF_MAP_TYPE_SOCKMAP]: fdArray,
  [abi.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY]: fdArray,
  [abi.BPF_MAP_TYPE_SOCKHASH]: (fd, params, { key }) => new FdMap(fd, params, key!),
  [abi.BPF_MAP_TYPE_DEVMAP]: (fd, params) => new DevMap(fd, params),
  [abi.BPF_MAP_TYPE_DEVMAP_HASH]: (fd, params) => new DevMap(fd, params),
  [abi.BPF_MAP_TYPE_CPUMAP]: (fd, params) => new CpuMap(fd, params),
  [abi.BPF_MAP_TYPE_STACK_TRACE]: (fd, params) => new StackTraceMap(fd, params),
  [abi.BPF_MAP_TYPE_SK_STORAGE]: storage,
  [abi.BPF_MAP_TYPE_INODE_STORAGE]: storage,
  [abi.BPF_MAP_TYPE_TASK_STORAGE]: storage,
  [abi.BPF_MAP_TYPE_CGRP_STORAGE]: storage,
  [abi.BPF_MAP_TYPE_ARENA]: (fd, params) => new ArenaMap(fd, params),
};

/** Kinds whose `value` codec describes events, not values of `valueSize` bytes. */
const EVENTS: Readonly<Record<number, (fd: Fd, params: MapParams, codec: Codec<unknown> | undefined) => MapBase>> = {
  [abi.BPF_MAP_TYPE_RINGBUF]: (fd, params, codec) => new RingBuffer(fd, params, codec),
  [abi.BPF_MAP_TYPE_USER_RINGBUF]: (fd, params, codec) => new UserRingBuffer(fd, params, codec),
  [abi.BPF_MAP_TYPE_PERF_EVENT_ARRAY]: (fd, params, codec) => new PerfEventArray(fd, params, codec),
};

/**
 * Makes the object of a map's kind, which owns the descriptor from then on. Throws `TypeError` if a codec does not have
 * the size of the map's keys or values; the descriptor is closed then.
 */
export function wrapMap(fd: Fd, params: MapParams, codecs: MapCodecs = {}): MapBase {
  try {
    const events = EVENTS[params.type];
    if (events !== undefined) return events(fd, params, codecs.value);
    const key = codecs.key ?? defaultKey(params);
    const value = codecs.value ?? bytesCodec(params.valueSize);
    checkSize(params, "key", key, params.keySize);
    if (codecs.value !== undefined) checkSize(params, "value", value, params.valueSize);
    const make = CLASSES[params.type];
    if (make === undefined) return new BpfMap(fd, params, key, value);
    return make(fd, params, { key, value, inner: codecs.inner });
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** The facts of an open map, from the kernel. */
export function paramsOf(fd: Fd): MapParams {
  const info = mapInfo(fd.number);
  return {
    name: info.name,
    type: info.type,
    keySize: info.key_size,
    valueSize: info.value_size,
    maxEntries: info.max_entries,
    flags: info.map_flags,
    mapExtra: info.map_extra,
  };
}

function defaultKey(params: MapParams): Codec<unknown> {
  if (params.type === abi.BPF_MAP_TYPE_LPM_TRIE && params.keySize > 4) return prefixCodec(params.keySize);
  const kind = mapKind(params.type);
  const numbers = kind?.indexed || kind?.keySize === 4;
  return (numbers && params.keySize === 4 ? u32Codec : bytesCodec(params.keySize)) as Codec<unknown>;
}

function checkSize(params: MapParams, what: "key" | "value", codec: Codec<unknown>, size: number): void {
  if (codec.size === size) return;
  throw new TypeError(
    `Cannot use map "${params.name}": its ${what}s have ${size} bytes, but the type given for them has ${codec.size}`,
  );
}
