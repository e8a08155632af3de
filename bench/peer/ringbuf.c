/* The C side of bench/ringbuf.ts: drains the same ring, filled by the same program, with libbpf. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct event {
	unsigned long long seq, ts;
	unsigned pid, cpu;
	int ret;
	unsigned flags;
	char comm[16];
};

static unsigned long long count, sum;

static int on_none(void *ctx, void *data, size_t size)
{
	count++;
	return 0;
}

static int on_all(void *ctx, void *data, size_t size)
{
	struct event e;

	memcpy(&e, data, sizeof(e));
	count++;
	sum += e.seq + e.ts + e.pid + e.cpu + e.ret + e.flags + strnlen(e.comm, sizeof(e.comm));
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Arguments: map id, program id, events per fill, rounds. Prints ns per event: none all fill. */
int main(int argc, char **argv)
{
	int map = bpf_map_get_fd_by_id(atoi(argv[1])), prog = bpf_prog_get_fd_by_id(atoi(argv[2]));
	int fill = atoi(argv[3]), rounds = atoi(argv[4]);
	char packet[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet), .repeat = fill);
	ring_buffer_sample_fn callbacks[] = { on_none, on_all };
	double best[2] = { 1e18, 1e18 }, filling = 1e18;

	for (int i = 0; i < 2 * rounds; i++) {
		struct ring_buffer *ring = ring_buffer__new(map, callbacks[i % 2], NULL, NULL);
		double start = now(), mid, end;

		if (bpf_prog_test_run_opts(prog, &run))
			return 1;
		mid = now();
		count = 0;
		ring_buffer__consume(ring);
		end = now();
		if (count != (unsigned long long)fill)
			return 2;
		if ((end - mid) / fill < best[i % 2])
			best[i % 2] = (end - mid) / fill;
		if ((mid - start) / fill < filling)
			filling = (mid - start) / fill;
		ring_buffer__free(ring);
	}
	printf("%.2f %.2f %.2f %llu\n", best[0], best[1], filling, sum & 1);
	return 0;
}
