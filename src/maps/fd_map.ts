/**
 * Maps whose values are other objects: written as a descriptor, read as the object's id. Program arrays, cgroup arrays,
 * XSK, socket and reuseport maps.
 */
import type { Codec } from "../bytes/codec.ts";
import { describeValue } from "../bytes/layout.ts";
import type { Fd } from "../syscall/fd.ts";
import { openFile } from "../syscall/files.ts";
import type { MapParams } from "./base.ts";
import { u32Codec } from "./codecs.ts";
import { BpfMap } from "./map.ts";

/** Something with a descriptor: a number, an `Fd`, a map, a program, a link. */
export type FdLike = number | { readonly fd: number } | { readonly number: number };

/** The descriptor's number. Throws `TypeError` for anything else. */
export function fdNumber(value: FdLike, path = "value"): number {
  const number = typeof value === "number"
    ? value
    : typeof value !== "object" || value === null
    ? undefined
    : "fd" in value
    ? value.fd
    : value.number;
  if (typeof number !== "number" || number >>> 0 !== number) {
    throw new TypeError(`Cannot encode ${path}: takes a file descriptor, not ${describeValue(value)}`);
  }
  return number;
}

/** Writes a descriptor, reads an id; 8 bytes wide in socket maps that give socket cookies back. */
function fdCodec(size: number): Codec<number> {
  return {
    size,
    align: size,
    read: (view, offset) => size === 8 ? Number(view.getBigUint64(offset, true)) : view.getUint32(offset, true),
    write(view, offset, value, path) {
      view.setUint32(offset, fdNumber(value, path), true);
      if (size === 8) view.setUint32(offset + 4, 0, true);
    },
  };
}

/** A map of descriptors: `set` takes one, `get` gives the id of the object (or a socket's cookie). */
export class FdMap<K = number> extends BpfMap<K, number> {
  constructor(fd: Fd, params: MapParams, keyCodec: Codec<K> = u32Codec as unknown as Codec<K>) {
    super(fd, params, keyCodec, fdCodec(params.valueSize));
  }

  /** Puts an object in. The map holds it; the descriptor may be closed after. */
  override set(key: K, value: FdLike): this {
    return super.set(key, fdNumber(value));
  }
}

/** BPF_MAP_TYPE_PROG_ARRAY: programs that others jump to with bpf_tail_call. Emptied when its last user closes it. */
export class ProgArray extends FdMap<number> {}

/** BPF_MAP_TYPE_CGROUP_ARRAY: cgroups for bpf_current_task_under_cgroup and bpf_skb_under_cgroup. */
export class CgroupArray extends FdMap<number> {
  /** Puts a cgroup in: its directory's path, or a descriptor of it. */
  override set(index: number, cgroup: FdLike | string): this {
    if (typeof cgroup !== "string") return super.set(index, cgroup);
    using directory = openFile(cgroup);
    return super.set(index, directory);
  }
}
