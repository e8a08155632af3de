/** BTF objects of the kernel: types of vmlinux and modules, and those that came with programs and maps. */
import { Btf } from "../btf/btf.ts";
import { btfInfo, fdById } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import { kernelBtf } from "./btf.ts";
import { eachObject, type ObjectRef, openObject } from "./object_ref.ts";

/** What the kernel tells of a BTF object. */
export interface BtfDetails {
  readonly id: number;
  /** `vmlinux`, a module's name, or empty for BTF that came with programs and maps. */
  readonly name: string;
  /** Whether it is the kernel's or a module's own. */
  readonly kernel: boolean;
  /** Bytes. */
  readonly size: number;
}

/** Every BTF object of the system. Needs CAP_SYS_ADMIN. */
export function listBtfs(): BtfDetails[] {
  return [...eachObject("btf", btfDetailsOf)];
}

/** One BTF object. Throws `NotFoundError` or `SyscallError` if it is not there. */
export function btfDetails(ref: ObjectRef): BtfDetails {
  using fd = openObject("btf", ref);
  return btfDetailsOf(fd);
}

function btfDetailsOf(fd: Fd): BtfDetails {
  const { id, name, kernel, size } = btfInfo(fd.number);
  return { id, name, kernel, size };
}

/**
 * The types of a BTF object; a module's continue those of vmlinux.
 *
 * @throws {SyscallError} if it is gone, or the process may not look (needs CAP_SYS_ADMIN)
 */
export function openBtf(id: number): Btf {
  using fd = fdById("btf", id);
  const { name, kernel } = btfInfo(fd.number);
  if (kernel && name === "vmlinux") return kernelBtf();
  const { data } = btfInfo(fd.number, { data: true });
  return Btf.parse(data!, { path: `BTF ${id}`, ...(kernel && { base: kernelBtf() }) });
}

/** BTF objects opened once each while a list is made; `undefined` for those that are gone or hidden. */
export class BtfCache {
  readonly #known = new Map<number, Btf | undefined>();

  get(id: number): Btf | undefined {
    if (id === 0) return undefined;
    if (!this.#known.has(id)) this.#known.set(id, tryOpen(id));
    return this.#known.get(id);
  }
}

function tryOpen(id: number): Btf | undefined {
  try {
    return openBtf(id);
  } catch {
    return undefined; // a name or a line of source is missing then, nothing else
  }
}
