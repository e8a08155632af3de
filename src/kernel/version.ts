/**
 * The kernel's version as old kernels want to hear it: BPF_PROG_LOAD of kprobe programs compared it with
 * LINUX_VERSION_CODE until 5.0, and `LINUX_KERNEL_VERSION` externs show it to programs.
 */
import { tryReadText } from "../syscall/files.ts";
import { uname } from "../syscall/process.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";

/** A kernel version. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** `KERNEL_VERSION(major, minor, patch)`, the patch level capped at 255 as the kernel does. */
  readonly code: number;
  /** `6.1.55` */
  readonly text: string;
}

const versions: WeakMap<Runtime, KernelVersion> = new WeakMap();

/**
 * The running kernel's version. Distributions put their own number into the release: Ubuntu tells the kernel's in
 * /proc/version_signature, Debian in the version string (`Debian 5.10.46-4`).
 */
export function kernelVersion(): KernelVersion {
  const rt = runtime();
  let version = versions.get(rt);
  if (version === undefined) {
    const { release, version: build } = uname();
    version = parseKernelVersion({ release, build, signature: tryReadText("/proc/version_signature") });
    versions.set(rt, version);
  }
  return version;
}

/** Whether the running kernel is of that version (`5.11`) or newer. */
export function kernelIsSince(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return kernelVersion().code >= (major << 16) + (minor << 8);
}

/** The version from its sources; see `kernelVersion`. */
export function parseKernelVersion(
  from: { release: string; build: string; signature?: string | undefined },
): KernelVersion {
  const number = /(\d+)\.(\d+)\.(\d+)/;
  const found = /^\S+ \S+ (\d+)\.(\d+)\.(\d+)/.exec(from.signature ?? "") ??
    /Debian (\d+)\.(\d+)\.(\d+)/.exec(from.build) ??
    number.exec(from.release) ??
    /(\d+)\.(\d+)()/.exec(from.release);
  const [major, minor, patch] = [1, 2, 3].map((i) => Number(found?.[i] ?? 0)) as [number, number, number];
  const code = (major << 16) + (minor << 8) + Math.min(patch, 255);
  return { major, minor, patch, code, text: `${major}.${minor}.${patch}` };
}
