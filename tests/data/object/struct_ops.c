// A TCP congestion control: one struct_ops with a link, one without, one optional, members of every kind.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;
struct rate_sample;

// A part of the kernel's struct, members in another order, as CO-RE allows.
struct tcp_congestion_ops___mine {
	char name[16];
	void (*init)(struct sock *sk);
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void *no_such_member;
};

SEC("struct_ops")
__u32 BPF_PROG(mine_ssthresh, struct sock *sk)
{
	return 5;
}

SEC("struct_ops")
__u32 BPF_PROG(mine_undo_cwnd, struct sock *sk)
{
	return 7;
}

SEC("struct_ops")
void BPF_PROG(mine_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops")
void BPF_PROG(mine_init, struct sock *sk)
{
}

SEC(".struct_ops.link")
struct tcp_congestion_ops___mine waggle_link = {
	.name = "waggle_link",
	.init = (void *)mine_init,
	.ssthresh = (void *)mine_ssthresh,
	.undo_cwnd = (void *)mine_undo_cwnd,
	.cong_avoid = (void *)mine_cong_avoid,
};

SEC(".struct_ops")
struct tcp_congestion_ops___mine waggle_map = {
	.name = "waggle_map",
	.ssthresh = (void *)mine_ssthresh,
	.undo_cwnd = (void *)mine_undo_cwnd,
	.cong_avoid = (void *)mine_cong_avoid,
};

char LICENSE[] SEC("license") = "GPL";
