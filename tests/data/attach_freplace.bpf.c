// Replaces `choose` of attach_replaced.bpf.c while it is attached.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 runs = 0;

SEC("freplace/choose")
int replacement(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&runs, 1);
	return 42;
}
