/**
 * What the compiler takes and gives, as data: the maps, globals and functions of one `bpf({...})`, the facts of the
 * target, and the object that comes out. `src/script` makes the input from what the user wrote; the host side reads
 * maps back by the same definitions, so how an aggregation lies in memory is decided here and nowhere else.
 */
import type { TracepointFormat } from "../abi/tracepoint_format.ts";
import type { Btf } from "../btf/btf.ts";
import { struct } from "../bytes/composites.ts";
import type { Layout } from "../bytes/layout.ts";
import { i32 } from "../bytes/scalars.ts";
import type { Diagnostic } from "../errors.ts";
import type { ObjectSpec } from "../object/spec.ts";

/** Kinds of maps that are one kernel map type each: `BPF_MAP_TYPE_` in lower case. */
export type PlainMapKind =
  | "hash"
  | "lru_hash"
  | "percpu_hash"
  | "lru_percpu_hash"
  | "array"
  | "percpu_array"
  | "queue"
  | "stack"
  | "bloom_filter"
  | "lpm_trie"
  | "ringbuf"
  | "perf_event_array"
  | "stack_trace"
  | "prog_array"
  | "cgroup_array"
  | "task_storage"
  | "inode_storage"
  | "sk_storage"
  | "cgrp_storage"
  | "devmap"
  | "devmap_hash"
  | "cpumap"
  | "xskmap"
  | "sockmap"
  | "sockhash";

/** Kinds that stand for a per-CPU map of accumulators, see `aggregationStorage`. */
export type AggregationKind =
  | "counter"
  | "sum"
  | "min"
  | "max"
  | "avg"
  | "stats"
  | "histogram"
  | "linearHistogram"
  | "topK";

export type MapKind = PlainMapKind | AggregationKind;

/** One map of the script. */
export interface MapDefinition {
  readonly kind: MapKind;
  /**
   * Layout of the key. Undefined for kinds without one: queue, stack, bloom_filter, ringbuf, perf_event_array,
   * aggregations that count one thing only. Arrays and maps of fds have `u32`, storages have none for the program.
   */
  readonly key: Layout<unknown> | undefined;
  /**
   * Layout of the value; of the record for ringbuf and perf_event_array. Undefined where the kernel fixes it
   * (stack_trace, prog_array, cgroup_array) and for aggregations.
   */
  readonly value: Layout<unknown> | undefined;
  /** Entries; bytes of the ring for ringbuf (a power of two, at least a page); 0 lets the loader choose. */
  readonly maxEntries: number;
  /** `BPF_F_*` of the map's creation. */
  readonly flags: number;
  /** `pinning: by_name`: reused from and kept in /sys/fs/bpf. */
  readonly pinned: boolean;
  /** prog_array only: index → key of the program in `CompileInput.programs`. */
  readonly slots: readonly { readonly index: number; readonly program: string }[];
  /** linearHistogram only. */
  readonly linear: LinearBuckets | undefined;
}

/** Buckets `[min, min + step)`, `[min + step, min + 2 step)`, … up to `max`, one for less and one for more. */
export interface LinearBuckets {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/**
 * How an aggregation lies in its per-CPU map. All fields of the value are 64 bits wide, in this order, and zero means
 * "nothing added yet": a fresh entry is all zeros apart from what the first `add` writes.
 */
export interface AggregationStorage {
  /** `percpu_array` without a key, `percpu_hash` with one, `lru_percpu_hash` for topK. */
  readonly mapKind: "percpu_array" | "percpu_hash" | "lru_percpu_hash";
  /** Entries of the map. */
  readonly maxEntries: number;
  /**
   * Number of buckets; 1 for what is no histogram. Without a key the bucket is the array's index. With a key and more
   * than one bucket the map's key is `{ key, slot: u32 }` (C layout, padding zeroed), and only buckets in use take
   * memory; with one bucket the map's key is the key itself.
   */
  readonly slots: number;
  /** The value's fields: `count` is u64, the others are i64. */
  readonly fields: readonly ("count" | "sum" | "min" | "max")[];
}

const FIELDS = {
  counter: ["count"],
  topK: ["count"],
  histogram: ["count"],
  linearHistogram: ["count"],
  sum: ["sum"],
  min: ["count", "min"],
  max: ["count", "max"],
  avg: ["count", "sum"],
  stats: ["count", "sum", "min", "max"],
} as const satisfies Record<AggregationKind, readonly string[]>;

/**
 * Buckets of a log2 histogram: 0 for negative values, 1 for zero, `k` for values from `2^(k-2)` up to but not
 * including `2^(k-1)`, k = 2…65 (unsigned 64-bit values fill the last ones).
 */
export const LOG2_SLOTS = 66;

export function isAggregation(kind: MapKind): kind is AggregationKind {
  return Object.hasOwn(FIELDS, kind);
}

/** Where an aggregation's accumulators live. Throws nothing: definitions are checked when they are made. */
export function aggregationStorage(definition: MapDefinition): AggregationStorage {
  const kind = definition.kind as AggregationKind;
  const slots = kind === "histogram" ? LOG2_SLOTS : kind === "linearHistogram" ? linearSlots(definition.linear!) : 1;
  const fields = FIELDS[kind];
  if (definition.key === undefined) return { mapKind: "percpu_array", maxEntries: slots, slots, fields };
  const mapKind = kind === "topK" ? "lru_percpu_hash" : "percpu_hash";
  return { mapKind, maxEntries: definition.maxEntries, slots, fields };
}

/** Bucket 0 is for values below `min`, the last for `max` and above. */
export function linearSlots({ min, max, step }: LinearBuckets): number {
  return Math.ceil((max - min) / step) + 2;
}

/** A variable shared by the kernel side and the host. */
export interface GlobalDefinition {
  readonly layout: Layout<unknown>;
  /** Host value; undefined means all zeros. */
  readonly initial: unknown;
  /** In `.rodata`: frozen before loading, so the verifier removes code that depends on it. Else `.bss` or `.data`. */
  readonly constant: boolean;
}

/** Where `bpf(` was called, and the text of that file as it is on disk. */
export interface CallSite {
  /** Path as the user knows it. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
  readonly fileText: string;
}

/** The text of one kernel function. */
export interface FunctionSource {
  /** `Function.prototype.toString()`: what the engine runs, possibly optimised and minified. */
  readonly text: string;
  /** Undefined where the file cannot be read (compiled binaries). */
  readonly site: CallSite | undefined;
}

/** One program. */
export interface ProgramSource extends FunctionSource {
  /** As the user wrote it: `tracepoint:syscalls:sys_enter_openat`. */
  readonly key: string;
  /** The SEC name it stands for: `tracepoint/syscalls/sys_enter_openat`. */
  readonly section: string;
  /** C identifier, unique in the object: `tracepoint_syscalls_sys_enter_openat`. */
  readonly name: string;
}

/** An argument of a static probe (USDT). */
export interface StaticArgument {
  /** Bytes: 1, 2, 4 or 8. */
  readonly size: number;
  readonly signed: boolean;
}

/** What the compiler must know of the target, handed in so that it stays pure. Everything is asked for lazily. */
export interface CompileFacts {
  readonly arch: "x86_64" | "aarch64";
  /** BTF of the kernel the types come from; undefined where there is none. */
  readonly kernelBtf: Btf | undefined;
  tracepoint(category: string, name: string): TracepointFormat | undefined;
  /**
   * The arguments of a static probe of a program or library, in order; undefined if the file or the probe cannot be
   * read. Asked only where `portable` is false.
   */
  staticProbe?(path: string, provider: string, name: string): readonly StaticArgument[] | undefined;
  /**
   * True if left out. False where the object is loaded at once on the machine the facts are of: what only a CO-RE record would need may
   * then be left out, such as the kernel's types for a tracepoint whose format file says all.
   */
  readonly portable?: boolean;
  /** True where the code must pass verifiers before Linux 6.8 (see `CompileOptions.oldVerifiers`); false if left out. */
  readonly oldVerifiers?: boolean;
  /** ISA level. */
  readonly cpu: 1 | 2 | 3 | 4;
  /** Names of the probe table of `kernel/features.ts`; a name it does not know is an error of the caller. */
  has(feature: string): boolean;
  readonly pageSize: number;
  readonly possibleCpus: number;
}

/** Members of a struct_ops that are no functions. */
export type StructOpsValues = Readonly<Record<string, string | number | bigint | boolean>>;

export interface CompileInput {
  /** Base name of the object. */
  readonly name: string;
  readonly license: string;
  readonly maps: Readonly<Record<string, MapDefinition>>;
  readonly globals: Readonly<Record<string, GlobalDefinition>>;
  /**
   * Layouts the kernel functions may name: `packet.at(0, EthernetHeader)`, `user(ptr, Timespec)`. BTF types need no
   * entry here, they are named by strings: `as(ptr, "tcp_sock")`.
   */
  readonly types: Readonly<Record<string, Layout<unknown>>>;
  /**
   * Subprograms. Their first parameter is the scope (destructured, as the second one of programs), the others are the
   * arguments of the call; their types come from the calls.
   */
  readonly functions: Readonly<Record<string, FunctionSource>>;
  readonly programs: readonly ProgramSource[];
  /** By struct: the members of kernel interfaces that are no functions, such as the name of a congestion control. */
  readonly structOps?: Readonly<Record<string, StructOpsValues>>;
  readonly facts: CompileFacts;
}

/** Name of the ring buffer (or perf event array) that `print` writes to; it is there only if a program prints. */
export const PRINT_MAP = "waggle_print";

/** Name of the ring buffer (or perf event array) that `exit` writes to; it is there only if a program calls it. */
export const EXIT_MAP = "waggle_exit";

/** What `exit` writes. */
export const EXIT_RECORD: Layout<unknown> = struct({ code: i32 }) as Layout<unknown>;

/** One `print(...)` in the source. A record is the id as a 32-bit word, padding to 8, then the values. */
export interface PrintFormat {
  readonly id: number;
  /** Text around the values: one more than there are values. */
  readonly strings: readonly string[];
  readonly values: readonly PrintValue[];
  /** Bytes of the whole record. */
  readonly size: number;
}

export interface PrintValue {
  /** Bytes from the start of the record. */
  readonly offset: number;
  readonly layout: Layout<unknown>;
}

export interface CompileOutput {
  readonly spec: ObjectSpec;
  readonly prints: readonly PrintFormat[];
  readonly warnings: readonly Diagnostic[];
}
