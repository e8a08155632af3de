// Kernel probes on sched_getaffinity(), which sched_getaffinity(2) calls. One program has no target.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u32 target = 0;
__u64 enters = 0;
__u64 returns = 0;
__u64 others = 0;
__u64 last_cookie = 0;

SEC("kprobe/sched_getaffinity")
int enter(struct pt_regs *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == target)
		__sync_fetch_and_add(&enters, 1);
	return 0;
}

SEC("kretprobe/sched_getaffinity")
int leave(struct pt_regs *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == target)
		__sync_fetch_and_add(&returns, 1);
	return 0;
}

SEC("kprobe")
int any(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&others, 1);
	return 0;
}

// The cookie needs Linux 5.15.
SEC("?kprobe")
int with_cookie(struct pt_regs *ctx)
{
	last_cookie = bpf_get_attach_cookie(ctx);
	return 0;
}
