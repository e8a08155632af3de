// Static probes with arguments, through libbpf's usdt.bpf.h: places of arguments come from a map that attaching fills.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "GPL";

__u64 hits = 0;
__s64 count = 0;
__s64 values[12] = {};
__s64 cookie = 0;

SEC("usdt")
int all(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	count = bpf_usdt_arg_cnt(ctx);
	cookie = bpf_usdt_cookie(ctx);
	for (int i = 0; i < 12; i++) {
		long value = 0;
		bpf_usdt_arg(ctx, i, &value);
		values[i] = value;
	}
	return 0;
}

__s64 sum = 0;

SEC("?usdt")
int BPF_USDT(add, int a, long b)
{
	__sync_fetch_and_add(&hits, 1);
	sum += a + b;
	return 0;
}
