// Typed kernel variables (5.10): a per-CPU one read through bpf_per_cpu_ptr() and bpf_this_cpu_ptr().
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct rq {
	int cpu;
} __attribute__((preserve_access_index));

extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym __weak;
extern const struct rq waggle_missing_rq __ksym __weak;

__s32 cpu_of_rq0 = -1;
bool has_missing = true;

SEC("raw_tp/sys_enter")
int read_rq(void *ctx)
{
	struct rq *rq = bpf_per_cpu_ptr(&runqueues, 0);

	if (rq)
		cpu_of_rq0 = rq->cpu;
	has_missing = &waggle_missing_rq != 0;
	return 0;
}
