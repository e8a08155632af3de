/**
 * Names of the kernel's enumerators as scripts read them: without their prefix, in small letters (`raw_tracepoint`). A
 * number that is newer than src/abi stays a number, so that lists work on kernels that waggle does not know yet.
 */
import {
  bpf_attach_type,
  bpf_cgroup_iter_order,
  bpf_link_type,
  bpf_map_type,
  bpf_perf_event_type,
  bpf_prog_type,
  bpf_task_fd_type,
} from "../abi/bpf.gen.ts";

function short(names: readonly string[], prefix: string, number: number): string | number {
  const name = names[number];
  return name === undefined ? number : name.replace(prefix, "").toLowerCase();
}

/** `xdp`, `sched_cls`, `raw_tracepoint`. */
export function progTypeName(type: number): string | number {
  return short(bpf_prog_type, "BPF_PROG_TYPE_", type);
}

/** `hash`, `percpu_array`. */
export function mapTypeName(type: number): string | number {
  return short(bpf_map_type, "BPF_MAP_TYPE_", type);
}

/** `cgroup_inet_ingress`, `trace_fentry`. */
export function attachTypeName(type: number): string | number {
  return short(bpf_attach_type, "BPF_", type);
}

/** `tracing`, `kprobe_multi`. */
export function linkTypeName(type: number): string | number {
  return short(bpf_link_type, "BPF_LINK_TYPE_", type);
}

/** `kprobe`, `uretprobe`, `tracepoint`, `event`. */
export function perfEventTypeName(type: number): string | number {
  return short(bpf_perf_event_type, "BPF_PERF_EVENT_", type);
}

/** `self_only`, `descendants_pre`, `ancestors_up`. */
export function cgroupOrderName(order: number): string | number {
  return short(bpf_cgroup_iter_order, "BPF_CGROUP_ITER_", order);
}

/** `raw_tracepoint`, `tracepoint`, `kprobe`, `kretprobe`, `uprobe`, `uretprobe`. */
export function taskFdTypeName(type: number): string | number {
  return short(bpf_task_fd_type, "BPF_FD_TYPE_", type);
}
