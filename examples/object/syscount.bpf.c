// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts system calls and their time, by number or by process. Loaded by syscount.ts.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

const volatile __u32 target_pid = 0;
const volatile bool by_process = false;
const volatile bool failed_only = false;
const volatile bool measure_latency = false;

struct stats {
	__u64 count;
	__u64 total_ns;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct stats);
} counts SEC(".maps");

SEC("?raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	__u64 now = bpf_ktime_get_ns();

	if (target_pid && target_pid != id >> 32)
		return 0;
	bpf_map_update_elem(&started, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int leave(struct trace_event_raw_sys_exit *ctx)
{
	struct stats *stats, zero = {};
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id, pid = id >> 32;
	__u64 *start = NULL;
	__u32 key;

	// The kernel reports -1 for calls that a signal restarts.
	if ((target_pid && target_pid != pid) || ctx->id < 0)
		return 0;
	if (failed_only && ctx->ret >= 0)
		return 0;
	if (measure_latency) {
		start = bpf_map_lookup_elem(&started, &tid);
		if (!start)
			return 0;
	}

	key = by_process ? pid : ctx->id;
	stats = bpf_map_lookup_elem(&counts, &key);
	if (!stats) {
		if (by_process)
			bpf_get_current_comm(&zero.comm, sizeof(zero.comm));
		bpf_map_update_elem(&counts, &key, &zero, BPF_NOEXIST);
		stats = bpf_map_lookup_elem(&counts, &key);
		if (!stats)
			return 0;
	}
	__sync_fetch_and_add(&stats->count, 1);
	if (start) {
		__sync_fetch_and_add(&stats->total_ns, bpf_ktime_get_ns() - *start);
		bpf_map_delete_elem(&started, &tid);
	}
	return 0;
}
