// What modules offer: kernel functions of nf_conntrack and nf_nat in one program (two descriptors in fd_array), a type
// that only the module veth has, and a function of that module to trace. Linux 6.1 and later.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct nf_conn {};
struct nf_conn___init {};
union nf_inet_addr {
	__u32 all[4];
};
enum nf_nat_manip_type {
	NF_NAT_MANIP_SRC,
	NF_NAT_MANIP_DST,
};

// `struct bpf_ct_opts` as of 6.1; later kernels take its size of then as well.
struct bpf_ct_opts___v1 {
	s32 netns_id;
	s32 error;
	u8 l4proto;
	u8 dir;
	u8 reserved[2];
};

struct waggle_tuple {
	__u32 saddr;
	__u32 daddr;
	__u16 sport;
	__u16 dport;
};

struct bpf_sock_tuple {
	struct waggle_tuple ipv4;
};

struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, u32 size,
				  struct bpf_ct_opts___v1 *opts, u32 opts_size) __ksym;
struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, u32 size,
					struct bpf_ct_opts___v1 *opts, u32 opts_size) __ksym;
int bpf_ct_set_nat_info(struct nf_conn___init *ct, union nf_inet_addr *addr, int port,
			enum nf_nat_manip_type manip) __ksym;
void bpf_ct_set_timeout(struct nf_conn___init *ct, u32 timeout) __ksym;
struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym;
void bpf_ct_release(struct nf_conn *ct) __ksym;

static void fill(struct bpf_sock_tuple *tuple, struct bpf_ct_opts___v1 *opts)
{
	tuple->ipv4.saddr = bpf_get_prandom_u32();
	tuple->ipv4.daddr = bpf_get_prandom_u32();
	tuple->ipv4.sport = bpf_get_prandom_u32();
	tuple->ipv4.dport = bpf_get_prandom_u32();
	opts->netns_id = -1;
	opts->l4proto = 6;
}

// The errno of a connection that is not there: 2.
SEC("?tc")
int look_up(struct __sk_buff *skb)
{
	struct bpf_ct_opts___v1 opts = {};
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *ct;

	fill(&tuple, &opts);
	ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!ct)
		return -opts.error;
	bpf_ct_release(ct);
	return 0;
}

// Makes a connection with an address to translate to, and finds it: 77.
SEC("?tc")
int translate(struct __sk_buff *skb)
{
	struct bpf_ct_opts___v1 opts = {};
	struct bpf_sock_tuple tuple = {};
	union nf_inet_addr address = {};
	struct nf_conn___init *made;
	struct nf_conn *ct;

	fill(&tuple, &opts);
	made = bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!made)
		return 1;
	bpf_ct_set_timeout(made, 10000);
	address.all[0] = bpf_get_prandom_u32();
	bpf_ct_set_nat_info(made, &address, 5, NF_NAT_MANIP_SRC);
	ct = bpf_ct_insert_entry(made);
	if (!ct)
		return 2;
	bpf_ct_release(ct);
	ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!ct)
		return 3;
	bpf_ct_release(ct);
	return 77;
}

// Found only in the module's own types.
struct veth_priv {
	struct net_device *peer;
	struct veth_rq *rq;
} __attribute__((preserve_access_index));

__u32 exists = 0;
__u32 rq_offset = 0;
__u64 sent = 0;

SEC("?fentry/veth_xmit")
int BPF_PROG(trace_module, void *skb, void *dev)
{
	__sync_fetch_and_add(&sent, 1);
	return 0;
}

SEC("?tc")
int describe(struct __sk_buff *skb)
{
	exists = bpf_core_type_exists(struct veth_priv);
	rq_offset = bpf_core_field_offset(struct veth_priv, rq);
	return exists;
}
