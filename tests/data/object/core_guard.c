// A CO-RE access to a field that no kernel has: guarded (loads), and not (the error names it). Also the other markers:
// a weak kfunc that is missing, and reading the task this program runs in.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct task_struct___no_such_kernel {
	int no_such_field;
} __attribute__((preserve_access_index));

extern void waggle_no_such_kfunc(int x) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} unmade SEC(".maps");

__u32 my_tgid = 0;
__u32 seen_tgid = 0;

SEC("raw_tp/sys_enter")
int guarded(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct___no_such_kernel *other = (void *)task;

	my_tgid = bpf_get_current_pid_tgid() >> 32;
	seen_tgid = BPF_CORE_READ(task, tgid);
	if (bpf_core_field_exists(other->no_such_field))
		return BPF_CORE_READ(other, no_such_field);
	return seen_tgid == my_tgid ? 0 : __LINE__;
}

SEC("?raw_tp/sys_enter")
int unguarded(void *ctx)
{
	struct task_struct___no_such_kernel *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, no_such_field);
}

SEC("?tp_btf/sys_enter")
int calls_missing(void *ctx)
{
	waggle_no_such_kfunc(1);
	return 0;
}

SEC("?socket")
int uses_unmade(void *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&unmade, &key) ? 1 : 0;
}

SEC("?socket")
int out_of_bounds(struct __sk_buff *skb)
{
	char *value = (char *)(long)skb->len;

	return *value;
}

SEC("?fentry/no_such_kernel_function_anywhere")
int no_target(void *ctx)
{
	return 0;
}

SEC("?no_such_section")
int no_section(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
