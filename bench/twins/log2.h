// SPDX-License-Identifier: MIT OR Apache-2.0
// The bucket of a log2 histogram, as src/compiler/definitions.ts numbers them.
static __always_inline __u32 log2_slot(__s64 value)
{
	__u64 v = value;
	__u32 slot = 2, shift;

	if (value < 0)
		return 0;
	if (v == 0)
		return 1;
	shift = (v > 0xffffffff) << 5; v >>= shift; slot += shift;
	shift = (v > 0xffff) << 4; v >>= shift; slot += shift;
	shift = (v > 0xff) << 3; v >>= shift; slot += shift;
	shift = (v > 0xf) << 2; v >>= shift; slot += shift;
	shift = (v > 0x3) << 1; v >>= shift; slot += shift;
	return slot + (v >> 1);
}
