// Functions: static and global, in .text and beside the program, used by two programs of one section, and by each other.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

static __noinline __u64 twice(__u64 x)
{
	return x + x;
}

// Global: the verifier checks it on its own, for any argument.
__noinline int plus_one(int x)
{
	return twice(x) - x + 1;
}

__noinline __weak int weak_ten(void)
{
	return 10;
}

SEC("socket")
int one(struct __sk_buff *skb)
{
	return plus_one(1) + twice(skb->len);
}

// In the section of the programs, not in .text.
SEC("socket")
__noinline int beside(int x)
{
	return x + 100;
}

SEC("socket")
int two(struct __sk_buff *skb)
{
	return weak_ten() + plus_one(5);
}

SEC("?raw_tp/sys_enter")
int not_autoloaded(void *ctx)
{
	return 3;
}
