/**
 * The kernel's own types: BTF of vmlinux, and of modules on top of it. Found once, mapped rather than read where the
 * kernel allows it, parsed as far as anyone asks. The paths are those libbpf looks at.
 */
import { NotSupportedError, SyscallError } from "../errors.ts";
import { ENOENT } from "../abi/errno.gen.ts";
import { Btf } from "../btf/btf.ts";
import { isElf, readElf } from "../object/elf.ts";
import { btfInfo, fdById, objectIds } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import { exists, mapFile, readFile } from "../syscall/files.ts";
import { uname } from "../syscall/process.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";

/** BTF of a kernel module. */
export interface ModuleBtf {
  readonly name: string;
  /** Id of the BTF object in the kernel. */
  readonly id: number;
  /** Its types; those of vmlinux are its base. */
  readonly btf: Btf;
}

interface KernelTypes {
  vmlinux: Btf | undefined;
  modules: ModuleBtf[] | undefined;
}

const known: WeakMap<Runtime, KernelTypes> = new WeakMap();

const VMLINUX_PATHS: readonly string[] = [
  "/sys/kernel/btf/vmlinux",
  "/boot/vmlinux-%s",
  "/lib/modules/%s/vmlinux-%s",
  "/lib/modules/%s/build/vmlinux",
  "/usr/lib/modules/%s/kernel/vmlinux",
  "/usr/lib/debug/boot/vmlinux-%s",
  "/usr/lib/debug/boot/vmlinux-%s.debug",
  "/usr/lib/debug/lib/modules/%s/vmlinux",
];

/** Types of the running kernel, or undefined if it has none. */
export function tryKernelBtf(): Btf | undefined {
  const rt = runtime();
  let types = known.get(rt);
  if (types === undefined) known.set(rt, types = { vmlinux: findVmlinux(), modules: undefined });
  return types.vmlinux;
}

/**
 * Types of the running kernel.
 *
 * @throws {NotSupportedError} if the kernel has none
 */
export function kernelBtf(): Btf {
  const btf = tryKernelBtf();
  if (btf !== undefined) return btf;
  throw new NotSupportedError("BTF of the running kernel", {
    message: "Cannot find the types (BTF) of the running kernel",
    hint: "the kernel needs CONFIG_DEBUG_INFO_BTF=y; for CO-RE alone, pass its BTF with the option targetBtf",
  });
}

/**
 * Types of the loaded modules, each with the types of vmlinux as base; empty where the kernel shows none (before 5.11)
 * or the process may not look.
 */
export function moduleBtfs(): readonly ModuleBtf[] {
  const base = tryKernelBtf();
  if (base === undefined) return [];
  const types = known.get(runtime())!;
  return types.modules ??= listModules(base);
}

/** An fd of a kernel BTF object, as fd arrays and attach targets want it. The caller closes it. */
export function openModuleBtf(module: ModuleBtf): Fd {
  return fdById("btf", module.id);
}

/** BTF from a file: raw, or the `.BTF` section of an ELF file. */
export function parseBtfFile(bytes: Uint8Array, path: string): Btf {
  if (!isElf(bytes)) return Btf.parse(bytes, { path });
  const section = readElf(bytes, path).section(".BTF");
  if (section === undefined) {
    throw new NotSupportedError("BTF", { message: `Cannot read BTF of "${path}": it has no section .BTF` });
  }
  return Btf.parse(section.bytes, { path: section.path });
}

function findVmlinux(): Btf | undefined {
  const release = uname().release;
  for (const pattern of VMLINUX_PATHS) {
    const path = pattern.replaceAll("%s", release);
    if (!exists(path)) continue;
    // The mapping lives as long as the process: types decoded later still read from it.
    const bytes = mapFile(path).bytes;
    if (isElf(bytes) && readElf(bytes, path).section(".BTF") === undefined) continue;
    return parseBtfFile(bytes, path);
  }
  return undefined;
}

function listModules(base: Btf): ModuleBtf[] {
  const modules: ModuleBtf[] = [];
  try {
    for (const id of objectIds("btf")) {
      const module = openModule(base, id);
      if (module !== undefined) modules.push(module);
    }
  } catch (error) {
    // Kernels before 5.11 and processes without CAP_SYS_ADMIN cannot list them.
    if (!(error instanceof SyscallError)) throw error;
  }
  return modules;
}

function openModule(base: Btf, id: number): ModuleBtf | undefined {
  try {
    using fd = fdById("btf", id);
    const info = btfInfo(fd.number);
    if (!info.kernel || info.name === "vmlinux" || info.name === "") return undefined;
    return new LazyModule(base, id, info.name);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined; // unloaded meanwhile
    throw error;
  }
}

class LazyModule implements ModuleBtf {
  readonly id: number;
  readonly name: string;
  readonly #base: Btf;
  #btf: Btf | undefined;

  constructor(base: Btf, id: number, name: string) {
    this.#base = base;
    this.id = id;
    this.name = name;
  }

  get btf(): Btf {
    return this.#btf ??= Btf.parse(this.#read(), { base: this.#base, path: `module ${this.name}` });
  }

  #read(): Uint8Array {
    const path = `/sys/kernel/btf/${this.name}`;
    if (exists(path)) return readFile(path);
    using fd = fdById("btf", this.id);
    return btfInfo(fd.number, { data: true }).data!;
  }
}
