/**
 * perf_event_open(2): the attribute, the mmap'ed control page, the records' header and what is a macro of
 * include/uapi/linux/perf_event.h. The enumerations (PERF_TYPE_*, PERF_SAMPLE_*, PERF_RECORD_*) are in perf.gen.ts.
 */
import type { Fields } from "./struct.ts";

/** `struct perf_event_attr` of Linux 7.3 (PERF_ATTR_SIZE_VER9). */
export const perf_event_attr = {
  type: [0, "u32"],
  size: [4, "u32"],
  config: [8, "u64"],
  sample_period: [16, "u64"],
  sample_freq: [16, "u64"],
  sample_type: [24, "u64"],
  read_format: [32, "u64"],
  /** A bit-field; see `PERF_ATTR_FLAGS`. */
  flags: [40, "u64"],
  wakeup_events: [48, "u32"],
  wakeup_watermark: [48, "u32"],
  bp_type: [52, "u32"],
  bp_addr: [56, "u64"],
  kprobe_func: [56, "u64"],
  uprobe_path: [56, "u64"],
  config1: [56, "u64"],
  bp_len: [64, "u64"],
  kprobe_addr: [64, "u64"],
  probe_offset: [64, "u64"],
  config2: [64, "u64"],
  branch_sample_type: [72, "u64"],
  sample_regs_user: [80, "u64"],
  sample_stack_user: [88, "u32"],
  clockid: [92, "s32"],
  sample_regs_intr: [96, "u64"],
  aux_watermark: [104, "u32"],
  sample_max_stack: [108, "u16"],
  aux_sample_size: [112, "u32"],
  aux_action: [116, "u32"],
  sig_data: [120, "u64"],
  config3: [128, "u64"],
  config4: [136, "u64"],
} as const satisfies Fields;

/** Sizes that kernels know, oldest first; a kernel refuses a longer attribute only if the rest is not zero. */
export const PERF_ATTR_SIZE_VER0 = 64;
export const PERF_ATTR_SIZE_VER5 = 112;
export const PERF_ATTR_SIZE_VER7 = 128;

/** The one-bit flags of `perf_event_attr.flags`, as values to add up. */
export const PERF_ATTR_FLAGS = {
  disabled: 2 ** 0,
  inherit: 2 ** 1,
  pinned: 2 ** 2,
  exclusive: 2 ** 3,
  exclude_user: 2 ** 4,
  exclude_kernel: 2 ** 5,
  exclude_hv: 2 ** 6,
  exclude_idle: 2 ** 7,
  mmap: 2 ** 8,
  comm: 2 ** 9,
  freq: 2 ** 10,
  inherit_stat: 2 ** 11,
  enable_on_exec: 2 ** 12,
  task: 2 ** 13,
  watermark: 2 ** 14,
  mmap_data: 2 ** 17,
  sample_id_all: 2 ** 18,
  exclude_host: 2 ** 19,
  exclude_guest: 2 ** 20,
  exclude_callchain_kernel: 2 ** 21,
  exclude_callchain_user: 2 ** 22,
  mmap2: 2 ** 23,
  comm_exec: 2 ** 24,
  use_clockid: 2 ** 25,
  context_switch: 2 ** 26,
  write_backward: 2 ** 27,
  namespaces: 2 ** 28,
  ksymbol: 2 ** 29,
  bpf_event: 2 ** 30,
  aux_output: 2 ** 31,
  cgroup: 2 ** 32,
  text_poke: 2 ** 33,
  build_id: 2 ** 34,
  inherit_thread: 2 ** 35,
  remove_on_exec: 2 ** 36,
  sigtrap: 2 ** 37,
  defer_callchain: 2 ** 38,
  defer_output: 2 ** 39,
} as const;

/** `precise_ip` is two bits of `perf_event_attr.flags`: multiply by this. */
export const PERF_ATTR_PRECISE_IP_UNIT = 32768;

/** `struct perf_event_mmap_page`: what the buffer's reader needs of it. */
export const perf_event_mmap_page = {
  version: [0, "u32"],
  compat_version: [4, "u32"],
  lock: [8, "u32"],
  index: [12, "u32"],
  offset: [16, "s64"],
  time_enabled: [24, "u64"],
  time_running: [32, "u64"],
  capabilities: [40, "u64"],
  pmc_width: [48, "u16"],
  time_shift: [50, "u16"],
  time_mult: [52, "u32"],
  time_offset: [56, "u64"],
  time_zero: [64, "u64"],
  size: [72, "u32"],
  data_head: [1024, "u64"],
  data_tail: [1032, "u64"],
  data_offset: [1040, "u64"],
  data_size: [1048, "u64"],
  aux_head: [1056, "u64"],
  aux_tail: [1064, "u64"],
  aux_offset: [1072, "u64"],
  aux_size: [1080, "u64"],
} as const satisfies Fields;

/** `struct perf_event_header`, the start of every record. */
export const perf_event_header = { type: [0, "u32"], misc: [4, "u16"], size: [6, "u16"] } as const satisfies Fields;

/** Flags of perf_event_open(2) itself. */
export const PERF_FLAG_FD_NO_GROUP = 1;
export const PERF_FLAG_FD_OUTPUT = 2;
export const PERF_FLAG_PID_CGROUP = 4;
export const PERF_FLAG_FD_CLOEXEC = 8;

/** ioctls of an event, `_IO('$', n)` and kin: the same number on x86-64 and arm64. */
export const PERF_EVENT_IOC_ENABLE = 0x2400;
export const PERF_EVENT_IOC_DISABLE = 0x2401;
export const PERF_EVENT_IOC_REFRESH = 0x2402;
export const PERF_EVENT_IOC_RESET = 0x2403;
export const PERF_EVENT_IOC_PERIOD = 0x40082404;
export const PERF_EVENT_IOC_SET_OUTPUT = 0x2405;
export const PERF_EVENT_IOC_SET_FILTER = 0x40082406;
export const PERF_EVENT_IOC_ID = 0x80082407;
export const PERF_EVENT_IOC_SET_BPF = 0x40042408;
export const PERF_EVENT_IOC_PAUSE_OUTPUT = 0x40042409;
export const PERF_EVENT_IOC_QUERY_BPF = 0xc008240a;
export const PERF_EVENT_IOC_MODIFY_ATTRIBUTES = 0x4008240b;

/** Flag of the event's ioctls: the whole group. */
export const PERF_IOC_FLAG_GROUP = 1;
