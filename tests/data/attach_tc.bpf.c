// Traffic control classifiers for both directions.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 received = 0;
__u64 sent = 0;
__u32 drop_mark = 0;

SEC("tc")
int ingress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&received, 1);
	return TC_ACT_OK;
}

SEC("tc")
int egress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&sent, 1);
	return drop_mark && skb->mark == drop_mark ? TC_ACT_SHOT : TC_ACT_OK;
}
