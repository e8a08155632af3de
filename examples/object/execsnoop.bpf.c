// SPDX-License-Identifier: MIT OR Apache-2.0
// Reports every execve(2) and execveat(2) with its arguments when it returns. Loaded by execsnoop.ts.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MAX_ARGS 20
#define ARG_SIZE 128

char LICENSE[] SEC("license") = "Dual MIT/GPL";

const volatile bool include_failed = false;
const volatile __u32 target_uid = -1;

// Events that found no room in the ring.
__u64 lost = 0;

struct event {
	__u64 time_ns;
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	int ret;
	// How many arguments `args` holds; one more than MAX_ARGS says that there were more.
	__u32 argc;
	char comm[16];
	// Each argument in its own slot, ended by NUL.
	char args[MAX_ARGS][ARG_SIZE];
};
const struct event *unused_event __attribute__((unused));

// 2.6 kB do not fit the 512 bytes of a BPF stack, so the event under construction lives in a map.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct event);
} execs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} zero SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

static __always_inline int enter(const char *const *argv)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id, slot = 0;
	__u32 uid = bpf_get_current_uid_gid();
	struct event *event, *blank;

	if (target_uid != (__u32)-1 && target_uid != uid)
		return 0;
	blank = bpf_map_lookup_elem(&zero, &slot);
	if (!blank || bpf_map_update_elem(&execs, &tid, blank, BPF_ANY))
		return 0;
	event = bpf_map_lookup_elem(&execs, &tid);
	if (!event)
		return 0;

	event->pid = id >> 32;
	event->uid = uid;
	event->ppid = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), real_parent, tgid);
	for (int i = 0; i <= MAX_ARGS; i++) {
		const char *arg = NULL;

		if (bpf_probe_read_user(&arg, sizeof(arg), &argv[i]) || !arg)
			break;
		event->argc = i + 1;
		if (i < MAX_ARGS)
			bpf_probe_read_user_str(event->args[i], ARG_SIZE, arg);
	}
	return 0;
}

static __always_inline int leave(long ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct event *event = bpf_map_lookup_elem(&execs, &tid);

	if (!event)
		return 0;
	if (ret == 0 || include_failed) {
		event->time_ns = bpf_ktime_get_ns();
		event->ret = ret;
		bpf_get_current_comm(&event->comm, sizeof(event->comm));
		if (bpf_ringbuf_output(&events, event, sizeof(*event), 0))
			__sync_fetch_and_add(&lost, 1);
	}
	bpf_map_delete_elem(&execs, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_execve")
int enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *const *)ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_execveat")
int enter_execveat(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *const *)ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_execve")
int exit_execve(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int exit_execveat(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}
