// An arena (6.9): map_extra is its address, which takes 64 bits and so another form in the definition.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#ifndef __ulong
#define __ulong(name, val) enum { ___bpf_concat(__unique_value_, __LINE__) = val } name
#endif

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4);
	__ulong(map_extra, 0x1ull << 44);
} an_arena SEC(".maps");
