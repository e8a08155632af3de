// Calls of every form: static and global functions, .text and elsewhere, a callback, one subprogram of two programs,
// recursion-free chains, a program that nobody autoloads. test_run() of each returns what its name says.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 calls;

static __attribute__((noinline)) int leaf(int x)
{
	calls += 1;
	return x + 1;
}

__attribute__((noinline)) int middle(int x)
{
	calls += 10;
	return leaf(x) + leaf(x + 1);
}

__weak __attribute__((noinline)) int weak_fn(int x)
{
	calls += 100;
	return x * 2;
}

static int on_step(__u32 index, void *ctx)
{
	int *sum = ctx;

	*sum += leaf(index);
	return 0;
}

__attribute__((noinline)) int unused(int x)
{
	return x - 1;
}

SEC("socket")
int returns_5(struct __sk_buff *skb)
{
	return middle(1);
}

SEC("socket")
int returns_8(struct __sk_buff *skb)
{
	return weak_fn(2) + weak_fn(2);
}

SEC("socket")
int returns_10(struct __sk_buff *skb)
{
	int sum = 0;

	bpf_loop(4, on_step, &sum, 0);
	return sum;
}

SEC("?socket")
int not_autoloaded(struct __sk_buff *skb)
{
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
