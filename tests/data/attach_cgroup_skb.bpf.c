// cgroup_skb: counts packets of a cgroup's sockets; while `block` is set none leaves.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 received = 0;
__u64 sent = 0;
// Not a bool: the verifier must see that only 0 and 1 are returned, and `!block` of a byte may be any.
__u32 block = 0;

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&received, 1);
	return 1;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&sent, 1);
	return block ? 0 : 1;
}
