// SPDX-License-Identifier: MIT OR Apache-2.0
// What examples/syscount.ts does, in C.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

SEC("tracepoint/raw_syscalls/sys_enter")
int sys_enter(struct trace_event_raw_sys_enter *ctx)
{
	__u32 id = ctx->id;
	__u64 *count, one = 1;

	if (target && bpf_get_current_pid_tgid() >> 32 != target)
		return 0;
	count = bpf_map_lookup_elem(&calls, &id);
	if (count)
		*count += 1;
	else
		bpf_map_update_elem(&calls, &id, &one, BPF_NOEXIST);
	return 0;
}
