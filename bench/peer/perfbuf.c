/* The C side of bench/perfbuf.ts: reads the same perf event array, filled by the same program, with libbpf. */
#include "events.h"
#include <linux/perf_event.h>

/* A wake-up each 1000 events, as on the other side: one for each takes 7 us. */
static enum bpf_perf_event_ret on_event(void *ctx, int cpu, struct perf_event_header *event)
{
	struct {
		struct perf_event_header header;
		unsigned size;
		char data[];
	} *sample = (void *)event;

	if (event->type == PERF_RECORD_SAMPLE)
		read_event(sample->data);
	return LIBBPF_PERF_EVENT_CONT;
}

static void *open_buffer(int map)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1000,
		.wakeup_events = 1000,
	};

	return perf_buffer__new_raw(map, (16 << 20) / 4096, &attr, on_event, NULL, NULL);
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
