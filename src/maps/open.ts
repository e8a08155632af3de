/** Opens maps that exist already: by pin, by id, by name, from a descriptor. */
import { ENOENT } from "../abi/errno.gen.ts";
import { NotFoundError, SyscallError, WaggleError } from "../errors.ts";
import { fdById, mapInfo, objectIds, objGet } from "../syscall/bpf.ts";
import { dupFd, type Fd } from "../syscall/fd.ts";
import type { MapBase } from "./base.ts";
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
}

/**
 * Opens a map. Throws `NotFoundError` for a name that no map has, `SyscallError` for a pin or id that is not there.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * using counts = openMap({ path: "/sys/fs/bpf/counts" }, { key: u32, value: u64 });
 * ```
 */
export function openMap(ref: MapRef, options: OpenOptions = {}): MapBase {
  const fd = openRef(ref, options.flags ?? 0);
  try {
    return wrapMap(fd, paramsOf(fd), options);
  } catch (error) {
    fd.close();
    throw error;
  }
}

function openRef(ref: MapRef, flags: number): Fd {
  if ("path" in ref) return objGet(ref.path, { flags });
  if ("id" in ref) return fdById("map", ref.id, flags);
  if ("fd" in ref) return dupFd(ref.fd);
  if ("name" in ref) return openByName(ref.name, flags);
  throw new TypeError("Cannot open a map: give its path, id, name or fd");
}

function openByName(name: string, flags: number): Fd {
  const names: string[] = [];
  const found: number[] = [];
  const kept = new TextDecoder().decode(new TextEncoder().encode(name).subarray(0, 15));
  for (const id of objectIds("map")) {
    const map = tryName(id);
    if (map === undefined) continue;
    names.push(map);
    if (map === kept) found.push(id);
  }
  if (found.length === 1) return fdById("map", found[0]!, flags);
  if (found.length === 0) throw new NotFoundError("map", name, names);
  throw new WaggleError(`Cannot open map "${name}": ${found.length} maps have this name`, {
    hint: `open one by id: ${found.join(", ")}`,
  });
}

/** The name of a map, or undefined if it is gone meanwhile. */
function tryName(id: number): string | undefined {
  try {
    using fd = fdById("map", id);
    return mapInfo(fd.number).name;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined;
    throw error;
  }
}
