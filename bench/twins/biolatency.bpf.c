// SPDX-License-Identifier: MIT OR Apache-2.0
// What examples/biolatency.ts does, in C.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "log2.h"

char LICENSE[] SEC("license") = "GPL";

struct request_key {
	__u32 dev;
	__u64 sector;
};

struct bucket_key {
	__u32 dev;
	__u32 slot;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct request_key);
	__type(value, __u64);
} issued SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct bucket_key);
	__type(value, __u64);
} latency SEC(".maps");

SEC("tracepoint/block/block_rq_issue")
int block_rq_issue(struct trace_event_raw_block_rq *ctx)
{
	struct request_key key = { 0 };
	__u64 now = bpf_ktime_get_ns();

	key.dev = ctx->dev;
	key.sector = ctx->sector;
	bpf_map_update_elem(&issued, &key, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/block/block_rq_complete")
int block_rq_complete(struct trace_event_raw_block_rq_completion *ctx)
{
	struct request_key key = { 0 };
	struct bucket_key bucket;
	__u64 *at, *count, one = 1;

	key.dev = ctx->dev;
	key.sector = ctx->sector;
	at = bpf_map_lookup_elem(&issued, &key);
	if (!at || !*at)
		return 0;
	bucket.dev = key.dev;
	bucket.slot = log2_slot((bpf_ktime_get_ns() - *at) / 1000);
	count = bpf_map_lookup_elem(&latency, &bucket);
	if (count)
		*count += 1;
	else
		bpf_map_update_elem(&latency, &bucket, &one, BPF_NOEXIST);
	bpf_map_delete_elem(&issued, &key);
	return 0;
}
