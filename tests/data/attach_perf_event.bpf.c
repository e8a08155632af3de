// Sampling: counts the samples that hit one process, and those of any.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u32 target = 0;
__u64 hits = 0;
__u64 samples = 0;

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	__sync_fetch_and_add(&samples, 1);
	if (bpf_get_current_pid_tgid() >> 32 == target)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}
