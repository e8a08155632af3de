// A global function that takes the context of whatever program calls it: tagged, since void * alone tells the verifier
// nothing. Called from programs of two types.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef __arg_ctx
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#endif

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

// A helper that takes nothing but a context as its first argument.
__attribute__((noinline)) int output(void *ctx __arg_ctx, int value)
{
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &value, sizeof(value));
	return value;
}

SEC("raw_tp/sys_enter")
int from_raw_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return output(ctx, 1);
}

SEC("xdp")
int from_xdp(struct xdp_md *ctx)
{
	return output(ctx, 2);
}

char LICENSE[] SEC("license") = "GPL";
