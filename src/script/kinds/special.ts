/** Maps of kernel objects: stacks, programs, cgroups, devices, sockets; and storage tied to kernel objects. */
import { i32, u32 } from "../../bytes/scalars.ts";
import type { Host, Kernel, Layout, Schema } from "../../bytes/layout.ts";
import type {
  HostCgroupArray,
  HostCpuMap,
  HostDeviceMap,
  HostFdMap,
  HostProgArray,
  HostStackTraces,
  HostStorage,
} from "../host_maps.ts";
import type {
  KernelCgroupArray,
  KernelProgArray,
  KernelRedirectMap,
  KernelSocketMap,
  KernelStackTraces,
  KernelStorage,
} from "../kernel_maps.ts";
import type { KernelStruct } from "../kernel_types.ts";
import { checkEntries, defineMap, layoutOf, type MapKindDefinition, type MapOptions, NO_PREALLOC } from "./define.ts";

const U32 = u32 as Layout<unknown>;
const I32 = i32 as Layout<unknown>;

/** Stacks by id. */
export type StackTraceMap = MapKindDefinition<KernelStackTraces, HostStackTraces>;
/** Storage of tasks, inodes, sockets or cgroups; the script reaches it through a descriptor of the owner. */
export type StorageMap<Owner extends string, V> = MapKindDefinition<
  KernelStorage<KernelStruct<Owner>, Kernel<V>>,
  HostStorage<Host<V>>
>;

/**
 * Stack traces of kernel and user stacks: `stacks.kernel()` and `stacks.user()` give ids to use as keys.
 *
 * @example
 * ```ts
 * import { stackTraces } from "@waggle/waggle";
 *
 * const stacks = stackTraces();
 * ```
 */
export function stackTraces(options?: MapOptions): StackTraceMap {
  return defineMap("stack_trace", { key: U32 }, options);
}

/**
 * Programs to jump to, by index. Each is one of the script's own programs, by its key.
 *
 * @example
 * ```ts
 * import { progArray } from "@waggle/waggle";
 *
 * const parsers = progArray({ 0: "xdp:ipv4", 1: "xdp:ipv6" });
 * ```
 */
export function progArray(
  programs: Readonly<Record<number, string>>,
  options?: MapOptions,
): MapKindDefinition<KernelProgArray, HostProgArray> {
  const slots = Object.entries(programs).map(([index, program]) => ({ index: Number(index), program }));
  const maxEntries = Math.max(0, ...slots.map((slot) => slot.index)) + 1;
  return defineMap("prog_array", { key: U32, slots, maxEntries }, options);
}

/**
 * Cgroups to test the current task against; the script puts descriptors of their directories in.
 *
 * @example
 * ```ts
 * import { cgroupArray } from "@waggle/waggle";
 *
 * const wanted = cgroupArray(1);
 * ```
 */
export function cgroupArray(
  entries: number,
  options?: MapOptions,
): MapKindDefinition<KernelCgroupArray, HostCgroupArray> {
  return defineMap("cgroup_array", { key: U32, maxEntries: checkEntries("cgroupArray", entries) }, options);
}

/**
 * A value for each task. Linux 5.11.
 *
 * @example
 * ```ts
 * import { taskStorage, u64 } from "@waggle/waggle";
 *
 * const perThread = taskStorage({ started: u64 });
 * ```
 */
export function taskStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"task_struct", V> {
  return storage("task_storage", value, options);
}

/**
 * A value for each inode. Linux 5.10.
 *
 * @example
 * ```ts
 * import { inodeStorage, u64 } from "@waggle/waggle";
 *
 * const perFile = inodeStorage({ writes: u64 });
 * ```
 */
export function inodeStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"inode", V> {
  return storage("inode_storage", value, options);
}

/**
 * A value for each socket. Linux 5.2.
 *
 * @example
 * ```ts
 * import { skStorage, u64 } from "@waggle/waggle";
 *
 * const perSocket = skStorage({ opened: u64 });
 * ```
 */
export function skStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"sock", V> {
  return storage("sk_storage", value, options);
}

/**
 * A value for each cgroup. Linux 6.2.
 *
 * @example
 * ```ts
 * import { cgroupStorage, u64 } from "@waggle/waggle";
 *
 * const perCgroup = cgroupStorage({ packets: u64 });
 * ```
 */
export function cgroupStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"cgroup", V> {
  return storage("cgrp_storage", value, options);
}

function storage<V extends Schema>(
  kind: "task_storage" | "inode_storage" | "sk_storage" | "cgrp_storage",
  value: V,
  options: MapOptions | undefined,
) {
  return defineMap(kind, { key: I32, value: layoutOf(value), maxEntries: 0, flags: NO_PREALLOC }, options);
}

/**
 * Network devices to redirect packets to, by index; `hashed` keys them by any number.
 *
 * @example
 * ```ts
 * import { deviceMap } from "@waggle/waggle";
 *
 * const ports = deviceMap(16);
 * ```
 */
export function deviceMap(
  entries: number,
  options?: MapOptions & { hashed?: boolean },
): MapKindDefinition<KernelRedirectMap, HostDeviceMap> {
  const kind = options?.hashed === true ? "devmap_hash" : "devmap";
  return defineMap(kind, { key: U32, value: U32, maxEntries: checkEntries("deviceMap", entries) }, options);
}

/**
 * CPUs to redirect packets to; the value is the length of that CPU's queue.
 *
 * @example
 * ```ts
 * import { cpuMap } from "@waggle/waggle";
 *
 * const cpus = cpuMap(8);
 * ```
 */
export function cpuMap(entries: number, options?: MapOptions): MapKindDefinition<KernelRedirectMap, HostCpuMap> {
  return defineMap("cpumap", { key: U32, value: U32, maxEntries: checkEntries("cpuMap", entries) }, options);
}

/**
 * AF_XDP sockets to redirect packets to.
 *
 * @example
 * ```ts
 * import { xskMap } from "@waggle/waggle";
 *
 * const sockets = xskMap(4);
 * ```
 */
export function xskMap(entries: number, options?: MapOptions): MapKindDefinition<KernelRedirectMap, HostFdMap> {
  return defineMap("xskmap", { key: U32, value: U32, maxEntries: checkEntries("xskMap", entries) }, options);
}

/**
 * Sockets by index.
 *
 * @example
 * ```ts
 * import { sockMap } from "@waggle/waggle";
 *
 * const peers = sockMap(64);
 * ```
 */
export function sockMap(entries: number, options?: MapOptions): MapKindDefinition<KernelSocketMap<number>, HostFdMap> {
  return defineMap("sockmap", { key: U32, value: U32, maxEntries: checkEntries("sockMap", entries) }, options);
}

/**
 * Sockets by key.
 *
 * @example
 * ```ts
 * import { sockHash, u32 } from "@waggle/waggle";
 *
 * const peers = sockHash({ address: u32, port: u32 }, 1024);
 * ```
 */
export function sockHash<const K extends Schema>(
  key: K,
  entries: number,
  options?: MapOptions,
): MapKindDefinition<KernelSocketMap<Kernel<K>>, HostFdMap<Host<K>>> {
  const maxEntries = checkEntries("sockHash", entries);
  return defineMap("sockhash", { key: layoutOf(key), value: U32, maxEntries }, options);
}
