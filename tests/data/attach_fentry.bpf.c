// Trampolines (5.5): the arguments and the result of a kernel function, typed. Runs through BPF_PROG_TEST_RUN, too.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u64 enters = 0;
__u64 returns = 0;
__s32 last_argument = 0;
__s32 last_result = 0;

SEC("fentry/bpf_fentry_test1")
int BPF_PROG(enter, int a)
{
	enters += 1;
	last_argument = a;
	return 0;
}

SEC("fexit/bpf_fentry_test1")
int BPF_PROG(leave, int a, int result)
{
	returns += 1;
	last_result = result;
	return 0;
}
