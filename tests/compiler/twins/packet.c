// The destination port of an IPv4 UDP packet, or 0.
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
struct xdp_md { u32 data, data_end; };

u64 packet(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(u64)ctx->data, *end = (u8 *)(u64)ctx->data_end, *udp;

	if (data + 14 > end)
		return 0;
	if (*(u16 *)(data + 12) != 8)
		return 0;
	if (data + 34 > end)
		return 0;
	if (data[23] != 17)
		return 0;
	udp = data + 14 + (data[14] & 15) * 4;
	if (udp + 8 > end)
		return 0;
	return __builtin_bswap16(*(u16 *)(udp + 2));
}
