// A zeroed section with a name of its own, which libbpf knows since 1.4.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u32 scratch[4] SEC(".bss.scratch");

SEC("socket")
int sum(struct __sk_buff *skb)
{
	scratch[0] += 1;
	return scratch[0] + scratch[3];
}
