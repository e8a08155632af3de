/**
 * Which privileges the process has, read with capget(2), and what to say when one is missing. Nothing here throws: it
 * runs while an error is being reported.
 */
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../abi/defines.ts";
import { SYSCALLS } from "../abi/arch.ts";
import { type Runtime, runtime } from "./runtime/mod.ts";

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

const ownNamespace: WeakMap<Runtime, boolean> = new WeakMap();

/**
 * Whether the process is in a user namespace of its own, whose capabilities count for nothing in bpf(2). Asked once:
 * unshare(2) and setns(2) refuse another user namespace to a process with threads, and both runtimes have threads.
 */
export function inUserNamespace(): boolean {
  let known = ownNamespace.get(runtime());
  if (known === undefined) ownNamespace.set(runtime(), known = askUserNamespace());
  return known;
}

function askUserNamespace(): boolean {
  const target = onPage("/proc/self/ns/user", (rt, path, room) => {
    return rt.syscall(SYSCALLS[rt.arch].readlinkat, AT_FDCWD, path, room, ROOM);
  });
  return target !== undefined && target !== FIRST_USER_NAMESPACE;
}

/** kernel.perf_event_paranoid; undefined if it cannot be read. */
export function perfEventParanoid(): number | undefined {
  const text = onPage("/proc/sys/kernel/perf_event_paranoid", (rt, path, room) => {
    const nr = SYSCALLS[rt.arch];
    const fd = rt.syscall(nr.openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    const count = rt.syscall(nr.read, fd, room, ROOM);
    rt.syscall(nr.close, fd);
    return count;
  });
  return text === undefined ? undefined : Number(text);
}

const ROOM = 64;

/** The text that a call writes to memory, given a path there. Not by files.ts, for the same reason. */
function onPage(path: string, fill: (rt: Runtime, path: number, room: number) => number): string | undefined {
  const rt = runtime();
  const nr = SYSCALLS[rt.arch];
  const page = rt.syscall64(nr.mmap, 0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0) return undefined;
  try {
    const bytes = new Uint8Array(rt.view(page, PAGE));
    bytes.set(new TextEncoder().encode(`${path}\0`));
    const count = fill(rt, page, page + PAGE - ROOM);
    return count < 0 ? undefined : new TextDecoder().decode(bytes.slice(PAGE - ROOM, PAGE - ROOM + count));
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
  const paranoid = name === "CAP_PERFMON" ? perfEventParanoid() : undefined;
  if (paranoid !== undefined && paranoid > 2 && !hasCapability("CAP_SYS_ADMIN")) {
    // Not in Linux itself: Debian and Ubuntu have the level 3 and above.
    return `kernel.perf_event_paranoid is ${paranoid}, at which this kernel wants CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2`;
  }
  if (inUserNamespace()) {
    return `the process is in a user namespace, where ${what} needs more than ${name}: a BPF token (Linux 6.9), or ${name} outside`;
  }
  if (name === "CAP_BPF") {
    return "the process has CAP_BPF, so a security module, lockdown or seccomp refused it, or the program's type needs CAP_NET_ADMIN or CAP_PERFMON";
  }
  return undefined;
}
