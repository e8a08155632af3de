// A program array filled statically; dispatch() jumps to slot `which` and returns -1 where there is no program.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

int first(struct __sk_buff *skb);
int second(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} jumps SEC(".maps") = {
	.values = { [0] = (void *)&first, [3] = (void *)&second },
};

__u32 which = 0;

SEC("socket")
int first(struct __sk_buff *skb)
{
	return 11;
}

SEC("socket")
int second(struct __sk_buff *skb)
{
	return 22;
}

SEC("socket")
int dispatch(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &jumps, which);
	return -1;
}
