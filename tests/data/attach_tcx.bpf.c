// tcx (6.6): traffic control by a link, both directions.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 received = 0;
__u64 sent = 0;

SEC("tcx/ingress")
int tcx_ingress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&received, 1);
	return TC_ACT_UNSPEC;
}

SEC("tcx/egress")
int tcx_egress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&sent, 1);
	return TC_ACT_UNSPEC;
}
