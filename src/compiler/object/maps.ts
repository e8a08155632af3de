/** Maps of the object: definitions of the script as `MapSpec`, and as the C declarations that describe them in BTF. */
import * as abi from "../../abi/bpf.gen.ts";
import type { Layout } from "../../bytes/layout.ts";
import type { BtfBuilder } from "../../btf/write.ts";
import type { BtfMember } from "../../btf/types.ts";
import type { MapSpec } from "../../object/spec.ts";
import {
  aggregationStorage,
  type CompileFacts,
  isAggregation,
  type MapDefinition,
  type MapKind,
} from "../definitions.ts";
import { accumulatorLayout, aggregationKey } from "../lower/aggregation.ts";
import type { LayoutTypes } from "./layout_btf.ts";

/** What the kernel is asked for. */
interface KernelMap {
  readonly type: number;
  readonly key: Layout<unknown> | undefined;
  readonly value: Layout<unknown> | undefined;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

const TYPES: Readonly<Record<string, number>> = {
  hash: abi.BPF_MAP_TYPE_HASH,
  lru_hash: abi.BPF_MAP_TYPE_LRU_HASH,
  percpu_hash: abi.BPF_MAP_TYPE_PERCPU_HASH,
  lru_percpu_hash: abi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  array: abi.BPF_MAP_TYPE_ARRAY,
  percpu_array: abi.BPF_MAP_TYPE_PERCPU_ARRAY,
  queue: abi.BPF_MAP_TYPE_QUEUE,
  stack: abi.BPF_MAP_TYPE_STACK,
  bloom_filter: abi.BPF_MAP_TYPE_BLOOM_FILTER,
  lpm_trie: abi.BPF_MAP_TYPE_LPM_TRIE,
  ringbuf: abi.BPF_MAP_TYPE_RINGBUF,
  perf_event_array: abi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  stack_trace: abi.BPF_MAP_TYPE_STACK_TRACE,
  prog_array: abi.BPF_MAP_TYPE_PROG_ARRAY,
  cgroup_array: abi.BPF_MAP_TYPE_CGROUP_ARRAY,
  task_storage: abi.BPF_MAP_TYPE_TASK_STORAGE,
  inode_storage: abi.BPF_MAP_TYPE_INODE_STORAGE,
  sk_storage: abi.BPF_MAP_TYPE_SK_STORAGE,
  cgrp_storage: abi.BPF_MAP_TYPE_CGRP_STORAGE,
  devmap: abi.BPF_MAP_TYPE_DEVMAP,
  devmap_hash: abi.BPF_MAP_TYPE_DEVMAP_HASH,
  cpumap: abi.BPF_MAP_TYPE_CPUMAP,
  xskmap: abi.BPF_MAP_TYPE_XSKMAP,
  sockmap: abi.BPF_MAP_TYPE_SOCKMAP,
  sockhash: abi.BPF_MAP_TYPE_SOCKHASH,
} satisfies Record<Exclude<MapKind, import("../definitions.ts").AggregationKind>, number>;

/** Entries of a stack: PERF_MAX_STACK_DEPTH. */
const STACK_DEPTH = 127;

/** Kinds whose keys the kernel takes without BTF: it refuses it for maps of fds, rings and the like. */
const NO_KEY_BTF = new Set([
  "ringbuf",
  "perf_event_array",
  "prog_array",
  "cgroup_array",
  "stack_trace",
  "devmap",
  "devmap_hash",
  "cpumap",
  "xskmap",
  "sockmap",
  "sockhash",
  "queue",
  "stack",
  "bloom_filter",
]);

function kernelMap(def: MapDefinition, facts: CompileFacts): KernelMap {
  if (isAggregation(def.kind)) {
    const storage = aggregationStorage(def);
    const key = aggregationKey(storage, def.key);
    const value = accumulatorLayout(storage);
    return {
      type: TYPES[storage.mapKind]!,
      key,
      value,
      keySize: key.size,
      valueSize: value.size,
      maxEntries: storage.maxEntries,
      flags: def.flags,
    };
  }
  if (def.kind === "ringbuf" && !facts.has("ringbuf")) return eventArray(def);
  const type = TYPES[def.kind]!;
  if (def.kind === "ringbuf") {
    return {
      type,
      key: undefined,
      value: undefined,
      keySize: 0,
      valueSize: 0,
      maxEntries: def.maxEntries,
      flags: def.flags,
    };
  }
  if (def.kind === "perf_event_array") return eventArray(def);
  const storage = def.kind.endsWith("_storage");
  const keySize = storage ? 4 : def.key?.size ?? (/^(queue|stack|bloom_filter)$/.test(def.kind) ? 0 : 4);
  const valueSize = def.kind === "stack_trace" ? STACK_DEPTH * 8 : def.value?.size ?? 4;
  return {
    type,
    key: def.key,
    value: def.value,
    keySize,
    valueSize,
    maxEntries: storage ? 0 : def.maxEntries,
    flags: storage ? def.flags | abi.BPF_F_NO_PREALLOC : def.flags,
  };
}

/** One slot a CPU: the loader takes 0 entries as the number of CPUs. */
function eventArray(def: MapDefinition): KernelMap {
  return {
    type: abi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    key: undefined,
    value: undefined,
    keySize: 4,
    valueSize: 4,
    maxEntries: 0,
    flags: def.flags & ~abi.BPF_F_MMAPABLE,
  };
}

/** Adds one map to the object: its variable in `.maps`, and its spec. */
export function addMap(
  name: string,
  def: MapDefinition,
  facts: CompileFacts,
  types: LayoutTypes,
  builder: BtfBuilder,
  programName: (key: string) => string,
): { spec: MapSpec; variable: number; size: number } {
  const map = kernelMap(def, facts);
  const typed = !NO_KEY_BTF.has(def.kind) && map.key !== undefined || def.kind.endsWith("_storage");
  const keyType = !typed ? 0 : map.key === undefined ? types.int(4, true) : types.of(map.key.desc, map.key.size);
  const valueType = typed && map.value !== undefined ? types.of(map.value.desc, map.value.size) : 0;
  const members: BtfMember[] = [];
  const member = (field: string, type: number): void =>
    void members.push({ name: field, type, bitOffset: members.length * 64, bitSize: 0 });
  member("type", types.number(map.type));
  if (map.maxEntries !== 0) member("max_entries", types.number(map.maxEntries));
  if (map.flags !== 0) member("map_flags", types.number(map.flags));
  if (keyType !== 0) member("key", types.pointer(keyType));
  else if (map.keySize !== 0) member("key_size", types.number(map.keySize));
  if (valueType !== 0) member("value", types.pointer(valueType));
  else if (map.valueSize !== 0) member("value_size", types.number(map.valueSize));
  if (def.pinned) member("pinning", types.number(1));
  const size = members.length * 8;
  const struct = builder.add({ kind: "STRUCT", name: "", size, members, kflag: false });
  const variable = builder.add({ kind: "VAR", name, type: struct, linkage: "global" });
  const spec: MapSpec = {
    name,
    kind: "declared",
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    mapExtra: 0n,
    numaNode: undefined,
    pinning: def.pinned ? "by_name" : "none",
    keyTypeId: keyType,
    valueTypeId: valueType,
    inner: undefined,
    slots: def.slots.map((slot) => ({ index: slot.index, kind: "program", name: programName(slot.program) })),
    section: undefined,
    data: undefined,
    structOps: undefined,
  };
  return { spec, variable, size };
}
