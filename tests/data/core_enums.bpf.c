// CO-RE on enumerators: existence and value, 32 and 64 bits wide.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

enum waggle_mode { WAGGLE_OFF = 0, WAGGLE_ON = 1, WAGGLE_GONE = 2 };

enum waggle_wide { WAGGLE_BIG = 0x100000000LL, WAGGLE_MINUS = -1 };

struct result {
	__u64 exists[3];
	__u64 value[2];
	__s64 wide[2];
	__u64 gone;
};

struct result out;

SEC("?raw_tp/sys_enter")
int enums(void *ctx)
{
	out.exists[0] = bpf_core_enum_value_exists(enum waggle_mode, WAGGLE_ON);
	out.exists[1] = bpf_core_enum_value_exists(enum waggle_mode, WAGGLE_GONE);
	out.exists[2] = bpf_core_enum_value_exists(enum waggle_wide, WAGGLE_BIG);
	out.value[0] = bpf_core_enum_value(enum waggle_mode, WAGGLE_OFF);
	out.value[1] = bpf_core_enum_value(enum waggle_mode, WAGGLE_ON);
	out.wide[0] = bpf_core_enum_value(enum waggle_wide, WAGGLE_BIG);
	out.wide[1] = bpf_core_enum_value(enum waggle_wide, WAGGLE_MINUS);
	if (bpf_core_enum_value_exists(enum waggle_mode, WAGGLE_GONE))
		out.gone = bpf_core_enum_value(enum waggle_mode, WAGGLE_GONE);
	else
		out.gone = 0xbad;
	return 0;
}
