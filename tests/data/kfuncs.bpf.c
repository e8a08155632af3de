// Kernel functions called from BPF: bpf_rcu_read_lock() (6.2), bpf_task_from_pid() (6.2), and a weak one that is missing.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern int waggle_no_such_kfunc(int x) __ksym __weak;

__u32 target = 0;
__u32 found = 0;
bool missing_is_null = false;

SEC("tp_btf/sys_enter")
int BPF_PROG(call_kfuncs, struct pt_regs *regs, long id)
{
	struct task_struct *task;

	if (bpf_get_current_pid_tgid() >> 32 != target)
		return 0;
	if (waggle_no_such_kfunc)
		return waggle_no_such_kfunc(1);
	missing_is_null = true;
	if (!bpf_task_from_pid || !bpf_task_release)
		return 0;
	bpf_rcu_read_lock();
	task = bpf_task_from_pid(target);
	if (task) {
		found = task->tgid;
		bpf_task_release(task);
	}
	bpf_rcu_read_unlock();
	return 0;
}
