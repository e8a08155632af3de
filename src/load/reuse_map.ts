/** Maps that exist already: found by descriptor or by pin, and only used if they are what the object expects. */
import { BPF_F_RDONLY_PROG, bpf_map_type, BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH } from "../abi/bpf.gen.ts";
import { ENOENT } from "../abi/errno.gen.ts";
import { SyscallError, WaggleError } from "../errors.ts";
import type { MapSpec } from "../object/spec.ts";
import { mapInfo, objGet } from "../syscall/bpf_object.ts";
import { dupFd, type Fd } from "../syscall/fd.ts";
import { type FdLike, fdNumber } from "./options.ts";

/** The map pinned at `path`; undefined if nothing is pinned there. Throws if it is another kind of map. */
export function openPinned(spec: MapSpec, path: string): Fd | undefined {
  let fd: Fd;
  try {
    fd = objGet(path);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined;
    throw error;
  }
  return checked(spec, fd, `the map pinned at "${path}"`);
}

/** Another descriptor of a map given by pin path or descriptor. */
export function openReused(spec: MapSpec, reuse: string | FdLike): Fd {
  if (typeof reuse !== "string") return checked(spec, dupFd(fdNumber(reuse)), "the given map");
  return checked(spec, objGet(reuse), `the map pinned at "${reuse}"`);
}

function checked(spec: MapSpec, fd: Fd, what: string): Fd {
  try {
    const problem = incompatibility(spec, fd.number);
    if (problem === undefined) return fd;
    throw new WaggleError(`Cannot use ${what} as map "${spec.name}": ${problem}`, {
      hint: "remove the old map (or its pin) first, or give this one another name or pin path",
    });
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** What differs between a map of the kernel and what the object says of it; undefined if nothing does. */
export function incompatibility(spec: MapSpec, fd: number): string | undefined {
  const info = mapInfo(fd);
  // The kernel adds this flag to device maps itself.
  const devmap = spec.type === BPF_MAP_TYPE_DEVMAP || spec.type === BPF_MAP_TYPE_DEVMAP_HASH;
  const flags = devmap ? info.map_flags & ~BPF_F_RDONLY_PROG : info.map_flags;
  const wanted = devmap ? spec.flags & ~BPF_F_RDONLY_PROG : spec.flags;
  const pairs: [string, string | number | bigint, string | number | bigint][] = [
    ["type", typeName(info.type), typeName(spec.type)],
    ["key size", info.key_size, spec.keySize],
    ["value size", info.value_size, spec.valueSize],
    ["max_entries", info.max_entries, spec.maxEntries],
    ["flags", flags, wanted],
    ["map_extra", info.map_extra, spec.mapExtra],
  ];
  const differing = pairs.filter(([, has, needs]) => has !== needs);
  return differing.length === 0
    ? undefined
    : differing.map(([name, has, needs]) => `its ${name} is ${has}, not ${needs}`).join(", ");
}

function typeName(type: number): string {
  return bpf_map_type[type]?.replace("BPF_MAP_TYPE_", "").toLowerCase() ?? `${type}`;
}
