// XDP: counts packets and bytes of an interface, drops what is longer than `max_length` (0: nothing).
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 packets = 0;
__u64 bytes = 0;
__u32 max_length = 0;

SEC("xdp")
int count(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;

	__sync_fetch_and_add(&packets, 1);
	__sync_fetch_and_add(&bytes, length);
	return max_length && length > max_length ? XDP_DROP : XDP_PASS;
}

SEC("?xdp.frags")
int with_frags(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&packets, 1);
	return XDP_PASS;
}
