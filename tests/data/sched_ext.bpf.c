// A scheduler that leaves everything to the kernel (one global queue), and counts how often tasks run.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

// The part of the kernel's struct that is set.
struct sched_ext_ops___part {
	void (*running)(struct task_struct *p);
	char name[128];
};

__u64 runs = 0;

SEC("struct_ops")
void BPF_PROG(waggle_running, struct task_struct *p)
{
	__sync_fetch_and_add(&runs, 1);
}

SEC(".struct_ops.link")
struct sched_ext_ops___part scheduler = {
	.running = (void *)waggle_running,
	.name = "waggle",
};
