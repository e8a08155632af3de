// Every map kind that Linux 5.10 can create without a helper program, each with its own parameters.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct key {
	__u32 a;
	__u16 b;
	__u16 c;
};

struct value {
	__u64 count;
	__s32 delta;
	char name[12];
};

#define MAP(NAME, TYPE, KEY, VALUE, ENTRIES, FLAGS) \
	struct { \
		__uint(type, TYPE); \
		__uint(max_entries, ENTRIES); \
		__uint(map_flags, FLAGS); \
		__type(key, KEY); \
		__type(value, VALUE); \
	} NAME SEC(".maps")

MAP(a_hash, BPF_MAP_TYPE_HASH, struct key, struct value, 128, 0);
MAP(a_hash_lazy, BPF_MAP_TYPE_HASH, __u64, __u64, 64, BPF_F_NO_PREALLOC);
MAP(an_array, BPF_MAP_TYPE_ARRAY, __u32, struct value, 16, 0);
MAP(an_array_mmap, BPF_MAP_TYPE_ARRAY, __u32, __u64, 512, BPF_F_MMAPABLE);
MAP(a_percpu_hash, BPF_MAP_TYPE_PERCPU_HASH, __u32, struct value, 32, 0);
MAP(a_percpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 4, 0);
MAP(an_lru_hash, BPF_MAP_TYPE_LRU_HASH, __u32, __u64, 64, 0);
MAP(an_lru_percpu_hash, BPF_MAP_TYPE_LRU_PERCPU_HASH, __u32, __u64, 64, 0);

struct prefix {
	__u32 length;
	__u8 address[4];
};

MAP(an_lpm_trie, BPF_MAP_TYPE_LPM_TRIE, struct prefix, __u32, 64, BPF_F_NO_PREALLOC);

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8);
	__type(value, __u32);
} a_queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 8);
	__uint(value_size, 4);
} a_stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 127 * 8);
} a_stack_trace SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} a_ringbuf SEC(".maps");

// Entries 0: the loader takes the number of possible CPUs.
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} a_perf_event_array SEC(".maps");

MAP(a_prog_array, BPF_MAP_TYPE_PROG_ARRAY, __u32, __u32, 8, 0);
MAP(a_cgroup_array, BPF_MAP_TYPE_CGROUP_ARRAY, __u32, __u32, 8, 0);
MAP(a_devmap, BPF_MAP_TYPE_DEVMAP, __u32, __u32, 8, 0);
MAP(a_devmap_hash, BPF_MAP_TYPE_DEVMAP_HASH, __u32, __u32, 8, 0);
MAP(a_cpumap, BPF_MAP_TYPE_CPUMAP, __u32, __u32, 8, 0);
MAP(a_sockmap, BPF_MAP_TYPE_SOCKMAP, __u32, __u64, 8, 0);
MAP(a_sockhash, BPF_MAP_TYPE_SOCKHASH, __u32, __u64, 8, 0);
MAP(an_xskmap, BPF_MAP_TYPE_XSKMAP, __u32, __u32, 8, 0);
MAP(a_reuseport_array, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, __u32, __u64, 8, 0);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NUMA_NODE | BPF_F_NO_PREALLOC);
	__uint(numa_node, 0);
	__type(key, __u32);
	__type(value, __u32);
} a_numa_hash SEC(".maps");
