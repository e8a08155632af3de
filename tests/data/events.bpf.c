// Producers: a ring buffer and a perf event array that get one record for each test run, numbered.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
	__u64 number;
	__u32 pid;
	__s32 delta;
	char comm[16];
	bool odd;
};

// Keeps struct event in BTF although no map names it.
const struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16384);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

// How many records one run makes, and with which flags (BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP).
__u32 batch = 1;
__u64 flags = 0;
__u64 sent = 0;
__u64 dropped = 0;

// The verifier has to see the end of every loop; runs of 4096 records are enough to fill the ring.
#define MAX_BATCH 4096

static __always_inline void fill(struct event *event)
{
	event->number = sent;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->delta = -(__s32)sent;
	event->odd = sent & 1;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

SEC("raw_tp/sys_enter")
int to_ring(void *ctx)
{
	for (__u32 i = 0; i < MAX_BATCH && i < batch; i++) {
		struct event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

		if (!event) {
			dropped += 1;
			break;
		}
		fill(event);
		sent += 1;
		bpf_ringbuf_submit(event, flags);
	}
	return 0;
}

SEC("raw_tp/sys_enter")
int to_perf(void *ctx)
{
	for (__u32 i = 0; i < MAX_BATCH && i < batch; i++) {
		struct event event = {};

		fill(&event);
		if (bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &event, sizeof(event)))
			dropped += 1;
		else
			sent += 1;
	}
	return 0;
}

// One record of each way to end a reservation: submitted, discarded, and copied with bpf_ringbuf_output.
SEC("raw_tp/sys_enter")
int ring_ways(void *ctx)
{
	struct event copied = { .number = 1003 }, *event;

	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (event) {
		fill(event);
		event->number = 1001;
		bpf_ringbuf_submit(event, 0);
	}
	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (event)
		bpf_ringbuf_discard(event, 0);
	bpf_ringbuf_output(&ring, &copied, sizeof(copied), 0);
	return 0;
}
