// Globals of every section, of scalar, array, struct, string and enum type; sum() returns what it read and writes back.
// build: eb
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum mode { MODE_OFF, MODE_ON = 7 };

struct point {
	__s32 x;
	__s32 y;
	__u64 weight;
};

__u64 in_bss;
__u32 in_data = 5;
static volatile __u32 static_data = 6;
const volatile __u32 in_rodata = 7;
const volatile enum mode mode = MODE_ON;
const volatile bool enabled = true;
const volatile char name[16] = "waggle";
struct point points[3] = { { 1, -2, 3 }, { 4, -5, 6 } };
__s8 small = -3;
__s64 wide = -5000000000LL;

__u64 hot SEC(".data.hot") = 8;
const volatile __u32 limit SEC(".rodata.limits") = 9;

__u64 runs;

SEC("socket")
int sum(struct __sk_buff *skb)
{
	__u64 total = in_bss + in_data + static_data + in_rodata + hot + limit;

	if (enabled && mode == MODE_ON && name[0] == 'w')
		total += points[0].weight + points[1].x + small;
	wide += 1;
	runs += 1;
	in_bss = total;
	return total;
}
