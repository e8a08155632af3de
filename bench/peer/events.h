/* What peer/ringbuf.c and peer/perfbuf.c share: the events of bench/events.ts and the ways to read them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct small {
	unsigned long long ts;
	unsigned pid, cpu;
};

struct middle {
	struct small small;
	unsigned long long seq;
	int ret;
	unsigned flags;
	char comm[16];
};

struct large {
	struct middle middle;
	char path[208];
};

static unsigned long long count, sum;

static void read_none(const void *data)
{
	count++;
}

static void read_small(const void *data)
{
	const struct small *e = data;

	count++;
	sum += e->pid + e->cpu + (e->ts < 5);
}

static void read_middle(const void *data)
{
	const struct middle *e = data;

	count++;
	sum += e->small.pid + e->small.cpu + e->ret + e->flags + (e->small.ts < e->seq);
}

static void all_small(const void *data)
{
	struct small e;

	memcpy(&e, data, sizeof(e));
	read_small(&e);
}

static void all_middle(const void *data)
{
	struct middle e;

	memcpy(&e, data, sizeof(e));
	read_middle(&e);
	sum += strnlen(e.comm, sizeof(e.comm));
}

static void all_large(const void *data)
{
	struct large e;

	memcpy(&e, data, sizeof(e));
	read_middle(&e);
	sum += strnlen(e.middle.comm, sizeof(e.middle.comm)) + strnlen(e.path, sizeof(e.path));
}

static void (*reader(int size, const char *way))(const void *)
{
	if (!strcmp(way, "none"))
		return read_none;
	if (!strcmp(way, "integers"))
		return size == 16 ? read_small : read_middle;
	return size == 16 ? all_small : size == 48 ? all_middle : all_large;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void (*read_event)(const void *);

/* A buffer: opened once, filled and drained each round. */
struct buffer {
	void *(*open)(int map);
	void (*drain)(void *buffer);
	void (*free)(void *buffer);
};

/*
 * Arguments: map id, program id, events per fill, size, way. For each line of standard input it fills and drains once, and
 * prints ns of CPU per event: of draining, of filling.
 */
static int compare(char **argv, const struct buffer *buffer)
{
	int map = bpf_map_get_fd_by_id(atoi(argv[1])), prog = bpf_prog_get_fd_by_id(atoi(argv[2]));
	int fill = atoi(argv[3]);
	char packet[64] = {}, line[16];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet), .repeat = fill);
	void *opened = buffer->open(map);

	if (!opened)
		return 1;
	read_event = reader(atoi(argv[4]), argv[5]);
	while (fgets(line, sizeof(line), stdin)) {
		double start = now(), mid, end;

		if (bpf_prog_test_run_opts(prog, &run))
			return 1;
		mid = now();
		count = 0;
		buffer->drain(opened);
		end = now();
		if (count != (unsigned long long)fill)
			return 2;
		printf("%.2f %.2f\n", (end - mid) / fill, (mid - start) / fill);
		fflush(stdout);
	}
	buffer->free(opened);
	return sum == 1;
}
