/** Makes the values that stand for maps: the definition as data, with the map's types on both sides. */
import { BPF_F_NO_PREALLOC } from "../../abi/bpf.gen.ts";
import { toLayout } from "../../bytes/composites.ts";
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
