// SPDX-License-Identifier: MIT OR Apache-2.0
// Reports every open(2), openat(2) and openat2(2) when it returns. Loaded by opensnoop.ts.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

// Set by the script before loading: the verifier then removes the branches of filters that are off.
const volatile __u32 target_pid = 0;
const volatile __u32 target_uid = -1;
const volatile bool failed_only = false;

// Events that found no room in the ring.
__u64 lost = 0;

struct event {
	__u64 time_ns;
	__u32 pid;
	__u32 uid;
	int ret;
	int flags;
	char comm[16];
	char path[256];
};
// Keeps struct event in BTF although no map names it.
const struct event *unused_event __attribute__((unused));

struct call {
	const char *path;
	int flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

static __always_inline int enter(const char *path, int flags)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	struct call call = { .path = path, .flags = flags };

	if (target_pid && target_pid != id >> 32)
		return 0;
	if (target_uid != (__u32)-1 && target_uid != (__u32)bpf_get_current_uid_gid())
		return 0;
	bpf_map_update_elem(&calls, &tid, &call, BPF_ANY);
	return 0;
}

static __always_inline int leave(long ret)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	struct call *call = bpf_map_lookup_elem(&calls, &tid);
	struct event *event;

	if (!call)
		return 0;
	if (failed_only && ret >= 0)
		goto out;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		goto out;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->pid = id >> 32;
	event->uid = bpf_get_current_uid_gid();
	event->ret = ret;
	event->flags = call->flags;
	bpf_get_current_comm(&event->comm, sizeof(event->comm));
	// Read on return, not on entry: by then the page that holds the path has been faulted in.
	if (bpf_probe_read_user_str(&event->path, sizeof(event->path), call->path) < 0)
		event->path[0] = 0;
	bpf_ringbuf_submit(event, 0);
out:
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

// `?`: open(2) does not exist on arm64, openat2(2) not before Linux 5.6; the script loads what is there.
SEC("?tracepoint/syscalls/sys_enter_open")
int enter_open(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[0], ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[1], ctx->args[2]);
}

SEC("?tracepoint/syscalls/sys_enter_openat2")
int enter_openat2(struct trace_event_raw_sys_enter *ctx)
{
	struct open_how how = {};

	bpf_probe_read_user(&how, sizeof(how), (void *)ctx->args[2]);
	return enter((const char *)ctx->args[1], how.flags);
}

SEC("?tracepoint/syscalls/sys_exit_open")
int exit_open(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("?tracepoint/syscalls/sys_exit_openat2")
int exit_openat2(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}
