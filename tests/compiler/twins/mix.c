// A hash of three values.
typedef unsigned int u32; typedef unsigned long long u64;
static inline u32 rol(u32 v, int n) { return v << n | v >> (32 - n); }

u64 mix(u32 *p)
{
	u32 a = p[0], b = p[1], c = p[2];

	c ^= b; c -= rol(b, 14);
	a ^= c; a -= rol(c, 11);
	b ^= a; b -= rol(a, 25);
	c ^= b; c -= rol(b, 16);
	a ^= c; a -= rol(c, 4);
	b ^= a; b -= rol(a, 14);
	c ^= b; c -= rol(b, 24);
	return c;
}
