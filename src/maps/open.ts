/** Opens maps that exist already: by pin, by id, by name, from a descriptor. */
import { openObject } from "../kernel/object_ref.ts";
import type { MapBase } from "./base.ts";
import { btfCodecs } from "./btf_codecs.ts";
import { type MapCodecs, paramsOf, wrapMap } from "./wrap.ts";

/** Which map: exactly one of these. */
export type MapRef =
  /** A pin in a bpf file system. */
  | { readonly path: string }
  /** The kernel's id. */
  | { readonly id: number }
  /** The name; the kernel keeps 15 bytes of it. There must be only one such map. */
  | { readonly name: string }
  /** A descriptor that stays the caller's. */
  | { readonly fd: number };

/** Options of `openMap`. */
export interface OpenOptions extends MapCodecs {
  /** BPF_F_RDONLY or BPF_F_WRONLY, for a handle that cannot write or read; not by descriptor. */
  readonly flags?: number;
  /**
   * Whether keys and values without a schema are decoded by the BTF that the kernel keeps with the map; true unless
   * given. Without it they are bytes.
   */
  readonly types?: boolean;
}

/**
 * Opens a map, of this process or any other. Throws `NotFoundError` for a name that no map has, `SyscallError` for a
 * pin or id that is not there.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * using counts = openMap({ path: "/sys/fs/bpf/counts" }, { key: u32, value: u64 });
 * ```
 */
export function openMap(ref: MapRef, options: OpenOptions = {}): MapBase {
  const fd = openObject("map", ref, options.flags ?? 0);
  try {
    const { flags: _flags, types = true, ...given } = options;
    const known = types && (given.key === undefined || given.value === undefined) ? btfCodecs(fd) : {};
    const codecs = { ...given, key: given.key ?? known.key, value: given.value ?? known.value };
    return wrapMap(fd, paramsOf(fd), codecs);
  } catch (error) {
    fd.close();
    throw error;
  }
}
