// SPDX-License-Identifier: MIT OR Apache-2.0
// What examples/opensnoop.ts does, in C.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct call {
	__u64 path;
};

struct event {
	__u64 time;
	__u32 pid;
	__u32 uid;
	__s32 ret;
	char comm[16];
	char path[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct call);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} opens SEC(".maps");

__u32 target, user;
_Bool failed_only;
__u64 lost;

SEC("tracepoint/syscalls/sys_enter_openat")
int sys_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 tid = (__u32)id;
	struct call call;

	if (target && id >> 32 != target)
		return 0;
	if (user != 0xffffffff && (__u32)bpf_get_current_uid_gid() != user)
		return 0;
	call.path = ctx->args[1];
	bpf_map_update_elem(&started, &tid, &call, BPF_ANY);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int sys_exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 tid = (__u32)id;
	struct call *call = bpf_map_lookup_elem(&started, &tid);
	struct event *event;

	if (!call)
		return 0;
	if (!failed_only || ctx->ret < 0) {
		event = bpf_ringbuf_reserve(&opens, sizeof(*event), 0);
		if (event) {
			event->time = bpf_ktime_get_ns();
			event->pid = id >> 32;
			event->uid = bpf_get_current_uid_gid();
			event->ret = ctx->ret;
			bpf_get_current_comm(&event->comm, sizeof(event->comm));
			bpf_probe_read_user_str(&event->path, sizeof(event->path), (void *)call->path);
			bpf_ringbuf_submit(event, 0);
		} else {
			__sync_fetch_and_add(&lost, 1);
		}
	}
	bpf_map_delete_elem(&started, &tid);
	return 0;
}
