/**
 * Pins: names of BPF objects in a bpf file system, which keep them alive without a process. Directories below the file
 * system are made; the file system itself is mounted on request only.
 */
import { BPF_FS_MAGIC } from "../abi/defines.ts";
import { ENOENT } from "../abi/errno.gen.ts";
import { SyscallError, WaggleError } from "../errors.ts";
import { objPin } from "./bpf_object.ts";
import { exists, mkdir, unlink } from "./files.ts";
import { fileSystemMagic, mount } from "./process.ts";

/** Where bpf file systems are mounted by systemd and bpftool. */
export const BPFFS = "/sys/fs/bpf";

/** Options of `pinObject`. */
export interface PinOptions {
  /** Mount a bpf file system at /sys/fs/bpf if none is there. */
  readonly mount?: boolean;
}

/** Pins a descriptor's object at a path below a bpf file system. Throws `SyscallError`, EEXIST if the path is taken. */
export function pinObject(fd: number, path: string, options: PinOptions = {}): void {
  if (options.mount) mountBpffs();
  checkBpffs(path);
  const directory = path.replace(/\/+[^/]*$/, "");
  if (directory !== "" && !exists(directory)) mkdir(directory, { recursive: true, mode: 0o700 });
  objPin(fd, path);
}

/** Removes a pin; false if there was none. The object lives on while something holds it. */
export function unpinObject(path: string): boolean {
  try {
    unlink(path);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return false;
    throw error;
  }
}

/** Mounts a bpf file system at /sys/fs/bpf unless one is there. */
export function mountBpffs(target: string = BPFFS): void {
  if (fileSystemMagic(target) === BPF_FS_MAGIC) return;
  if (!exists(target)) mkdir(target, { recursive: true });
  mount("bpf", target, "bpf");
}

/** Throws unless the nearest existing directory of a path is in a bpf file system. */
function checkBpffs(path: string): void {
  let directory = path;
  do {
    directory = directory.replace(/\/+[^/]*$/, "") || (path.startsWith("/") ? "/" : ".");
    const magic = fileSystemMagic(directory);
    if (magic === BPF_FS_MAGIC) return;
    if (magic !== undefined) break;
  } while (directory !== "/" && directory !== ".");
  throw new WaggleError(`Cannot pin to "${path}": "${directory}" is not in a bpf file system`, {
    hint: `mount one: mount -t bpf bpf ${BPFFS}`,
  });
}
