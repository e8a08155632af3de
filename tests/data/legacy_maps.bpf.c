// The `maps` section of the time before BTF-defined maps: two structs with different sizes of the definition.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_map_def {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int map_flags;
};

struct bpf_map_def SEC("maps") counts = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = sizeof(__u32),
	.value_size = sizeof(__u64),
	.max_entries = 16,
};

struct bpf_map_def SEC("maps") slots = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(__u64),
	.max_entries = 4,
};

SEC("socket")
int count(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 one = 1, *slot = bpf_map_lookup_elem(&slots, &key);

	if (slot)
		__sync_fetch_and_add(slot, 1);
	bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	return slot ? 1 : 0;
}
