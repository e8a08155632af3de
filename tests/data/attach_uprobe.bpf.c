// User probes on libc, found by name: abs() on entry, its result on return; one program without a target of its own.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u64 enters = 0;
__u64 returns = 0;
__s32 last_result = 0;
__u64 last_cookie = 0;
__u64 anywhere = 0;

SEC("uprobe/libc.so.6:abs")
int enter(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&enters, 1);
	return 0;
}

SEC("uretprobe/libc.so.6:abs")
int leave(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&returns, 1);
	last_result = PT_REGS_RC(ctx);
	return 0;
}

SEC("uprobe")
int any(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&anywhere, 1);
	return 0;
}

// The cookie needs Linux 5.15.
SEC("?uprobe")
int with_cookie(struct pt_regs *ctx)
{
	last_cookie = bpf_get_attach_cookie(ctx);
	return 0;
}
