// Sums positive values of an array.
typedef unsigned long long u64; typedef int s32;

u64 sum(s32 *values, u64 count)
{
	u64 total = 0;

	if (count > 64)
		count = 64;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < count; i++) {
		s32 value = ((volatile s32 *)values)[i];
		if (value > 0)
			total += value;
	}
	return total;
}
