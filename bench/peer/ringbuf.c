/* The C side of bench/ringbuf.ts: drains the same ring, filled by the same program, with libbpf. */
#include "events.h"

static int on_sample(void *ctx, void *data, size_t size)
{
	read_event(data);
	return 0;
}

static void *open_ring(int map)
{
	return ring_buffer__new(map, on_sample, NULL, NULL);
}

static void drain(void *ring)
{
	ring_buffer__consume(ring);
}

static void free_ring(void *ring)
{
	ring_buffer__free(ring);
}

int main(int argc, char **argv)
{
	return compare(argv, &(struct buffer){ open_ring, drain, free_ring });
}
