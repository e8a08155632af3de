// SPDX-License-Identifier: MIT OR Apache-2.0
// What examples/killsnoop.ts does, in C.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct call {
	__s32 target;
	__s32 signal;
};

struct event {
	__u32 pid;
	__s32 target;
	__s32 signal;
	__s32 ret;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct call);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} kills SEC(".maps");

static __noinline int entered(__s32 target, __s32 signal)
{
	__u64 tid = (__u32)bpf_get_current_pid_tgid();
	struct call call = { target, signal };

	bpf_map_update_elem(&started, &tid, &call, BPF_ANY);
	return 0;
}

static __noinline int left(long ret)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 tid = (__u32)id;
	struct call *call = bpf_map_lookup_elem(&started, &tid);
	struct event *event;

	if (!call)
		return 0;
	event = bpf_ringbuf_reserve(&kills, sizeof(*event), 0);
	if (event) {
		event->pid = id >> 32;
		event->target = call->target;
		event->signal = call->signal;
		event->ret = ret;
		bpf_get_current_comm(&event->comm, sizeof(event->comm));
		bpf_ringbuf_submit(event, 0);
	}
	bpf_map_delete_elem(&started, &tid);
	return 0;
}

#define ENTER(name, pid_at)                                        \
	SEC("tracepoint/syscalls/sys_enter_" #name)                \
	int sys_enter_##name(struct trace_event_raw_sys_enter *ctx) \
	{                                                          \
		entered(ctx->args[0], ctx->args[pid_at]);          \
		return 0;                                          \
	}                                                          \
	SEC("tracepoint/syscalls/sys_exit_" #name)                 \
	int sys_exit_##name(struct trace_event_raw_sys_exit *ctx)  \
	{                                                          \
		left(ctx->ret);                                    \
		return 0;                                          \
	}

ENTER(kill, 1)
ENTER(tkill, 1)
ENTER(tgkill, 2)
