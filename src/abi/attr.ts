/**
 * The layouts of `union bpf_attr`: one per command of bpf(2), as of Linux 7.3, of include/uapi/linux/bpf.h.
 * To add a command or a field of a new kernel, add it here; `writeStruct` and the typed calls follow.
 * Comments name the first kernel version of fields that came later than their command.
 */
import type { Fields, StructInput } from "./struct.ts";

/** BPF_MAP_LOOKUP_ELEM and its kin. */
const MAP_ELEM = {
  map_fd: [0, "u32"],
  key: [8, "u64"],
  value: [16, "u64"],
  flags: [24, "u64"],
} as const satisfies Fields;

const MAP_BATCH = {
  in_batch: [0, "u64"],
  out_batch: [8, "u64"],
  keys: [16, "u64"],
  values: [24, "u64"],
  count: [32, "u32"],
  map_fd: [36, "u32"],
  elem_flags: [40, "u64"],
  flags: [48, "u64"],
} as const satisfies Fields;

const OBJ = {
  pathname: [0, "u64"],
  bpf_fd: [8, "u32"],
  file_flags: [12, "u32"],
  path_fd: [16, "s32"], // 6.5
} as const satisfies Fields;

const PROG_ATTACH = {
  target_fd: [0, "u32"],
  target_ifindex: [0, "u32"], // 6.6
  attach_bpf_fd: [4, "u32"],
  attach_type: [8, "u32"],
  attach_flags: [12, "u32"],
  replace_bpf_fd: [16, "u32"], // 5.6
  relative_fd: [20, "u32"], // 6.6
  relative_id: [20, "u32"],
  expected_revision: [24, "u64"], // 6.6
} as const satisfies Fields;

const GET_NEXT_ID = {
  start_id: [0, "u32"],
  next_id: [4, "u32"],
} as const satisfies Fields;

/** One layout per command. */
export const BPF_ATTR = {
  BPF_MAP_CREATE: {
    map_type: [0, "u32"],
    key_size: [4, "u32"],
    value_size: [8, "u32"],
    max_entries: [12, "u32"],
    map_flags: [16, "u32"],
    inner_map_fd: [20, "u32"],
    numa_node: [24, "u32"],
    map_name: [28, "char[16]"], // 4.15
    map_ifindex: [44, "u32"],
    btf_fd: [48, "u32"], // 4.18
    btf_key_type_id: [52, "u32"],
    btf_value_type_id: [56, "u32"],
    btf_vmlinux_value_type_id: [60, "u32"], // 5.6
    map_extra: [64, "u64"], // 5.16
    value_type_btf_obj_fd: [72, "s32"], // 6.9
    map_token_fd: [76, "s32"], // 6.9
    excl_prog_hash: [80, "u64"], // 6.18
    excl_prog_hash_size: [88, "u32"],
  },
  BPF_MAP_LOOKUP_ELEM: MAP_ELEM,
  BPF_MAP_UPDATE_ELEM: MAP_ELEM,
  BPF_MAP_DELETE_ELEM: MAP_ELEM,
  BPF_MAP_GET_NEXT_KEY: { map_fd: [0, "u32"], key: [8, "u64"], next_key: [16, "u64"] },
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: MAP_ELEM,
  BPF_MAP_FREEZE: { map_fd: [0, "u32"] },
  BPF_MAP_LOOKUP_BATCH: MAP_BATCH,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: MAP_BATCH,
  BPF_MAP_UPDATE_BATCH: MAP_BATCH,
  BPF_MAP_DELETE_BATCH: MAP_BATCH,
  BPF_PROG_LOAD: {
    prog_type: [0, "u32"],
    insn_cnt: [4, "u32"],
    insns: [8, "u64"],
    license: [16, "u64"],
    log_level: [24, "u32"],
    log_size: [28, "u32"],
    log_buf: [32, "u64"],
    kern_version: [40, "u32"],
    prog_flags: [44, "u32"],
    prog_name: [48, "char[16]"], // 4.15
    prog_ifindex: [64, "u32"],
    expected_attach_type: [68, "u32"], // 4.17
    prog_btf_fd: [72, "u32"], // 5.0
    func_info_rec_size: [76, "u32"],
    func_info: [80, "u64"],
    func_info_cnt: [88, "u32"],
    line_info_rec_size: [92, "u32"],
    line_info: [96, "u64"],
    line_info_cnt: [104, "u32"],
    attach_btf_id: [108, "u32"], // 5.5
    attach_prog_fd: [112, "u32"],
    attach_btf_obj_fd: [112, "u32"], // 5.11
    core_relo_cnt: [116, "u32"], // 5.17
    fd_array: [120, "u64"], // 5.14
    core_relos: [128, "u64"],
    core_relo_rec_size: [136, "u32"],
    log_true_size: [140, "u32"], // 6.4
    prog_token_fd: [144, "s32"], // 6.9
    fd_array_cnt: [148, "u32"], // 6.14
    signature: [152, "u64"], // 6.18
    signature_size: [160, "u32"],
    keyring_id: [164, "s32"],
  },
  BPF_OBJ_PIN: OBJ,
  BPF_OBJ_GET: OBJ,
  BPF_PROG_ATTACH: PROG_ATTACH,
  BPF_PROG_DETACH: PROG_ATTACH,
  BPF_PROG_TEST_RUN: {
    prog_fd: [0, "u32"],
    retval: [4, "u32"],
    data_size_in: [8, "u32"],
    data_size_out: [12, "u32"],
    data_in: [16, "u64"],
    data_out: [24, "u64"],
    repeat: [32, "u32"],
    duration: [36, "u32"],
    ctx_size_in: [40, "u32"], // 5.2
    ctx_size_out: [44, "u32"],
    ctx_in: [48, "u64"],
    ctx_out: [56, "u64"],
    flags: [64, "u32"], // 5.10
    cpu: [68, "u32"],
    batch_size: [72, "u32"], // 5.18
  },
  BPF_PROG_GET_NEXT_ID: GET_NEXT_ID,
  BPF_MAP_GET_NEXT_ID: GET_NEXT_ID,
  BPF_BTF_GET_NEXT_ID: GET_NEXT_ID,
  BPF_LINK_GET_NEXT_ID: GET_NEXT_ID,
  BPF_PROG_GET_FD_BY_ID: { prog_id: [0, "u32"], open_flags: [8, "u32"], fd_by_id_token_fd: [12, "s32"] },
  BPF_MAP_GET_FD_BY_ID: { map_id: [0, "u32"], open_flags: [8, "u32"], fd_by_id_token_fd: [12, "s32"] },
  BPF_BTF_GET_FD_BY_ID: { btf_id: [0, "u32"], open_flags: [8, "u32"], fd_by_id_token_fd: [12, "s32"] },
  BPF_LINK_GET_FD_BY_ID: { link_id: [0, "u32"], open_flags: [8, "u32"], fd_by_id_token_fd: [12, "s32"] },
  BPF_OBJ_GET_INFO_BY_FD: { bpf_fd: [0, "u32"], info_len: [4, "u32"], info: [8, "u64"] },
  BPF_PROG_QUERY: {
    target_fd: [0, "u32"],
    target_ifindex: [0, "u32"], // 6.6
    attach_type: [4, "u32"],
    query_flags: [8, "u32"],
    attach_flags: [12, "u32"],
    prog_ids: [16, "u64"],
    count: [24, "u32"],
    prog_attach_flags: [32, "u64"], // 6.1
    link_ids: [40, "u64"], // 6.6
    link_attach_flags: [48, "u64"],
    revision: [56, "u64"],
  },
  BPF_RAW_TRACEPOINT_OPEN: { name: [0, "u64"], prog_fd: [8, "u32"], cookie: [16, "u64"] }, // cookie: 6.9
  BPF_BTF_LOAD: {
    btf: [0, "u64"],
    btf_log_buf: [8, "u64"],
    btf_size: [16, "u32"],
    btf_log_size: [20, "u32"],
    btf_log_level: [24, "u32"],
    btf_log_true_size: [28, "u32"], // 6.4
    btf_flags: [32, "u32"], // 6.9
    btf_token_fd: [36, "s32"],
  },
  BPF_TASK_FD_QUERY: {
    pid: [0, "u32"],
    fd: [4, "u32"],
    flags: [8, "u32"],
    buf_len: [12, "u32"],
    buf: [16, "u64"],
    prog_id: [24, "u32"],
    fd_type: [28, "u32"],
    probe_offset: [32, "u64"],
    probe_addr: [40, "u64"],
  },
  BPF_LINK_CREATE: {
    prog_fd: [0, "u32"],
    map_fd: [0, "u32"], // 6.4, struct_ops
    target_fd: [4, "u32"],
    target_ifindex: [4, "u32"],
    attach_type: [8, "u32"],
    flags: [12, "u32"],
    target_btf_id: [16, "u32"],
    iter_info: [16, "u64"], // 5.9
    iter_info_len: [24, "u32"],
    "perf_event.bpf_cookie": [16, "u64"], // 5.15
    "kprobe_multi.flags": [16, "u32"], // 5.18
    "kprobe_multi.cnt": [20, "u32"],
    "kprobe_multi.syms": [24, "u64"],
    "kprobe_multi.addrs": [32, "u64"],
    "kprobe_multi.cookies": [40, "u64"],
    "tracing.target_btf_id": [16, "u32"],
    "tracing.cookie": [24, "u64"], // 5.19
    "netfilter.pf": [16, "u32"], // 6.4
    "netfilter.hooknum": [20, "u32"],
    "netfilter.priority": [24, "s32"],
    "netfilter.flags": [28, "u32"],
    "tcx.relative_fd": [16, "u32"], // 6.6
    "tcx.relative_id": [16, "u32"],
    "tcx.expected_revision": [24, "u64"],
    "uprobe_multi.path": [16, "u64"], // 6.6
    "uprobe_multi.offsets": [24, "u64"],
    "uprobe_multi.ref_ctr_offsets": [32, "u64"],
    "uprobe_multi.cookies": [40, "u64"],
    "uprobe_multi.cnt": [48, "u32"],
    "uprobe_multi.flags": [52, "u32"],
    "uprobe_multi.pid": [56, "u32"],
    "uprobe_multi.path_fd": [60, "u32"], // 7.2
    "netkit.relative_fd": [16, "u32"], // 6.7
    "netkit.relative_id": [16, "u32"],
    "netkit.expected_revision": [24, "u64"],
    "cgroup.relative_fd": [16, "u32"], // 6.17
    "cgroup.relative_id": [16, "u32"],
    "cgroup.expected_revision": [24, "u64"],
    "tracing_multi.ids": [16, "u64"], // 7.2
    "tracing_multi.cookies": [24, "u64"],
    "tracing_multi.cnt": [32, "u32"],
  },
  BPF_LINK_UPDATE: {
    link_fd: [0, "u32"],
    new_prog_fd: [4, "u32"],
    new_map_fd: [4, "u32"], // 6.4
    flags: [8, "u32"],
    old_prog_fd: [12, "u32"],
    old_map_fd: [12, "u32"],
  },
  BPF_LINK_DETACH: { link_fd: [0, "u32"] },
  BPF_ENABLE_STATS: { type: [0, "u32"] },
  BPF_ITER_CREATE: { link_fd: [0, "u32"], flags: [4, "u32"] },
  BPF_PROG_BIND_MAP: { prog_fd: [0, "u32"], map_fd: [4, "u32"], flags: [8, "u32"] },
  BPF_TOKEN_CREATE: { flags: [0, "u32"], bpffs_fd: [4, "u32"] },
  BPF_PROG_STREAM_READ_BY_FD: {
    stream_buf: [0, "u64"],
    stream_buf_len: [8, "u32"],
    stream_id: [12, "u32"],
    prog_fd: [16, "u32"],
  },
  BPF_PROG_ASSOC_STRUCT_OPS: { map_fd: [0, "u32"], prog_fd: [4, "u32"], flags: [8, "u32"] },
} as const satisfies Readonly<Record<`BPF_${string}`, Fields>>;

/** A command of bpf(2), by its kernel name. */
export type BpfCommand = keyof typeof BPF_ATTR;

/** The attribute of one command; fields left out are zero. */
export type BpfAttr<C extends BpfCommand> = StructInput<(typeof BPF_ATTR)[C]>;

/** The size of `union bpf_attr` in Linux 7.3: what an arena must offer. */
export const BPF_ATTR_SIZE = 168;

/** `struct bpf_common_attr`, the fourth and fifth argument of bpf(2) with BPF_COMMON_ATTRS. */
export const bpf_common_attr = {
  log_buf: [0, "u64"],
  log_size: [8, "u32"],
  log_level: [12, "u32"],
  log_true_size: [16, "u32"],
} as const satisfies Fields;

/** `union bpf_iter_link_info`, what `iter_info` points to. */
export const bpf_iter_link_info = {
  "map.map_fd": [0, "u32"],
  "cgroup.order": [0, "u32"],
  "cgroup.cgroup_fd": [4, "u32"],
  "cgroup.cgroup_id": [8, "u64"],
  "task.tid": [0, "u32"],
  "task.pid": [4, "u32"],
  "task.pid_fd": [8, "u32"],
} as const satisfies Fields;
