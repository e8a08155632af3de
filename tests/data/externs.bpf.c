// Externs: kernel configuration values, kernel symbols with and without a type, strong and weak.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_NET __kconfig;
extern int CONFIG_HZ __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[32] __kconfig __weak;
extern bool CONFIG_WAGGLE_IS_NOT_AN_OPTION __kconfig __weak;

extern const void schedule __ksym;
extern const void waggle_no_such_symbol __ksym __weak;

__u32 kernel_version = 0;
bool bpf_syscall = false;
__u32 net = 0;
__u32 hz = 0;
char first_letter = 0;
__u64 missing_option = 0;
__u64 schedule_address = 0;
__u64 missing_address = 0;

SEC("raw_tp/sys_enter")
int read_externs(void *ctx)
{
	kernel_version = LINUX_KERNEL_VERSION;
	bpf_syscall = CONFIG_BPF_SYSCALL;
	net = CONFIG_NET;
	hz = CONFIG_HZ;
	first_letter = CONFIG_DEFAULT_HOSTNAME[0];
	missing_option = CONFIG_WAGGLE_IS_NOT_AN_OPTION;
	schedule_address = (__u64)&schedule;
	missing_address = (__u64)&waggle_no_such_symbol;
	return 0;
}
