// SPDX-License-Identifier: MIT OR Apache-2.0
// What examples/tcpconnect.ts does, in C.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
	__u32 pid;
	__u16 family;
	__u16 port;
	char comm[16];
	__u8 address4[4];
	__u8 address6[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} connects SEC(".maps");

SEC("tracepoint/sock/inet_sock_set_state")
int inet_sock_set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct event *event;

	if (ctx->protocol != 6 || ctx->newstate != 2)
		return 0;
	event = bpf_ringbuf_reserve(&connects, sizeof(*event), 0);
	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->family = ctx->family;
	event->port = ctx->dport;
	bpf_get_current_comm(&event->comm, sizeof(event->comm));
	// Copied with memcpy, clang computes an address in the context, which the verifier refuses.
	bpf_probe_read_kernel(event->address4, 4, ctx->daddr);
	bpf_probe_read_kernel(event->address6, 16, ctx->daddr_v6);
	bpf_ringbuf_submit(event, 0);
	return 0;
}
