// A queueing discipline that drops every packet.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct Qdisc;
struct nlattr;
struct netlink_ext_ack;
struct bpf_sk_buff_ptr;

extern void bpf_qdisc_skb_drop(struct sk_buff *skb, struct bpf_sk_buff_ptr *to_free) __ksym;

// The part of the kernel's struct that is set.
struct Qdisc_ops___part {
	char id[16];
	int (*enqueue)(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free);
	struct sk_buff *(*dequeue)(struct Qdisc *sch);
	int (*init)(struct Qdisc *sch, struct nlattr *arg, struct netlink_ext_ack *extack);
	void (*reset)(struct Qdisc *sch);
	void (*destroy)(struct Qdisc *sch);
};

__u64 drops = 0;

SEC("struct_ops")
int BPF_PROG(waggle_enqueue, struct sk_buff *skb, struct Qdisc *sch, struct bpf_sk_buff_ptr *to_free)
{
	__sync_fetch_and_add(&drops, 1);
	bpf_qdisc_skb_drop(skb, to_free);
	return 1; // NET_XMIT_DROP
}

SEC("struct_ops")
struct sk_buff *BPF_PROG(waggle_dequeue, struct Qdisc *sch)
{
	return (void *)0;
}

SEC("struct_ops")
int BPF_PROG(waggle_init, struct Qdisc *sch, struct nlattr *arg, struct netlink_ext_ack *extack)
{
	return 0;
}

SEC("struct_ops")
void BPF_PROG(waggle_reset, struct Qdisc *sch)
{
}

SEC("struct_ops")
void BPF_PROG(waggle_destroy, struct Qdisc *sch)
{
}

SEC(".struct_ops.link")
struct Qdisc_ops___part discipline = {
	.id = "waggle_drop",
	.enqueue = (void *)waggle_enqueue,
	.dequeue = (void *)waggle_dequeue,
	.init = (void *)waggle_init,
	.reset = (void *)waggle_reset,
	.destroy = (void *)waggle_destroy,
};
