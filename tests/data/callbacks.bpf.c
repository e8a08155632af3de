// Functions handed to helpers: bpf_for_each_map_elem (5.13), bpf_loop (5.17), bpf_timer_set_callback (5.15).
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct timed {
	struct bpf_timer timer;
	__u64 fired;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timed);
} timers SEC(".maps");

static long add_element(void *map, __u32 *key, __u64 *value, __u64 *total)
{
	*total += *value;
	return 0;
}

SEC("?socket")
int for_each(struct __sk_buff *skb)
{
	__u64 total = 0;

	bpf_for_each_map_elem(&numbers, add_element, &total, 0);
	return total;
}

static long add_index(__u32 index, __u64 *total)
{
	*total += index;
	return index == 9;
}

SEC("?socket")
int loop(struct __sk_buff *skb)
{
	__u64 total = 0;

	bpf_loop(100, add_index, &total, 0);
	return total;
}

static int on_timer(void *map, __u32 *key, struct timed *value)
{
	value->fired += 1;
	return 0;
}

SEC("?tc")
int start_timer(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct timed *value = bpf_map_lookup_elem(&timers, &zero);

	if (!value)
		return -1;
	bpf_timer_init(&value->timer, &timers, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&value->timer, on_timer);
	return bpf_timer_start(&value->timer, 1000, 0);
}
