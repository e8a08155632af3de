// Externs: kconfig values of every type, virtual ones, kernel symbols with and without type, strong and weak, kfuncs.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>


extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool LINUX_HAS_BPF_COOKIE __kconfig __weak;
extern _Bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_BPF_JIT __kconfig __weak;
extern int CONFIG_HZ __kconfig __weak;
extern char CONFIG_DEFAULT_HOSTNAME[16] __kconfig __weak;
extern int CONFIG_WAGGLE_NO_SUCH_OPTION __kconfig __weak;
extern unsigned long CONFIG_ILLEGAL_POINTER_VALUE __kconfig __weak;

struct rq { int nr_running; };
struct task_struct {} __attribute__((preserve_access_index));
extern const void bpf_prog_put __ksym;
extern const void waggle_no_such_symbol __ksym __weak;
extern const struct rq runqueues __ksym;
extern const int waggle_no_such_variable __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void waggle_no_such_kfunc(int x) __ksym __weak;

__u64 prog_put;

SEC("tp_btf/sys_enter")
int kfuncs(void *ctx)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	if ((void *)waggle_no_such_kfunc)
		waggle_no_such_kfunc(1);
	return 0;
}

SEC("socket")
int returns_version(struct __sk_buff *skb)
{
	return LINUX_KERNEL_VERSION;
}

SEC("socket")
int returns_1_kconfig(struct __sk_buff *skb)
{
	if (!CONFIG_BPF_SYSCALL || CONFIG_WAGGLE_NO_SUCH_OPTION)
		return 2;
	if (!LINUX_HAS_BPF_COOKIE && CONFIG_HZ == -7)
		return 4;
	return 1 + (CONFIG_HZ < 0) + (CONFIG_DEFAULT_HOSTNAME[0] == 1) + (CONFIG_BPF_JIT == 77) + (CONFIG_ILLEGAL_POINTER_VALUE == 3);
}

SEC("socket")
int returns_1_ksyms(struct __sk_buff *skb)
{
	prog_put = (__u64)&bpf_prog_put;
	if (&waggle_no_such_symbol || &waggle_no_such_variable)
		return 3;
	return 1;
}

SEC("raw_tp/sys_enter")
int percpu(void *ctx)
{
	return bpf_per_cpu_ptr(&runqueues, 0) ? 1 : 2;
}

char LICENSE[] SEC("license") = "GPL";
