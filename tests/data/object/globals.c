// Data sections of every kind, static and global, custom names, strings, and constants the verifier folds.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct conf { __u32 a; __u16 b; __u8 c[2]; __u64 d; };
enum mode { MODE_OFF, MODE_ON = 5, MODE_NEG = -3 };

int in_data = 10;
int in_bss;
static volatile int static_bss;
const volatile struct conf conf = { 1, 2, { 3, 4 }, 5 };
const volatile enum mode mode = MODE_ON;
const volatile char label[16] = "abc";
int custom_data SEC(".data.custom") = 20;
const volatile int custom_rodata SEC(".rodata.custom") = 30;
int custom_bss SEC(".bss.custom");
__s64 big = -1;
_Bool flag = 1;
static volatile const int only_static SEC(".rodata.only") = 4;

SEC("socket")
int returns_71(struct __sk_buff *skb)
{
	in_bss = in_data + conf.a + conf.b + mode;     // 18
	static_bss += 1;
	custom_bss = custom_data + custom_rodata;      // 50
	return in_bss + custom_bss + static_bss - 2 + only_static;
}

SEC("socket")
int returns_label_1(struct __sk_buff *skb)
{
	return label[1];
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
__u32 VERSION SEC("version") = 0x060100;
