/** A map of a loaded object: the descriptor, and what it was made from. `src/maps` gives it types and methods. */
import type { MapSpec } from "../object/spec.ts";
import type { Fd } from "../syscall/fd.ts";
import type { Mapping } from "../syscall/memory.ts";

/** A created, reused or pinned map. */
export interface LoadedMap {
  /** As in the object: the variable, or the section of a data map. */
  readonly name: string;
  /** The name the kernel knows it by, cut to 15 bytes. */
  readonly kernelName: string;
  /** The object's definition with the caller's sizes and flags. */
  readonly spec: MapSpec;
  readonly fd: Fd;
  /** Whether it existed before. */
  readonly reused: boolean;
  /** Where it is pinned, if this load pinned or found it. */
  readonly pinPath: string | undefined;
  /** Contents a data map was created with; undefined for zeros and for other maps. */
  readonly data: Uint8Array | undefined;
  /** An arena's memory in this process. */
  readonly arena: Mapping | undefined;
}

/** As many bytes as the kernel keeps of a name. */
const NAME_BYTES = 15;

/** The kernel takes letters, digits, underscores and dots. */
export function kernelName(name: string): string {
  return name.slice(0, NAME_BYTES).replace(/[^A-Za-z0-9_.]/g, "_");
}

/**
 * Name of a data map: `opensnoo.rodata`. The section keeps at least 7 bytes, the object's name gets the rest; sections
 * with a second dot (`.data.custom`) come without it. As libbpf names them, so that tools find them.
 */
export function dataMapName(object: string, section: string): string {
  if (section.indexOf(".", 1) > 0) return kernelName(section);
  const suffix = Math.min(NAME_BYTES, Math.max(7, section.length));
  return kernelName(object.slice(0, NAME_BYTES - suffix) + section);
}
