// Tracepoints: counts getppid(2) of one process on entry, and keeps what getpgid(2) returned.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u32 target = 0;
__u64 hits = 0;
__s64 last_return = 0;

SEC("tracepoint/syscalls/sys_enter_getppid")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == target)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("tp/syscalls/sys_exit_getpgid")
int leave(struct trace_event_raw_sys_exit *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == target)
		last_return = ctx->ret;
	return 0;
}
