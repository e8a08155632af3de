/** Makes the values that stand for maps: the definition as data, with the map's types on both sides. */
import { BPF_F_NO_PREALLOC } from "../../abi/bpf.gen.ts";
import { toLayout } from "../../bytes/composites.ts";
import { ownedFields, ownedName } from "../../bytes/kernel_owned.ts";
import type { Layout, Schema } from "../../bytes/layout.ts";
import type { MapDefinition, MapKind } from "../../compiler/definitions.ts";

/** A map as the script declares it. `KernelFace` and `HostFace` are only types: nothing is stored for them. */
export interface MapKindDefinition<KernelFace, HostFace> extends MapDefinition {
  readonly kernelFace?: KernelFace;
  readonly hostFace?: HostFace;
}

/** What every kind takes besides its schemas. */
export interface MapOptions {
  /** Entries the map can hold. */
  maxEntries?: number;
  /** `BPF_F_*` flags of the map's creation, as the kernel numbers them. */
  flags?: number;
  /** Keep the map in /sys/fs/bpf under its name, and use it again from there. */
  pinned?: boolean;
}

/** Entries of a keyed map where the script says nothing. */
export const DEFAULT_ENTRIES = 10_240;

/** Kinds whose values may hold a field of the kernel's own (kernel/bpf/syscall.c, map_check_btf). */
const OWNERS: Readonly<Record<string, readonly MapKind[]>> = {
  bpf_spin_lock: ["hash", "array", "task_storage", "inode_storage", "sk_storage", "cgrp_storage"],
  bpf_timer: ["hash", "lru_hash", "array"],
};

/** Spin locks and timers belong into values of some kinds, one of each. */
function checkOwned(kind: MapKind, key: Layout<unknown> | undefined, value: Layout<unknown> | undefined): void {
  const inKey = key === undefined ? [] : ownedFields(key.desc);
  const inValue = value === undefined ? [] : ownedFields(value.desc);
  for (const name of [...inKey, ...inValue]) {
    const what = name === "bpf_timer" ? "a timer" : "a spin lock";
    if (inKey.includes(name)) throw new TypeError(`Cannot define a ${kind} map: its key has ${what}`);
    const owners = OWNERS[name]!;
    if (!owners.includes(kind)) {
      throw new TypeError(`Cannot define a ${kind} map: the kernel allows ${what} in ${owners.join(", ")} only`);
    }
    if (inValue.indexOf(name) !== inValue.lastIndexOf(name)) {
      throw new TypeError(`Cannot define a ${kind} map: its value has more than one ${name}`);
    }
    if (value!.desc.kind !== "struct" || !value!.desc.fields.some((field) => ownedName(field.layout.desc) === name)) {
      throw new TypeError(`Cannot define a ${kind} map: ${what} has to be a field of the value itself`);
    }
  }
}

/** The definition, checked and complete. */
export function defineMap(
  kind: MapKind,
  parts: Partial<Omit<MapDefinition, "kind">>,
  options: MapOptions = {},
): MapDefinition {
  const maxEntries = options.maxEntries ?? parts.maxEntries ?? DEFAULT_ENTRIES;
  if (!Number.isInteger(maxEntries) || maxEntries < 0 || maxEntries > 0xffff_ffff) {
    throw new RangeError(`Cannot define a ${kind} map: maxEntries ${maxEntries} is not a 32-bit number`);
  }
  checkOwned(kind, parts.key, parts.value);
  return {
    kind,
    key: parts.key,
    value: parts.value,
    maxEntries,
    flags: (options.flags ?? 0) | (parts.flags ?? 0),
    pinned: options.pinned ?? false,
    slots: parts.slots ?? [],
    linear: parts.linear,
  };
}

/** The layout of a schema the user wrote, without its static types. */
export function layoutOf(schema: Schema): Layout<unknown> {
  return toLayout(schema) as Layout<unknown>;
}

/** `entries`, or the reason why it cannot be a size. */
export function checkEntries(kind: string, entries: number): number {
  if (!Number.isInteger(entries) || entries < 1 || entries > 0xffff_ffff) {
    throw new RangeError(`Cannot define a ${kind}: ${entries} entries is not a positive 32-bit number`);
  }
  return entries;
}

/** Flag of maps that must not be allocated up front. */
export const NO_PREALLOC = BPF_F_NO_PREALLOC;
