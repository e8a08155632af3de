// BTF-typed raw tracepoint (5.5): counts the system calls of one process whose number is `number`.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u32 target = 0;
__s64 number = 0;
__u64 hits = 0;

SEC("tp_btf/sys_enter")
int BPF_PROG(enter, struct pt_regs *regs, long id)
{
	if (bpf_get_current_pid_tgid() >> 32 == target && id == number)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}
