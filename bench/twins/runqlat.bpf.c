// SPDX-License-Identifier: MIT OR Apache-2.0
// What examples/runqlat.ts does, in C.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "log2.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} queued SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 66);
	__type(key, __u32);
	__type(value, __u64);
} latency SEC(".maps");

SEC("tracepoint/sched/sched_wakeup")
int sched_wakeup(struct trace_event_raw_sched_wakeup_template *ctx)
{
	__u32 pid = ctx->pid;
	__u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&queued, &pid, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/sched/sched_wakeup_new")
int sched_wakeup_new(struct trace_event_raw_sched_wakeup_template *ctx)
{
	__u32 pid = ctx->pid;
	__u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&queued, &pid, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/sched/sched_switch")
int sched_switch(struct trace_event_raw_sched_switch *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 prev = ctx->prev_pid, next = ctx->next_pid, slot;
	__u64 *since, *count;

	if (ctx->prev_state == 0 && prev)
		bpf_map_update_elem(&queued, &prev, &now, BPF_ANY);
	since = bpf_map_lookup_elem(&queued, &next);
	if (!since || !*since)
		return 0;
	slot = log2_slot((now - *since) / 1000);
	count = bpf_map_lookup_elem(&latency, &slot);
	if (count)
		*count += 1;
	bpf_map_delete_elem(&queued, &next);
	return 0;
}
