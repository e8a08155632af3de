// Raw tracepoints: counts the system calls of one process whose number is `number`.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u32 target = 0;
__u64 number = 0;
__u64 hits = 0;

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == target && ctx->args[1] == number)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}
