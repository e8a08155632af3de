/**
 * The scope: everything a kernel function can use besides its context, got by destructuring the second parameter. These
 * types are what the editor shows; the compiler's table of intrinsics has one row for each name here.
 */
import type { CONSTANTS } from "../abi/constants.ts";
import type { Kernel, Layout, Schema } from "../bytes/layout.ts";
import type { GlobalDefinition } from "../compiler/definitions.ts";
import type { Helpers, KnownKfuncs } from "./ctx/calls.gen.ts";
import type { MapKindDefinition } from "./kinds/define.ts";
import type { KernelPointer, KernelStruct, StructName, UserPointer } from "./kernel_types.ts";

/** Integers, booleans and pointers that `print` and comparisons take. */
export type Printable = number | string | boolean | Uint8Array | undefined;

/** A layout as a kernel function names it: only something to hand to `packet.at`, `user`, `as` and `sizeof`. */
export interface KernelType<V> {
  readonly kernelType: V;
}

/** What kind of memory a type argument describes: one of `types`, or the name of a kernel struct. */
type Named<T> = T extends KernelType<infer V> ? V : T extends string ? KernelStruct<T> : never;
type TypeArgument = KernelType<unknown> | StructName;

/** Who and where: facts about the moment the program runs in. */
export interface PlaceBuiltins {
  /** Process id of the current task (the kernel's `tgid`), in the initial pid namespace. */
  pid(): number;
  /** Thread id of the current task (the kernel's `pid`), in the initial pid namespace. */
  tid(): number;
  /** Process id of the current task's parent. */
  ppid(): number;
  /** Real user id of the current task. */
  uid(): number;
  /** Real group id of the current task. */
  gid(): number;
  /** Name of the current task: at most 15 bytes, as in `/proc/<pid>/comm`. */
  comm(): string;
  /** The current task. Fields are read directly; `task().real_parent.tgid` follows pointers safely. */
  task(): KernelStruct<"task_struct">;
  /** Id of the current task's cgroup (v2): the inode number of its directory. */
  cgroupId(): number;
  /** The CPU this runs on, from 0. */
  cpu(): number;
  /** The NUMA node this runs on. */
  numaNode(): number;
  /** Nanoseconds since boot, without time asleep (`CLOCK_MONOTONIC`). */
  nsecs(): number;
  /** Nanoseconds since boot, with time asleep (`CLOCK_BOOTTIME`). Linux 5.8. */
  bootNsecs(): number;
  /** Nanoseconds of the atomic clock (`CLOCK_TAI`). Linux 6.1. */
  taiNsecs(): number;
  /** Ticks of the kernel's timer. Linux 5.5. */
  jiffies(): number;
  /** Nanoseconds since boot as of the last timer tick: cheaper than `nsecs`, not in tracing programs. Linux 5.11. */
  coarseNsecs(): number;
  /** Process id as the current task's own pid namespace counts: what `getpid()` gives in a container. */
  nsPid(): number;
  /** Thread id as the current task's own pid namespace counts. */
  nsTid(): number;
  /** Id of the current task's cgroup at `level`: 0 is the root. Linux 5.7. */
  ancestorCgroupId(level: number): number;
  /** Whether the CPU was running user code (kprobe, uprobe, perf events). */
  userMode(): boolean;
  /** A register by its name on this machine: `register("ip")`, `register("x0")` (kprobe, uprobe, perf events). */
  register(name: string): number;
  /** A random 32-bit number, not for cryptography. */
  random(): number;
  /** Address of the traced function (kprobe, fentry, uprobe). Linux 5.15. */
  funcAddress(): number;
}

/** What the kernel's iterators go over. */
export interface IteratorItems {
  /** Processes; with flags 1 all threads, 2 the threads of the task given. */
  task: KernelStruct<"task_struct">;
  /** Mappings of a task's memory. */
  task_vma: KernelStruct<"vm_area_struct">;
  css: KernelStruct<"cgroup_subsys_state">;
  css_task: KernelStruct<"task_struct">;
  kmem_cache: KernelStruct<"kmem_cache">;
}

/** Reading memory that is not the program's own. */
export interface MemoryBuiltins {
  /**
   * A NUL-terminated string in the memory of the current process; empty if it cannot be read. As long as fits where it
   * goes; `length` bytes with NUL, 64 unless given, where it is kept in a variable.
   */
  userString(address: UserPointer, length?: number): string;
  /** A NUL-terminated string in kernel memory; see `userString`. */
  kernelString(address: number, length?: number): string;
  /** A struct in the memory of the current process, by one of `types` or by the name of a kernel struct. */
  user<const T extends TypeArgument>(address: UserPointer, type: T): Named<T>;
  /** The same address, read as a kernel struct or as one of `types`: a cast. */
  as<const T extends TypeArgument>(address: number, type: T): Named<T>;
  /** The struct that `address` is the `member` of. */
  containerOf<const T extends StructName>(address: number, type: T, member: string): KernelStruct<T>;
  /** Whether the running kernel's struct has this field: `exists(task().on_cpu)`. The argument is not read. */
  exists(field: unknown): boolean;
  /** Size in bytes of a type, a field or a value on the running kernel. */
  sizeof(what: unknown): number;
  /** Offset in bytes of a field: `offsetof("task_struct", "pid")`. */
  offsetof<const T extends StructName>(type: T, field: string): number;
  /** Value of an enumerator on the running kernel: `enumValue("pid_type", "PIDTYPE_TGID")`. */
  enumValue(type: string, name: string): number;
  /**
   * Return addresses of the kernel, innermost first, zeros behind the last one: for fields of `array(u64, n)`.
   * `skip` frames are left out.
   */
  kernelStack(skip?: number): number[];
  /** Return addresses of the current process, innermost first, zeros behind the last one: for `array(u64, n)`. */
  userStack(skip?: number): number[];
  /** Bytes in the memory of the current process: `length` of them, at most as many as fit where they go; then zeros. */
  userBytes(address: UserPointer, length?: number): Uint8Array;
  /** Bytes in kernel memory: `length` of them, at most as many as fit where they go; then zeros. */
  kernelBytes(address: number, length?: number): Uint8Array;
  /** Address of a symbol of the kernel, looked up in /proc/kallsyms when the object is loaded. */
  symbolAddress(name: string): number;
  /**
   * A per-CPU variable of the kernel: `perCpu("runqueues").nr_running` is this CPU's. With `cpu` that of another one, or
   * `undefined` if there is no such CPU. Linux 5.10.
   */
  perCpu<C extends number | undefined = undefined>(
    name: string,
    cpu?: C,
  ): C extends number ? KernelPointer | undefined : KernelPointer;
  /**
   * Objects of the kernel, for `for…of`: `for (const task of iterate("task"))`. What follows the kind is what
   * `bpf_iter_<kind>_new` takes; what is left out is 0. Linux 6.7.
   */
  iterate<const N extends keyof IteratorItems | (string & Record<never, never>)>(
    kind: N,
    ...args: number[]
  ): Iterable<N extends keyof IteratorItems ? IteratorItems[N] : KernelPointer>;
  /** Whether what a kernel function gave as a pointer is a negative errno. */
  isError(pointer: number): boolean;
  /** The path of a file, for the hooks where the kernel allows it (`bpf_d_path`). Linux 5.10. */
  pathOf(path: number): string;
}

/** Numbers: casts, byte order, arithmetic. */
export interface NumberBuiltins {
  /** The low 8 bits, unsigned. */
  u8(value: number | boolean): number;
  /** The low 16 bits, unsigned. */
  u16(value: number | boolean): number;
  /** The low 32 bits, unsigned. */
  u32(value: number | boolean): number;
  /** The same 64 bits, compared, divided and shifted as unsigned. */
  u64(value: number | boolean): number;
  /** The low 8 bits, signed. */
  i8(value: number | boolean): number;
  /** The low 16 bits, signed. */
  i16(value: number | boolean): number;
  /** The low 32 bits, signed. */
  i32(value: number | boolean): number;
  /** The same 64 bits, compared, divided and shifted as signed. */
  i64(value: number | boolean): number;
  /** 16 bits from network byte order. */
  ntohs(value: number): number;
  /** 32 bits from network byte order. */
  ntohl(value: number): number;
  /** 64 bits from network byte order. */
  ntohll(value: number): number;
  /** 16 bits to network byte order. */
  htons(value: number): number;
  /** 32 bits to network byte order. */
  htonl(value: number): number;
  /** 64 bits to network byte order. */
  htonll(value: number): number;
  /** An IPv4 address in network byte order, as the kernel keeps it in a number: `skc_daddr === ipv4("10.0.0.1")`. */
  ipv4(text: string): number;
  /** An IPv6 address, as bytes. */
  ipv6(text: string): Uint8Array;
  /** The smaller one. */
  min(a: number, b: number): number;
  /** The larger one. */
  max(a: number, b: number): number;
  /** Without its sign. */
  abs(value: number): number;
  /** Position of the highest bit that is set: 0 for 1, 10 for 1024; 0 for 0. */
  log2(value: number): number;
  /** `from`, `from + 1`, … up to but not including `to`: for `for…of`. With one argument it starts at 0. */
  range(from: number, to?: number): Iterable<number>;
}

/** Names of signals. */
export type SignalName = Extract<keyof typeof CONSTANTS, `SIG${string}`>;

/** Effects. */
export interface EffectBuiltins {
  /**
   * Prints a line in the script: a template literal, or values separated by spaces. It is formatted by the script, later,
   * in order for each CPU.
   */
  print(...values: Printable[]): void;
  /**
   * Runs `body` while the value's `spinLock` is held, so that others see its fields change together. Nothing can be
   * called in it; a `return` only leaves it. Linux 5.1.
   */
  lock(value: object, body: () => void): void;
  /** Asks the script to end: aborts `tracer.exited` there, with `code` (default 0). The program itself goes on. */
  exit(code?: number): void;
  /** Sends a signal, `"SIGTERM"` or its number, to the current process. Returns 0 or a negative errno. Linux 5.3. */
  signal(signal: number | SignalName): number;
  /** Sends a signal to the current thread. Returns 0 or a negative errno. Linux 5.5. */
  signalThread(signal: number | SignalName): number;
  /** Makes the traced function return `value` at once (kprobe, where the kernel allows error injection). */
  override(value: number): number;
  /** Writes a value into the memory of the current process. Returns 0 or a negative errno. */
  writeUser(address: UserPointer, value: number | string | object): number;
}

/** The packet of XDP, traffic control and socket programs. Every access is checked against its end. */
export interface Packet {
  /** Length in bytes, as far as it lies in linear memory. */
  readonly length: number;
  /** The header at `offset` bytes, or `undefined` if the packet is too short. Writing to fields changes the packet. */
  at<const T extends TypeArgument>(offset: number, type: T): Named<T> | undefined;
  /**
   * The packet's bytes from `offset` (default 0) on: as many as there are, at most as many as fit where they go; then
   * zeros. XDP: Linux 5.18.
   */
  bytes(offset?: number): Uint8Array;
  /** The byte at `offset`, or `undefined` outside the packet. */
  u8(offset: number): number | undefined;
  /** Two bytes at `offset` in network byte order, or `undefined` outside the packet. */
  u16(offset: number): number | undefined;
  /** Four bytes at `offset` in network byte order, or `undefined` outside the packet. */
  u32(offset: number): number | undefined;
}

/** What only some kinds of programs have. */
export interface PacketBuiltins {
  /** The packet this program looks at (xdp, tc, tcx, netkit, socket, cgroup_skb, sk_skb, …). */
  readonly packet: Packet;
}

/** Kernel functions open to programs (kfuncs), by name; which ones depends on the kernel and on the hook. */
export type Kfuncs = KnownKfuncs & {
  readonly [name: string]: (...args: (number | string | object)[]) => KernelPointer | void;
};

/** Constants of the kernel's headers: verdicts, protocols, address families, TCP states, signals, errno, flags. */
export type Constants = { readonly [K in keyof typeof CONSTANTS]: number };

/** Everything that is there without being declared. BPF helpers are there by their own names, for what is not covered. */
export interface Builtins
  extends PlaceBuiltins, MemoryBuiltins, NumberBuiltins, EffectBuiltins, PacketBuiltins, Constants, Helpers {
  /** Kernel functions open to programs, by name: `kfunc.bpf_task_from_pid(pid)`. */
  readonly kfunc: Kfuncs;
  /** The program's own key: `tracepoint:syscalls:sys_enter_openat`. A constant. */
  readonly probe: string;
}

/** The kernel side of the script's maps. */
export type KernelMaps<M> = {
  readonly [K in keyof M]: M[K] extends MapKindDefinition<infer Face, unknown> ? Face : never;
};

/** A global as it is written: a schema, or `global(...)` and `constant(...)` with a value. */
export interface GlobalKind<H, K> extends GlobalDefinition {
  readonly hostType?: H;
  readonly kernelType?: K;
}

/** The kernel side of the script's globals. Assigning to one writes the variable; `+=` and `++` are atomic. */
export type KernelGlobals<G> = {
  -readonly [K in keyof G]: G[K] extends GlobalKind<unknown, infer V> ? V : G[K] extends Schema ? Kernel<G[K]> : never;
};

/** The script's own layouts, as arguments. */
export type KernelTypes<T> = {
  readonly [K in keyof T]: KernelType<T[K] extends Layout<unknown, infer V> ? V : Kernel<T[K]>>;
};

/** The script's own functions, called with their arguments. */
export type KernelFunctions<A> = {
  readonly [K in keyof A]: A[K] extends readonly unknown[] ? (...args: A[K]) => number : never;
};

/** The second parameter of a kernel function. */
export type Scope<M, G, T, A> =
  & KernelMaps<M>
  & KernelGlobals<G>
  & KernelTypes<T>
  & KernelFunctions<A>
  & Builtins
  & Helpers;
