/**
 * What a person can do about an errno: one row per call and errno. Rows are tried in order, the first whose text is
 * not undefined wins. Texts that need a look at the system are functions, run only when the error has happened.
 */
import {
  E2BIG,
  EACCES,
  EBADF,
  EBUSY,
  EEXIST,
  EINVAL,
  EMFILE,
  ENFILE,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOSYS,
  EOPNOTSUPP,
  EPERM,
} from "../abi/errno.gen.ts";
import { privilegeHint } from "./capabilities.ts";

interface HintRow {
  /** Matches the call's name as errors print it. */
  readonly call: RegExp;
  readonly errno: readonly number[];
  readonly hint: string | (() => string | undefined);
}

const HINTS: readonly HintRow[] = [
  {
    call: /^bpf\(BPF_\w+_GET_(NEXT_ID|FD_BY_ID)\)|^bpf\(BPF_(ENABLE_STATS|TASK_FD_QUERY)\)/,
    errno: [EPERM],
    hint: () => privilegeHint("CAP_SYS_ADMIN", "looking at BPF objects of the system"),
  },
  { call: /^bpf\b/, errno: [EPERM, EACCES], hint: () => privilegeHint("CAP_BPF", "BPF") },
  { call: /^perf_event_open/, errno: [EPERM, EACCES], hint: () => privilegeHint("CAP_PERFMON", "perf events") },
  {
    call: /^(mount|fsopen|fsmount|fsconfig|move_mount)/,
    errno: [EPERM],
    hint: () => privilegeHint("CAP_SYS_ADMIN", "mounting"),
  },
  { call: /^netlink/, errno: [EPERM], hint: () => privilegeHint("CAP_NET_ADMIN", "network changes") },
  {
    call: /^bpf\(BPF_MAP_UPDATE_ELEM\)/,
    errno: [E2BIG],
    hint: "the map is full: raise max_entries, or use an LRU map",
  },
  {
    call: /^bpf\(BPF_MAP_UPDATE_BATCH\)/,
    errno: [E2BIG],
    hint: "the map is full: raise max_entries, or use an LRU map",
  },
  {
    call: /^bpf\(BPF_MAP_CREATE\)/,
    errno: [E2BIG],
    hint: "the key, the value or their product with max_entries is larger than the kernel allows",
  },
  {
    call: /^bpf\(BPF_MAP_CREATE\)/,
    errno: [EINVAL],
    hint: "the map's sizes, flags or type do not fit together, or this kernel lacks the type",
  },
  {
    call: /^bpf\(BPF_OBJ_PIN\)/,
    errno: [EINVAL, EPERM],
    hint: "pins live below a bpf file system, usually /sys/fs/bpf",
  },
  { call: /^bpf\(BPF_OBJ_PIN\)/, errno: [EEXIST], hint: "something is pinned there already: unpin it first" },
  { call: /^bpf\(BPF_OBJ_PIN\)/, errno: [ENOENT], hint: "the directory does not exist" },
  { call: /^bpf\(BPF_OBJ_GET\)/, errno: [ENOENT], hint: "nothing is pinned at this path" },
  {
    call: /^bpf\(BPF_(PROG_ATTACH|LINK_CREATE)\)/,
    errno: [EBUSY, EEXIST],
    hint: "another program holds this place: see `bpftool link` and `bpftool net`",
  },
  {
    call: /^bpf\b/,
    errno: [ENOMEM],
    hint: "out of memory: on kernels before 5.11 raise the locked memory limit (ulimit -l)",
  },
  { call: /^bpf\b/, errno: [ENOSYS], hint: "this kernel has no bpf(2): CONFIG_BPF_SYSCALL is off" },
  { call: /^bpf\b/, errno: [EBADF], hint: "the file descriptor is closed or of another kind" },
  { call: /^(perf_event_open|mmap)\b/, errno: [EMFILE], hint: "too many open files: raise the limit (ulimit -n)" },
  { call: /./, errno: [EMFILE, ENFILE], hint: "too many open files: raise the limit (ulimit -n)" },
  { call: /^perf_event_open/, errno: [ENOENT, EOPNOTSUPP], hint: "this machine or kernel has no such event" },
  { call: /^perf_event_open/, errno: [ENOSPC], hint: "all hardware counters or breakpoints are in use" },
  {
    call: /^(openat|read|mkdirat|unlinkat|write)/,
    errno: [EACCES, EPERM],
    hint: () => privilegeHint("CAP_DAC_READ_SEARCH", "this file"),
  },
];

/** The hint for a failed call, if there is one. */
export function hintFor(call: string, errno: number): string | undefined {
  for (const row of HINTS) {
    if (!row.errno.includes(errno) || !row.call.test(call)) continue;
    const text = typeof row.hint === "string" ? row.hint : row.hint();
    if (text !== undefined) return text;
  }
  return undefined;
}
