// Programs that the verifier refuses, each for another reason; none is loaded unless asked for.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

// Not an array: of one the newest kernels know that a constant index is never null.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64[4]);
} values SEC(".maps");

SEC("?socket")
int null_deref(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	return *value; // not compared with null
}

SEC("?socket")
int out_of_bounds(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	return value ? value[skb->len] : 0; // any index
}

SEC("?socket")
int unbounded_loop(struct __sk_buff *skb)
{
	volatile __u32 i = 0;

	while (skb->len != i)
		i += 2;
	return i;
}

SEC("?socket")
int wrong_helper(struct __sk_buff *skb)
{
	return bpf_redirect_map(&values, 0, 0); // needs a device map and XDP
}

SEC("?raw_tp/sys_enter")
int leaked_pointer(struct bpf_raw_tracepoint_args *ctx)
{
	return *(int *)ctx->args[0]; // a kernel address is a number here
}
