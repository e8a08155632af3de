// Storage that belongs to a socket, inode, task or cgroup. Kernels: sk 5.2, inode 5.10 (needs the BPF LSM), task 5.11,
// cgroup 6.2; the older cgroup storages 4.19.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct value {
	__u64 hits;
};

#define STORAGE(NAME, TYPE) \
	struct { \
		__uint(type, TYPE); \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, int); \
		__type(value, struct value); \
	} NAME SEC(".maps")

STORAGE(sk_storage, BPF_MAP_TYPE_SK_STORAGE);
STORAGE(inode_storage, BPF_MAP_TYPE_INODE_STORAGE);
STORAGE(task_storage, BPF_MAP_TYPE_TASK_STORAGE);
STORAGE(cgrp_storage, BPF_MAP_TYPE_CGRP_STORAGE);

struct cgroup_key {
	__u64 cgroup_inode_id;
	__u32 attach_type;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct cgroup_key);
	__type(value, struct value);
} cgroup_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, struct cgroup_key);
	__type(value, struct value);
} percpu_cgroup_storage SEC(".maps");
