// CO-RE against the running kernel: the process reads its own task_struct, with a field that was renamed on the way.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

// Linux commit 2f064a59a11f ("sched: Change task_struct::state") (in v5.14) renamed it.
struct task_struct___old {
	volatile long state;
} __attribute__((preserve_access_index));

struct task_struct___new {
	unsigned int __state;
} __attribute__((preserve_access_index));

__u32 target = 0;
__u32 tgid = 0;
__u32 parent = 0;
__u32 uid = 0;
__u32 state_fields = 0;
__u32 task_size = 0;
char comm[16];

SEC("raw_tp/sys_enter")
int read_task(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (bpf_get_current_pid_tgid() >> 32 != target)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	parent = BPF_CORE_READ(task, real_parent, tgid);
	uid = BPF_CORE_READ(task, cred, uid.val);
	BPF_CORE_READ_STR_INTO(&comm, task, comm);
	task_size = bpf_core_type_size(struct task_struct);
	state_fields = bpf_core_field_exists(struct task_struct___old, state) |
		       bpf_core_field_exists(struct task_struct___new, __state) << 1;
	return 0;
}
