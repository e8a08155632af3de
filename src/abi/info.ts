/**
 * What BPF_OBJ_GET_INFO_BY_FD fills, as of Linux 7.3 (include/uapi/linux/bpf.h). A kernel that knows fewer fields
 * leaves the rest as it was, so the memory must be zeroed before. Unions are spelt with a dot; which member holds
 * follows from `type`.
 */
import type { Fields } from "./struct.ts";

/** `struct bpf_prog_info`. */
export const bpf_prog_info = {
  type: [0, "u32"],
  id: [4, "u32"],
  tag: [8, "u8[8]"],
  jited_prog_len: [16, "u32"],
  xlated_prog_len: [20, "u32"],
  jited_prog_insns: [24, "u64"],
  xlated_prog_insns: [32, "u64"],
  load_time: [40, "u64"],
  created_by_uid: [48, "u32"],
  nr_map_ids: [52, "u32"],
  map_ids: [56, "u64"],
  name: [64, "char[16]"],
  ifindex: [80, "u32"],
  /** Bit 0 of a bit-field. */
  gpl_compatible: [84, "u32"],
  netns_dev: [88, "u64"],
  netns_ino: [96, "u64"],
  nr_jited_ksyms: [104, "u32"],
  nr_jited_func_lens: [108, "u32"],
  jited_ksyms: [112, "u64"],
  jited_func_lens: [120, "u64"],
  btf_id: [128, "u32"],
  func_info_rec_size: [132, "u32"],
  func_info: [136, "u64"],
  nr_func_info: [144, "u32"],
  nr_line_info: [148, "u32"],
  line_info: [152, "u64"],
  jited_line_info: [160, "u64"],
  nr_jited_line_info: [168, "u32"],
  line_info_rec_size: [172, "u32"],
  jited_line_info_rec_size: [176, "u32"],
  nr_prog_tags: [180, "u32"],
  prog_tags: [184, "u64"],
  run_time_ns: [192, "u64"], // 5.1
  run_cnt: [200, "u64"],
  recursion_misses: [208, "u64"], // 5.12
  verified_insns: [216, "u32"], // 5.16
  attach_btf_obj_id: [220, "u32"], // 6.0
  attach_btf_id: [224, "u32"],
} as const satisfies Fields;

/** `struct bpf_map_info`. */
export const bpf_map_info = {
  type: [0, "u32"],
  id: [4, "u32"],
  key_size: [8, "u32"],
  value_size: [12, "u32"],
  max_entries: [16, "u32"],
  map_flags: [20, "u32"],
  name: [24, "char[16]"],
  ifindex: [40, "u32"],
  btf_vmlinux_value_type_id: [44, "u32"],
  netns_dev: [48, "u64"],
  netns_ino: [56, "u64"],
  btf_id: [64, "u32"],
  btf_key_type_id: [68, "u32"],
  btf_value_type_id: [72, "u32"],
  btf_vmlinux_id: [76, "u32"], // 6.9
  map_extra: [80, "u64"], // 5.16
  hash: [88, "u64"], // 6.18
  hash_size: [96, "u32"],
} as const satisfies Fields;

/** `struct bpf_btf_info`. */
export const bpf_btf_info = {
  btf: [0, "u64"],
  btf_size: [8, "u32"],
  id: [12, "u32"],
  name: [16, "u64"], // 5.11
  name_len: [24, "u32"],
  kernel_btf: [28, "u32"],
} as const satisfies Fields;

/** `struct bpf_link_info`; `type` is a BPF_LINK_TYPE_*. */
export const bpf_link_info = {
  type: [0, "u32"],
  id: [4, "u32"],
  prog_id: [8, "u32"],
  "raw_tracepoint.tp_name": [16, "u64"],
  "raw_tracepoint.tp_name_len": [24, "u32"],
  "raw_tracepoint.cookie": [32, "u64"], // 6.17
  "tracing.attach_type": [16, "u32"],
  "tracing.target_obj_id": [20, "u32"],
  "tracing.target_btf_id": [24, "u32"],
  "tracing.cookie": [32, "u64"], // 6.17
  "cgroup.cgroup_id": [16, "u64"],
  "cgroup.attach_type": [24, "u32"],
  "iter.target_name": [16, "u64"],
  "iter.target_name_len": [24, "u32"],
  "iter.map.map_id": [28, "u32"],
  "iter.cgroup.cgroup_id": [32, "u64"],
  "iter.cgroup.order": [40, "u32"],
  "iter.task.tid": [32, "u32"],
  "iter.task.pid": [36, "u32"],
  "netns.netns_ino": [16, "u32"],
  "netns.attach_type": [20, "u32"],
  "xdp.ifindex": [16, "u32"],
  "struct_ops.map_id": [16, "u32"],
  "netfilter.pf": [16, "u32"],
  "netfilter.hooknum": [20, "u32"],
  "netfilter.priority": [24, "s32"],
  "netfilter.flags": [28, "u32"],
  "kprobe_multi.addrs": [16, "u64"],
  "kprobe_multi.count": [24, "u32"],
  "kprobe_multi.flags": [28, "u32"],
  "kprobe_multi.missed": [32, "u64"],
  "kprobe_multi.cookies": [40, "u64"],
  "uprobe_multi.path": [16, "u64"],
  "uprobe_multi.offsets": [24, "u64"],
  "uprobe_multi.ref_ctr_offsets": [32, "u64"],
  "uprobe_multi.cookies": [40, "u64"],
  "uprobe_multi.path_size": [48, "u32"],
  "uprobe_multi.count": [52, "u32"],
  "uprobe_multi.flags": [56, "u32"],
  "uprobe_multi.pid": [60, "u32"],
  "tracing_multi.attach_type": [16, "u32"], // 7.2
  "tracing_multi.count": [20, "u32"],
  "tracing_multi.btf_obj_id": [24, "u32"],
  "tracing_multi.ids": [32, "u64"],
  "tracing_multi.addrs": [40, "u64"],
  "tracing_multi.cookies": [48, "u64"],
  /** A BPF_PERF_EVENT_*. */
  "perf_event.type": [16, "u32"],
  "perf_event.uprobe.file_name": [24, "u64"],
  "perf_event.uprobe.name_len": [32, "u32"],
  "perf_event.uprobe.offset": [36, "u32"],
  "perf_event.uprobe.cookie": [40, "u64"],
  "perf_event.uprobe.ref_ctr_offset": [48, "u64"],
  "perf_event.kprobe.func_name": [24, "u64"],
  "perf_event.kprobe.name_len": [32, "u32"],
  "perf_event.kprobe.offset": [36, "u32"],
  "perf_event.kprobe.addr": [40, "u64"],
  "perf_event.kprobe.missed": [48, "u64"],
  "perf_event.kprobe.cookie": [56, "u64"],
  "perf_event.tracepoint.tp_name": [24, "u64"],
  "perf_event.tracepoint.name_len": [32, "u32"],
  "perf_event.tracepoint.cookie": [40, "u64"],
  "perf_event.event.config": [24, "u64"],
  "perf_event.event.type": [32, "u32"],
  "perf_event.event.cookie": [40, "u64"],
  "tcx.ifindex": [16, "u32"],
  "tcx.attach_type": [20, "u32"],
  "netkit.ifindex": [16, "u32"],
  "netkit.attach_type": [20, "u32"],
  "sockmap.map_id": [16, "u32"],
  "sockmap.attach_type": [20, "u32"],
} as const satisfies Fields;

/** `struct bpf_token_info` (6.17). */
export const bpf_token_info = {
  allowed_cmds: [0, "u64"],
  allowed_maps: [8, "u64"],
  allowed_progs: [16, "u64"],
  allowed_attachs: [24, "u64"],
} as const satisfies Fields;

/** `struct bpf_func_info`, a record of BPF_PROG_LOAD. */
export const bpf_func_info = { insn_off: [0, "u32"], type_id: [4, "u32"] } as const satisfies Fields;

/** `struct bpf_line_info`, a record of BPF_PROG_LOAD; `line_col` is line << 10 | column. */
export const bpf_line_info = {
  insn_off: [0, "u32"],
  file_name_off: [4, "u32"],
  line_off: [8, "u32"],
  line_col: [12, "u32"],
} as const satisfies Fields;
