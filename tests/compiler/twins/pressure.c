// More values across a call than there are registers.
typedef unsigned long long u64;
static u64 (*now)(void) = (void *)5;

u64 pressure(volatile u64 *p)
{
	u64 a = p[0], b = p[1], c = p[2], d = p[3], e = p[4], f = p[5], t = now();

	p[6] = a * b; p[7] = c * d; p[8] = e * f;
	t += now();
	return a + b + c + d + e + f + t;
}
