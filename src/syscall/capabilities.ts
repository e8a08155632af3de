/**
 * Which privileges the process has, read with capget(2), and what to say when one is missing. Nothing here throws: it
 * runs while an error is being reported.
 */
import { AT_FDCWD } from "../abi/defines.ts";
import { SYSCALLS } from "../abi/arch.ts";
import { runtime } from "./runtime/mod.ts";

/** Capability numbers of include/uapi/linux/capability.h, those that BPF needs. */
export const CAPABILITIES = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_MODULE: 16,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_SYSLOG: 34,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

/** The name of a capability. */
export type CapabilityName = keyof typeof CAPABILITIES;

const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
const PAGE = 4096;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** The effective capabilities as a bit set; undefined if capget(2) fails. */
export function effectiveCapabilities(): bigint | undefined {
  const rt = runtime();
  const nr = SYSCALLS[rt.arch];
  // Not the arena: memory.ts reports its errors through hints, and so through this file.
  const page = rt.syscall64(nr.mmap, 0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0) return undefined;
  try {
    const view = new DataView(rt.view(page, PAGE));
    view.setUint32(0, _LINUX_CAPABILITY_VERSION_3, true);
    if (rt.syscall(nr.capget, page, page + 8) < 0) return undefined;
    return BigInt(view.getUint32(8, true)) | (BigInt(view.getUint32(20, true)) << 32n);
  } finally {
    rt.syscall(nr.munmap, page, PAGE);
  }
}

/** The inode of the first user namespace (PROC_USER_INIT_INO of include/linux/proc_ns.h). */
const FIRST_USER_NAMESPACE = "user:[4026531837]";

/** Whether the process is in a user namespace of its own, whose capabilities count for nothing in bpf(2). */
export function inUserNamespace(): boolean {
  const rt = runtime();
  const nr = SYSCALLS[rt.arch];
  const page = rt.syscall64(nr.mmap, 0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0) return false;
  try {
    const bytes = new Uint8Array(rt.view(page, PAGE));
    bytes.set(new TextEncoder().encode("/proc/self/ns/user\0"));
    const target = 64;
    const length = rt.syscall(nr.readlinkat, AT_FDCWD, page, page + target, 64);
    if (length < 0) return false;
    return new TextDecoder().decode(bytes.slice(target, target + length)) !== FIRST_USER_NAMESPACE;
  } finally {
    rt.syscall(nr.munmap, page, PAGE);
  }
}

/**
 * Whether the process has a capability in effect. CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON, as it does in
 * the kernel, and did alone before Linux 5.8.
 */
export function hasCapability(name: CapabilityName): boolean {
  const set = effectiveCapabilities();
  if (set === undefined) return false;
  if ((set >> BigInt(CAPABILITIES[name])) & 1n) return true;
  return (name === "CAP_BPF" || name === "CAP_PERFMON") && ((set >> BigInt(CAPABILITIES.CAP_SYS_ADMIN)) & 1n) === 1n;
}

/** The hint for a refused call: which capability is missing, or, if none is, what else refuses. */
export function privilegeHint(name: CapabilityName, what: string): string | undefined {
  const set = effectiveCapabilities();
  if (set === undefined) return undefined;
  if (!hasCapability(name)) return `${what} needs ${name}: run as root, or with sudo`;
  if (inUserNamespace()) {
    return `the process is in a user namespace, where ${what} needs more than ${name}: a BPF token (Linux 6.9), or ${name} outside`;
  }
  if (name === "CAP_BPF") {
    return "the process has CAP_BPF, so a security module, lockdown or seccomp refused it, or the program's type needs CAP_NET_ADMIN or CAP_PERFMON";
  }
  return undefined;
}
