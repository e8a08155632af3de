// CO-RE on fields, against local flavours of made-up types whose target layout is in core_target.bpf.c: offset, size,
// existence, signedness and bitfields, through nesting, arrays, unions and anonymous members.
// The programs write what they found to `out`, or 0xbad for what the target lacks.
// build: eb
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct waggle_inner {
	int a;
	int b;
};

struct waggle_outer {
	int first;
	struct waggle_inner inner;
	struct waggle_inner list[4];
	union {
		int as_int;
		char as_bytes[4];
	};
	struct {
		long deep;
	};
	unsigned int flag_a : 1;
	unsigned int flag_b : 3;
	int signed_bits : 5;
	short grew;
	char *pointer;
};

// The part after ___ is not part of the name: both flavours mean struct waggle_outer.
struct waggle_outer___old {
	int gone_in_target;
	int first;
};

#pragma clang attribute pop

struct result {
	__u64 offsets[8];
	__u64 sizes[4];
	__u64 exists[4];
	__u64 is_signed[4];
	__u64 bits[3];
};

struct result out;

SEC("?raw_tp/sys_enter")
int offsets(void *ctx)
{
	struct waggle_outer *o = 0;

	out.offsets[0] = bpf_core_field_offset(o->first);
	out.offsets[1] = bpf_core_field_offset(o->inner.b);
	out.offsets[2] = bpf_core_field_offset(o->list[2].a);
	out.offsets[3] = bpf_core_field_offset(o->as_int);
	out.offsets[4] = bpf_core_field_offset(o->as_bytes[3]);
	out.offsets[5] = bpf_core_field_offset(o->deep);
	out.offsets[6] = bpf_core_field_offset(o->grew);
	out.offsets[7] = bpf_core_field_offset(o->pointer);
	return 0;
}

SEC("?raw_tp/sys_enter")
int sizes(void *ctx)
{
	struct waggle_outer *o = 0;
	struct waggle_outer___old *old = 0;

	out.sizes[0] = bpf_core_field_size(o->inner);
	out.sizes[1] = bpf_core_field_size(o->list);
	out.sizes[2] = bpf_core_field_size(o->grew);
	out.sizes[3] = bpf_core_field_size(o->pointer);
	out.exists[0] = bpf_core_field_exists(o->grew);
	out.exists[1] = bpf_core_field_exists(old->first);
	out.exists[2] = bpf_core_field_exists(old->gone_in_target);
	out.exists[3] = bpf_core_field_exists(o->list[3].b);
	out.is_signed[0] = __builtin_preserve_field_info(o->first, BPF_FIELD_SIGNED);
	out.is_signed[1] = __builtin_preserve_field_info(o->flag_b, BPF_FIELD_SIGNED);
	out.is_signed[2] = __builtin_preserve_field_info(o->signed_bits, BPF_FIELD_SIGNED);
	out.is_signed[3] = __builtin_preserve_field_info(o->grew, BPF_FIELD_SIGNED);
	return 0;
}

SEC("?raw_tp/sys_enter")
int bitfields(struct waggle_outer *o)
{
	out.bits[0] = BPF_CORE_READ_BITFIELD_PROBED(o, flag_a);
	out.bits[1] = BPF_CORE_READ_BITFIELD_PROBED(o, flag_b);
	out.bits[2] = BPF_CORE_READ_BITFIELD_PROBED(o, signed_bits);
	return 0;
}

// Reads guarded by existence: the branch that the target lacks must become harmless, not an error.
SEC("?raw_tp/sys_enter")
int guarded(struct waggle_outer___old *o)
{
	if (bpf_core_field_exists(o->gone_in_target))
		return BPF_CORE_READ(o, gone_in_target);
	return 0xbad;
}

// Not guarded: the load has to fail with the name of the field.
SEC("?raw_tp/sys_enter")
int unguarded(struct waggle_outer___old *o)
{
	return BPF_CORE_READ(o, gone_in_target);
}
