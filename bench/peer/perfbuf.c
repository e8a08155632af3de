/* The C side of bench/perfbuf.ts: reads the same perf event array, filled by the same program, with libbpf. */
#include "events.h"

static void on_sample(void *ctx, int cpu, void *data, unsigned size)
{
	read_event(data);
}

static void *open_buffer(int map)
{
	return perf_buffer__new(map, (16 << 20) / 4096, on_sample, NULL, NULL, NULL);
}

static void drain(void *buffer)
{
	perf_buffer__consume(buffer);
}

static void free_buffer(void *buffer)
{
	perf_buffer__free(buffer);
}

int main(int argc, char **argv)
{
	return compare(argv, &(struct buffer){ open_buffer, drain, free_buffer });
}
