// SPDX-License-Identifier: MIT OR Apache-2.0
// The peer of bench/startup.ts: loads an object with libbpf, attaches it, waits for the first event of its ring
// buffer "events", and prints CPU milliseconds and peak memory in KiB since the process started.
#include <bpf/libbpf.h>
#include <stdio.h>
#include <sys/resource.h>

static int seen(void *context, void *data, size_t size)
{
	return 1;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
	struct bpf_program *program;
	struct ring_buffer *ring;
	struct rusage usage;

	if (!object || bpf_object__load(object))
		return 1;
	bpf_object__for_each_program(program, object)
		if (bpf_program__autoload(program) && !bpf_program__attach(program))
			return 1;
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), seen, NULL, NULL);
	while (ring_buffer__poll(ring, 1000) == 0)
		;
	getrusage(RUSAGE_SELF, &usage);
	printf("%.1f %ld\n",
	       (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
		       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3,
	       usage.ru_maxrss);
	return 0;
}
