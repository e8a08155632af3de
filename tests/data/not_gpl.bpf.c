// A licence that is not GPL, with a helper only for GPL programs: refused with a message that says so.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Proprietary";

SEC("raw_tp/sys_enter")
int needs_gpl(void *ctx)
{
	char word[8];

	return bpf_probe_read_kernel(word, sizeof(word), ctx);
}
