// Slot of a histogram.
unsigned long long slot(unsigned long long value)
{
	unsigned long long r, shift;

	if (value == 0)
		return 0;
	r = (value > 0xffffffff) << 5; value >>= r;
	shift = (value > 0xffff) << 4; value >>= shift; r |= shift;
	shift = (value > 0xff) << 3; value >>= shift; r |= shift;
	shift = (value > 0xf) << 2; value >>= shift; r |= shift;
	shift = (value > 0x3) << 1; value >>= shift; r |= shift;
	return (r | (value >> 1)) + 1;
}
