// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts packets and bytes by protocol on an interface, and drops the protocols it is told to. Loaded by xdp-count.ts.
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_ARP 0x0806
// Keys above every IP protocol number.
#define KEY_ARP 256
#define KEY_OTHER 257

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 258);
	__type(key, __u32);
	__type(value, struct traffic);
} traffic SEC(".maps");

// A protocol that is in here is dropped.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u8);
} dropped SEC(".maps");

static __always_inline __u32 protocol_of(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);

	if ((void *)(eth + 1) > end)
		return KEY_OTHER;
	switch (bpf_ntohs(eth->h_proto)) {
	case ETH_P_IP:
		return (void *)(ip + 1) > end ? KEY_OTHER : ip->protocol;
	case ETH_P_IPV6:
		return (void *)(ip6 + 1) > end ? KEY_OTHER : ip6->nexthdr;
	case ETH_P_ARP:
		return KEY_ARP;
	default:
		return KEY_OTHER;
	}
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 key = protocol_of(data, end);
	struct traffic *traffic_of = bpf_map_lookup_elem(&traffic, &key);

	if (traffic_of) {
		traffic_of->packets++;
		traffic_of->bytes += end - data;
	}
	return bpf_map_lookup_elem(&dropped, &key) ? XDP_DROP : XDP_PASS;
}
