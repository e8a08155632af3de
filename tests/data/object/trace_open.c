// A tracepoint program with a ring buffer, a hash map, typed globals and a constant: the usual shape of a tool.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u32 pid;
	__u32 tid;
	char comm[16];
};

// Without a variable of the type, clang leaves it out of the BTF.
const struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

const volatile __u32 targ_pid = 0;
__u64 seen = 0;
__u32 step = 3;
static volatile __u32 hidden_total = 7;

SEC("tracepoint/syscalls/sys_enter_getpid")
int on_getpid(void *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32;
	struct event *e;
	__u64 one = 1, *n;

	if (targ_pid && targ_pid != pid)
		return 0;
	seen += step;
	hidden_total += 1;
	n = bpf_map_lookup_elem(&counts, &pid);
	if (n)
		*n += 1;
	else
		bpf_map_update_elem(&counts, &pid, &one, BPF_ANY);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	e->pid = pid;
	e->tid = id;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
