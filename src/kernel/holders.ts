/**
 * Who holds BPF objects: the descriptors of all processes, from /proc/PID/fd and fdinfo, and what perf events and raw
 * tracepoints among them run (BPF_TASK_FD_QUERY). Processes come and go while the list is made; what is gone is left
 * out. Without CAP_SYS_PTRACE only the caller's own processes can be seen.
 */
import { SyscallError } from "../errors.ts";
import { taskFdQuery } from "../syscall/bpf_link.ts";
import type { ObjectKind } from "../syscall/bpf_object.ts";
import { readDir, readlink, tryReadText } from "../syscall/files.ts";
import { taskFdTypeName } from "./enum_names.ts";
import { fdInfo, fdInfoNumber } from "./fd_info.ts";

/** A descriptor of a BPF object. */
export interface Holder {
  readonly kind: ObjectKind;
  /** The object's id. */
  readonly id: number;
  readonly pid: number;
  /** The process's name, at most 15 bytes. */
  readonly comm: string;
  readonly fd: number;
}

/** A perf event or raw tracepoint that a process holds, with a program on it. */
export interface TaskFd {
  readonly pid: number;
  readonly comm: string;
  readonly fd: number;
  readonly programId: number;
  /** `kprobe`, `kretprobe`, `uprobe`, `uretprobe`, `tracepoint`, `raw_tracepoint`; a number if newer than waggle. */
  readonly type: string | number;
  /** The tracepoint, the function or the file; empty for a kprobe by address. */
  readonly name: string;
  /** Bytes from the function's or file's start. */
  readonly offset: bigint;
  /** Of a kprobe by address. */
  readonly address: bigint;
}

/** Where a descriptor points, for each kind of object, and the field of fdinfo with its id. */
const TARGETS: Readonly<Record<string, readonly [ObjectKind, string]>> = {
  "anon_inode:bpf-map": ["map", "map_id"],
  "anon_inode:bpf-prog": ["prog", "prog_id"],
  "anon_inode:btf": ["btf", "btf_id"],
  "anon_inode:bpf_link": ["link", "link_id"],
  // The kernel calls a link that was opened by id or pin otherwise than one that was made.
  "anon_inode:bpf-link": ["link", "link_id"],
};

/** Descriptors that BPF_TASK_FD_QUERY understands. */
const QUERIED = /^anon_inode:(\[perf_event\]|bpf_link|bpf-link|bpf-raw-tracepoint)$/;

/**
 * Every descriptor of a BPF object in any process, or only those of one kind.
 *
 * @example
 * ```ts ignore
 * // ignored: lists whatever the machine runs
 * for (const { id, comm, pid } of listHolders("map")) console.log(`map ${id} is held by ${comm} (${pid})`);
 * ```
 */
export function listHolders(kind?: ObjectKind): Holder[] {
  const holders: Holder[] = [];
  for (const { pid, comm, fd, target } of descriptors((target) => target in TARGETS)) {
    const [found, field] = TARGETS[target]!;
    const id = kind === undefined || kind === found ? fdInfoNumber(fdInfo(fd, pid), field) : undefined;
    if (id !== undefined) holders.push({ kind: found, id, pid, comm, fd });
  }
  return holders;
}

/** Every perf event and raw tracepoint of any process with a program on it. Needs CAP_SYS_ADMIN. */
export function listTaskFds(): TaskFd[] {
  const found: TaskFd[] = [];
  for (const { pid, comm, fd } of descriptors((target) => QUERIED.test(target))) {
    const query = tryQuery(pid, fd);
    if (query === undefined) continue;
    found.push({
      pid,
      comm,
      fd,
      programId: query.progId,
      type: taskFdTypeName(query.fdType),
      name: query.name,
      offset: query.probeOffset,
      address: query.probeAddr,
    });
  }
  return found;
}

/** Undefined for an event without program, a link of another kind, and a process that ended. */
function tryQuery(pid: number, fd: number): ReturnType<typeof taskFdQuery> | undefined {
  try {
    return taskFdQuery(pid, fd);
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName !== "EPERM") return undefined;
    throw error;
  }
}

interface Descriptor {
  readonly pid: number;
  readonly comm: string;
  readonly fd: number;
  readonly target: string;
}

function* descriptors(wanted: (target: string) => boolean): Generator<Descriptor, void, undefined> {
  for (const entry of readDir("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    let comm: string | undefined;
    for (const name of tryList(`/proc/${pid}/fd`)) {
      const target = tryLink(`/proc/${pid}/fd/${name}`);
      if (target === undefined || !wanted(target)) continue;
      comm ??= tryReadText(`/proc/${pid}/comm`)?.trimEnd() ?? "";
      yield { pid, comm, fd: Number(name), target };
    }
  }
}

function tryList(path: string): string[] {
  try {
    return readDir(path);
  } catch (error) {
    if (error instanceof SyscallError) return []; // ended, or somebody else's
    throw error;
  }
}

function tryLink(path: string): string | undefined {
  try {
    return readlink(path);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
