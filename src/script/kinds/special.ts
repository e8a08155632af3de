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

/** Stack traces of kernel and user stacks: `stacks.kernel()` and `stacks.user()` give ids to use as keys. */
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

/** Cgroups to test the current task against; the script puts descriptors of their directories in. */
export function cgroupArray(
  entries: number,
  options?: MapOptions,
): MapKindDefinition<KernelCgroupArray, HostCgroupArray> {
  return defineMap("cgroup_array", { key: U32, maxEntries: checkEntries("cgroupArray", entries) }, options);
}

/** A value for each task. Linux 5.11. */
export function taskStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"task_struct", V> {
  return storage("task_storage", value, options);
}

/** A value for each inode. Linux 5.10. */
export function inodeStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"inode", V> {
  return storage("inode_storage", value, options);
}

/** A value for each socket. Linux 5.2. */
export function skStorage<const V extends Schema>(value: V, options?: MapOptions): StorageMap<"sock", V> {
  return storage("sk_storage", value, options);
}

/** A value for each cgroup. Linux 6.2. */
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

/** Network devices to redirect packets to, by index; `hashed` keys them by any number. */
export function deviceMap(
  entries: number,
  options?: MapOptions & { hashed?: boolean },
): MapKindDefinition<KernelRedirectMap, HostDeviceMap> {
  const kind = options?.hashed === true ? "devmap_hash" : "devmap";
  return defineMap(kind, { key: U32, value: U32, maxEntries: checkEntries("deviceMap", entries) }, options);
}

/** CPUs to redirect packets to; the value is the length of that CPU's queue. */
export function cpuMap(entries: number, options?: MapOptions): MapKindDefinition<KernelRedirectMap, HostCpuMap> {
  return defineMap("cpumap", { key: U32, value: U32, maxEntries: checkEntries("cpuMap", entries) }, options);
}

/** AF_XDP sockets to redirect packets to. */
export function xskMap(entries: number, options?: MapOptions): MapKindDefinition<KernelRedirectMap, HostFdMap> {
  return defineMap("xskmap", { key: U32, value: U32, maxEntries: checkEntries("xskMap", entries) }, options);
}

/** Sockets by index. */
export function sockMap(entries: number, options?: MapOptions): MapKindDefinition<KernelSocketMap<number>, HostFdMap> {
  return defineMap("sockmap", { key: U32, value: U32, maxEntries: checkEntries("sockMap", entries) }, options);
}

/** Sockets by key. */
export function sockHash<const K extends Schema>(
  key: K,
  entries: number,
  options?: MapOptions,
): MapKindDefinition<KernelSocketMap<Kernel<K>>, HostFdMap<Host<K>>> {
  const maxEntries = checkEntries("sockHash", entries);
  return defineMap("sockhash", { key: layoutOf(key), value: U32, maxEntries }, options);
}
