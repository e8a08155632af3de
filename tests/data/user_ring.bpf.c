// A user ring buffer (6.1): adds up the 8-byte numbers that the script wrote.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_dynptr {
	__u64 opaque[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} commands SEC(".maps");

__u64 total = 0;

static long take(struct bpf_dynptr *record, void *context)
{
	__u64 number = 0;

	if (!bpf_dynptr_read(&number, sizeof(number), record, 0, 0))
		total += number;
	return 0;
}

SEC("raw_tp/sys_enter")
int drain(void *ctx)
{
	bpf_user_ringbuf_drain(&commands, take, (void *)0, 0);
	return 0;
}
