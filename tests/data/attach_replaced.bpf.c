// A program with a global function that attach_freplace.bpf.c replaces; two programs call the same one.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__attribute__((noinline)) int choose(struct __sk_buff *skb)
{
	volatile int answer = 7;
	return answer;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	return choose(skb);
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return choose(skb) + 100;
}
