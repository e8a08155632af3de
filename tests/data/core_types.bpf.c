// CO-RE on types: existence, size, match, local and target id.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#ifndef bpf_core_type_matches
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*(typeof(type) *)0, 2)
#endif

struct waggle_exists {
	int x;
	int y;
};

// Same name, but a member's kind differs from the target's: it exists and does not match.
struct waggle_exists___mismatch {
	int x;
	char *y;
};

struct waggle_missing {
	int x;
};

typedef long waggle_typedef;

struct result {
	__u64 exists[4];
	__u64 size[2];
	__u64 matches[3];
	__u64 local_id;
	__u64 target_id;
};

struct result out;

SEC("?raw_tp/sys_enter")
int types(void *ctx)
{
	out.exists[0] = bpf_core_type_exists(struct waggle_exists);
	out.exists[1] = bpf_core_type_exists(struct waggle_missing);
	out.exists[2] = bpf_core_type_exists(waggle_typedef);
	out.exists[3] = bpf_core_type_exists(struct task_struct);
	out.size[0] = bpf_core_type_size(struct waggle_exists);
	out.size[1] = bpf_core_type_size(struct waggle_missing);
	out.matches[0] = bpf_core_type_matches(struct waggle_exists);
	out.matches[1] = bpf_core_type_matches(struct waggle_exists___mismatch);
	out.matches[2] = bpf_core_type_matches(struct waggle_missing);
	out.local_id = bpf_core_type_id_local(struct waggle_exists);
	out.target_id = bpf_core_type_id_kernel(struct waggle_exists);
	return 0;
}
