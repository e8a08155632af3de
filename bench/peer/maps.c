/* The C side of bench/maps.ts: the same operations on the same maps, with libbpf. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static unsigned long long sum;
static int map, percpu, structs, entries, cpus;

struct value {
	unsigned long long packets, bytes;
	unsigned last, flags;
};

static void lookup(void)
{
	unsigned long long value;

	for (unsigned key = 0; key < (unsigned)entries; key++)
		if (!bpf_map_lookup_elem(map, &key, &value))
			sum += value;
}

static void update(void)
{
	for (unsigned key = 0; key < (unsigned)entries; key++) {
		unsigned long long value = key;

		bpf_map_update_elem(map, &key, &value, BPF_ANY);
	}
}

static void iterate(void)
{
	unsigned key, next, *previous = NULL;
	unsigned long long value;

	while (!bpf_map_get_next_key(map, previous, &next)) {
		if (!bpf_map_lookup_elem(map, &next, &value))
			sum += value + next;
		key = next;
		previous = &key;
	}
}

static void batch(void)
{
	static unsigned keys[16384];
	static unsigned long long values[16384];
	unsigned cursor = 0, count;
	int err, first = 1;

	do {
		count = 16384;
		err = bpf_map_lookup_batch(map, first ? NULL : &cursor, &cursor, keys, values, &count, NULL);
		for (unsigned i = 0; i < count; i++)
			sum += keys[i] + values[i];
		first = 0;
	} while (!err);
}

static void update_batch(void)
{
	static unsigned keys[16384];
	static unsigned long long values[16384];

	for (unsigned done = 0; done < (unsigned)entries;) {
		unsigned count = entries - done < 16384 ? entries - done : 16384;

		for (unsigned i = 0; i < count; i++)
			values[i] = keys[i] = done + i;
		done += count;
		bpf_map_update_batch(map, keys, values, &count, NULL);
	}
}

static void percpu_sums(void)
{
	unsigned long long values[256];

	for (unsigned key = 0; key < (unsigned)entries / 10; key++)
		if (!bpf_map_lookup_elem(percpu, &key, values))
			for (int cpu = 0; cpu < cpus; cpu++)
				sum += values[cpu];
}

static void structs_single(void)
{
	unsigned key, next, *previous = NULL;
	struct value value;

	while (!bpf_map_get_next_key(structs, previous, &next)) {
		if (!bpf_map_lookup_elem(structs, &next, &value))
			sum += next + value.last + value.flags + (value.packets > 5);
		key = next;
		previous = &key;
	}
}

static void structs_batch(void)
{
	static unsigned keys[8192];
	static struct value values[8192];
	unsigned cursor = 0, count;
	int err, first = 1;

	do {
		count = 8192;
		err = bpf_map_lookup_batch(structs, first ? NULL : &cursor, &cursor, keys, values, &count, NULL);
		for (unsigned i = 0; i < count; i++)
			sum += keys[i] + values[i].last + values[i].flags + (values[i].packets > 5);
		first = 0;
	} while (!err);
}

/*
 * Arguments: id of the hash map, of the per-CPU map, of that of structs, entries, CPUs. For each line of standard input, the
 * number of a test, runs it once and prints ns of CPU per element.
 */
int main(int argc, char **argv)
{
	static void (*const tests[])(void) = { lookup, update, iterate, batch, update_batch, percpu_sums,
					       structs_single, structs_batch };
	char line[16];

	map = bpf_map_get_fd_by_id(atoi(argv[1]));
	percpu = bpf_map_get_fd_by_id(atoi(argv[2]));
	structs = bpf_map_get_fd_by_id(atoi(argv[3]));
	entries = atoi(argv[4]);
	cpus = atoi(argv[5]);
	while (fgets(line, sizeof(line), stdin)) {
		void (*test)(void) = tests[atoi(line)];
		double start = now();

		test();
		printf("%.2f\n", (now() - start) / (test == percpu_sums ? entries / 10 : entries));
		fflush(stdout);
	}
	return sum == 1;
}
