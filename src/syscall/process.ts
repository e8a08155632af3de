/** The process and the system it runs on: ids, uname, limits, CPUs, mounts, tokens of other processes. */
import {
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  RLIMIT_MEMLOCK,
} from "../abi/defines.ts";
import { Fd } from "./fd.ts";
import { call, check } from "./libc.ts";
import { arena } from "./memory.ts";

const decoder = new TextDecoder();

/** The process id. */
export function getpid(): number {
  return call("getpid");
}

/** The thread id of the calling (JavaScript) thread. */
export function gettid(): number {
  return call("gettid");
}

/** The effective user id; 0 is root. */
export function geteuid(): number {
  return call("geteuid");
}

/** uname(2). */
export interface Uname {
  readonly sysname: string;
  readonly nodename: string;
  /** The kernel's release, for example `6.18.44`. */
  readonly release: string;
  readonly version: string;
  readonly machine: string;
}

/** The system's names. */
export function uname(): Uname {
  using scope = arena().scope();
  const FIELD = 65;
  const room = scope.alloc(6 * FIELD);
  check(call("uname", room.address), "uname", "Cannot read the system's name");
  const field = (index: number): string => {
    const bytes = room.bytes.slice(index * FIELD, (index + 1) * FIELD);
    return decoder.decode(bytes.subarray(0, bytes.indexOf(0)));
  };
  return { sysname: field(0), nodename: field(1), release: field(2), version: field(3), machine: field(4) };
}

/** Lifts the limit on locked memory, which kernels before 5.11 count maps and programs against; false if refused. */
export function raiseMemlock(): boolean {
  using scope = arena().scope();
  const { address, view } = scope.alloc(16);
  view.setBigUint64(0, 0xffff_ffff_ffff_ffffn, true); // RLIM_INFINITY, current and maximum
  view.setBigUint64(8, 0xffff_ffff_ffff_ffffn, true);
  return call("prlimit64", 0, RLIMIT_MEMLOCK, address, 0) === 0;
}

/** pidfd_open(2) (5.3): a descriptor of a process, the key of task storage maps. */
export function pidfdOpen(pid: number): Fd {
  return new Fd(check(call("pidfd_open", pid, 0), "pidfd_open", `Cannot open process ${pid}`));
}

/** CLOCK_MONOTONIC in nanoseconds: the clock of bpf_ktime_get_ns(). */
export function monotonicNs(): bigint {
  return clock(1);
}

/** CLOCK_BOOTTIME in nanoseconds: the clock of bpf_ktime_get_boot_ns(). */
export function boottimeNs(): bigint {
  return clock(7);
}

/** CLOCK_REALTIME in nanoseconds since 1970. */
export function realtimeNs(): bigint {
  return clock(0);
}

function clock(id: number): bigint {
  using scope = arena().scope();
  const { address, view } = scope.alloc(16);
  check(call("clock_gettime", id, address), "clock_gettime", "Cannot read the clock");
  return view.getBigInt64(0, true) * 1_000_000_000n + view.getBigInt64(8, true);
}

/** mount(2). */
export function mount(source: string, target: string, type: string, flags = 0, data?: string): void {
  using scope = arena().scope();
  const result = call(
    "mount",
    scope.string(source),
    scope.string(target),
    scope.string(type),
    flags,
    data === undefined ? 0 : scope.string(data),
  );
  check(result, "mount", `Cannot mount ${type} at "${target}"`);
}

/** umount2(2). */
export function unmount(target: string, flags = 0): void {
  using scope = arena().scope();
  check(call("umount2", scope.string(target), flags), "umount2", `Cannot unmount "${target}"`);
}

/**
 * fsopen(2), fsconfig(2), fsmount(2) (5.2): a mounted file system that only this descriptor reaches, so that tracefs and
 * bpffs work where nobody mounted them, and nothing stays behind. Files in it open relative to the descriptor, or
 * through /proc/self/fd/N.
 */
export function privateMount(type: string, options: Readonly<Record<string, string>> = {}): Fd {
  using scope = arena().scope();
  const message = `Cannot mount ${type} privately`;
  using context = new Fd(check(call("fsopen", scope.string(type), FSOPEN_CLOEXEC), "fsopen", message));
  for (const [key, value] of Object.entries(options)) {
    const result = call("fsconfig", context.number, FSCONFIG_SET_STRING, scope.string(key), scope.string(value), 0);
    check(result, "fsconfig", message);
  }
  check(call("fsconfig", context.number, FSCONFIG_CMD_CREATE, 0, 0, 0), "fsconfig", message);
  return new Fd(check(call("fsmount", context.number, FSMOUNT_CLOEXEC, 0), "fsmount", message));
}

/** move_mount(2): puts what `privateMount` made at a path. */
export function moveMount(mountFd: number, target: string): void {
  const MOVE_MOUNT_F_EMPTY_PATH = 4;
  using scope = arena().scope();
  const result = call(
    "move_mount",
    mountFd,
    scope.string(""),
    AT_FDCWD,
    scope.string(target),
    MOVE_MOUNT_F_EMPTY_PATH,
  );
  check(result, "move_mount", `Cannot mount at "${target}"`);
}

/** The magic number of the file system that holds a path (BPF_FS_MAGIC, TRACEFS_MAGIC); undefined if there is none. */
export function fileSystemMagic(path: string): number | undefined {
  using scope = arena().scope();
  const { address, view } = scope.alloc(120);
  return call("statfs", scope.string(path), address) < 0 ? undefined : view.getUint32(0, true);
}
