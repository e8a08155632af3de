/**
 * The kinds of maps: one row per `enum bpf_map_type`, with what user space may do with each. Operations, messages and
 * docs/maps.md follow from this table; to add a kind, add a row and its class in wrap.ts.
 */
import * as abi from "../abi/bpf.gen.ts";

/** What user space can ask of a map. `batch`: the kernel has the batch commands for it. */
export type MapOp = "get" | "set" | "delete" | "take" | "list" | "batch";

/** One kind of map. */
export interface MapKind {
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** The name in scripts: the kernel's in small letters. */
  readonly name: MapKindName;
  /** First Linux version. */
  readonly since: string;
  readonly ops: readonly MapOp[];
  /** Methods of its class beside the common ones. */
  readonly methods?: readonly string[];
  /** What to do instead of an operation it does not have. */
  readonly advice?: Readonly<Partial<Record<MapOp, string>>>;
  /** Values have one slot per possible CPU. */
  readonly perCpu?: boolean;
  /** Elements are an array: keys are indexes and always exist. */
  readonly indexed?: boolean;
  /** The only key size, if there is one; 0 for kinds without keys. */
  readonly keySize?: number;
  /** The only value size, if there is one. */
  readonly valueSize?: number;
  /** The kernel refuses BTF types at creation. */
  readonly noBtf?: boolean;
  /** Creation from schemas gives the kernel their BTF; "must": the kernel takes the kind with types only. */
  readonly btf?: "may" | "must";
  /** Flags that creation needs. */
  readonly createFlags?: number;
}

const HASH: readonly MapOp[] = ["get", "set", "delete", "take", "list", "batch"];
const ARRAY: readonly MapOp[] = ["get", "set", "list", "batch"];
const FDS: readonly MapOp[] = ["get", "set", "delete", "list"];
const STORAGE: readonly MapOp[] = ["get", "set", "delete"];

const ALWAYS = "elements of an array always exist: set them to zero, or use clear()";
const NO_LIST = 'the kernel lists no keys of storage maps: use an iterator program (SEC "iter/...")';
const NO_KEYS = "a queue has no keys: use push(), pop() and peek()";
const RING = "a ring is read with `for await`, consume() or scan()";

const queue = {
  methods: ["push", "pop", "peek", "drain"],
  ops: [] as readonly MapOp[],
  keySize: 0,
  noBtf: true,
  advice: { get: NO_KEYS, set: NO_KEYS, delete: NO_KEYS, take: NO_KEYS, list: "take the values out with pop()" },
};
const ring = {
  ops: [] as readonly MapOp[],
  keySize: 0,
  valueSize: 0,
  noBtf: true,
  advice: { get: RING, set: RING, delete: RING, take: RING, list: RING },
};
const hash = { ops: HASH, btf: "may" as const };
const PER_CPU = ["getCpu", "setEvery", "sum", "sums", "reduce"] as const;
const array = { btf: "may" as const, ops: ARRAY, indexed: true, keySize: 4, advice: { delete: ALWAYS, take: ALWAYS } };
const storage = {
  btf: "must" as const,
  ops: STORAGE,
  keySize: 4,
  createFlags: abi.BPF_F_NO_PREALLOC,
  advice: { list: NO_LIST },
};

const ROWS = {
  hash: { type: abi.BPF_MAP_TYPE_HASH, since: "3.19", ...hash },
  array: { type: abi.BPF_MAP_TYPE_ARRAY, since: "3.19", ...array, methods: ["mmap"] },
  prog_array: { type: abi.BPF_MAP_TYPE_PROG_ARRAY, since: "4.2", ops: FDS, keySize: 4, valueSize: 4, indexed: true },
  perf_event_array: {
    type: abi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    since: "4.3",
    ops: ["set", "delete", "list"],
    keySize: 4,
    valueSize: 4,
    indexed: true,
    noBtf: true,
    methods: ["open", "openOverwrite"],
    advice: { get: "read its events with open()" },
  },
  percpu_hash: { type: abi.BPF_MAP_TYPE_PERCPU_HASH, since: "4.6", ...hash, perCpu: true, methods: PER_CPU },
  percpu_array: { type: abi.BPF_MAP_TYPE_PERCPU_ARRAY, since: "4.6", ...array, perCpu: true, methods: PER_CPU },
  stack_trace: {
    type: abi.BPF_MAP_TYPE_STACK_TRACE,
    since: "4.6",
    ops: ["get", "delete", "list"],
    keySize: 4,
    noBtf: true,
    advice: { set: "only programs write stacks" },
  },
  cgroup_array: {
    type: abi.BPF_MAP_TYPE_CGROUP_ARRAY,
    since: "4.8",
    ops: ["set", "delete", "list"],
    keySize: 4,
    valueSize: 4,
    indexed: true,
    noBtf: true,
    advice: { get: "the kernel does not give cgroups back" },
  },
  lru_hash: { type: abi.BPF_MAP_TYPE_LRU_HASH, since: "4.10", ...hash },
  lru_percpu_hash: { type: abi.BPF_MAP_TYPE_LRU_PERCPU_HASH, since: "4.10", ...hash, perCpu: true, methods: PER_CPU },
  lpm_trie: {
    type: abi.BPF_MAP_TYPE_LPM_TRIE,
    since: "4.11",
    btf: "may",
    ops: ["get", "set", "delete", "list", "batch"],
    createFlags: abi.BPF_F_NO_PREALLOC,
  },
  array_of_maps: {
    type: abi.BPF_MAP_TYPE_ARRAY_OF_MAPS,
    methods: ["open"],
    since: "4.12",
    ops: FDS,
    keySize: 4,
    valueSize: 4,
    indexed: true,
    noBtf: true,
  },
  hash_of_maps: {
    type: abi.BPF_MAP_TYPE_HASH_OF_MAPS,
    since: "4.12",
    ops: FDS,
    valueSize: 4,
    noBtf: true,
    methods: ["open"],
  },
  devmap: { type: abi.BPF_MAP_TYPE_DEVMAP, since: "4.14", ops: FDS, keySize: 4, indexed: true, noBtf: true },
  sockmap: { type: abi.BPF_MAP_TYPE_SOCKMAP, since: "4.14", ops: FDS, keySize: 4, indexed: true, noBtf: true },
  cpumap: { type: abi.BPF_MAP_TYPE_CPUMAP, since: "4.15", ops: FDS, keySize: 4, indexed: true, noBtf: true },
  xskmap: {
    type: abi.BPF_MAP_TYPE_XSKMAP,
    since: "4.18",
    ops: ["set", "delete", "list"],
    keySize: 4,
    valueSize: 4,
    indexed: true,
    noBtf: true,
    advice: { get: "the kernel does not give sockets back" },
  },
  sockhash: { type: abi.BPF_MAP_TYPE_SOCKHASH, since: "4.18", ops: FDS, noBtf: true },
  cgroup_storage: { type: abi.BPF_MAP_TYPE_CGROUP_STORAGE, since: "4.19", ops: ["get", "set", "list"] },
  reuseport_sockarray: {
    type: abi.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
    since: "4.19",
    ops: FDS,
    keySize: 4,
    indexed: true,
  },
  percpu_cgroup_storage: {
    type: abi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    since: "4.20",
    ops: ["get", "set", "list"],
    perCpu: true,
    methods: PER_CPU,
  },
  queue: { type: abi.BPF_MAP_TYPE_QUEUE, since: "4.20", ...queue },
  stack: { type: abi.BPF_MAP_TYPE_STACK, since: "4.20", ...queue },
  sk_storage: { type: abi.BPF_MAP_TYPE_SK_STORAGE, since: "5.2", ...storage },
  devmap_hash: { type: abi.BPF_MAP_TYPE_DEVMAP_HASH, since: "5.4", ops: FDS, keySize: 4, noBtf: true },
  struct_ops: { type: abi.BPF_MAP_TYPE_STRUCT_OPS, since: "5.6", ops: ["get", "set", "delete", "list"], keySize: 4 },
  ringbuf: {
    type: abi.BPF_MAP_TYPE_RINGBUF,
    since: "5.8",
    ...ring,
    methods: ["read", "batches", "next", "consume", "each", "scan", "stats"],
  },
  inode_storage: { type: abi.BPF_MAP_TYPE_INODE_STORAGE, since: "5.10", ...storage },
  task_storage: { type: abi.BPF_MAP_TYPE_TASK_STORAGE, since: "5.11", ...storage },
  bloom_filter: {
    type: abi.BPF_MAP_TYPE_BLOOM_FILTER,
    methods: ["add", "mayHave"],
    since: "5.16",
    btf: "may",
    ops: [],
    keySize: 0,
    advice: {
      get: "a bloom filter has no keys: use add() and mayHave()",
      set: "a bloom filter has no keys: use add() and mayHave()",
      delete: "a bloom filter forgets nothing",
      take: "a bloom filter forgets nothing",
      list: "a bloom filter does not keep its values",
    },
  },
  user_ringbuf: {
    type: abi.BPF_MAP_TYPE_USER_RINGBUF,
    since: "6.1",
    ...ring,
    methods: ["send", "sendWait", "reserve"],
    advice: { set: "a user ring buffer is written with send() or reserve()" },
  },
  cgrp_storage: { type: abi.BPF_MAP_TYPE_CGRP_STORAGE, since: "6.2", ...storage },
  arena: {
    type: abi.BPF_MAP_TYPE_ARENA,
    methods: ["bytes", "buffer", "address", "offsetOf"],
    since: "6.9",
    ops: [],
    keySize: 0,
    valueSize: 0,
    noBtf: true,
    createFlags: abi.BPF_F_MMAPABLE,
    advice: { get: "an arena is memory: use bytes", set: "an arena is memory: use bytes" },
  },
  insn_array: {
    type: abi.BPF_MAP_TYPE_INSN_ARRAY,
    since: "6.19",
    ops: ["get", "set", "list"],
    keySize: 4,
    indexed: true,
  },
  rhash: { type: abi.BPF_MAP_TYPE_RHASH, since: "7.1", ...hash, createFlags: abi.BPF_F_NO_PREALLOC },
} as const satisfies Readonly<Record<string, Omit<MapKind, "name">>>;

/** The name of a kind, for example `percpu_hash`. */
export type MapKindName = keyof typeof ROWS;

/** All kinds, by name. */
export const MAP_KINDS: Readonly<Record<MapKindName, MapKind>> = ROWS as unknown as Readonly<
  Record<MapKindName, MapKind>
>;

const BY_TYPE: MapKind[] = [];
for (const name in ROWS) {
  const kind = Object.assign(ROWS[name as MapKindName], { name: name as MapKindName });
  BY_TYPE[kind.type] = kind;
}

/** The kind of a BPF_MAP_TYPE_*; undefined for one that is newer than this table. */
export function mapKind(type: number): MapKind | undefined {
  return BY_TYPE[type];
}
