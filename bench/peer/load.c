// The libbpf side of bench/load.ts: opens and loads an object ROUNDS times in fresh objects; prints CPU microseconds of
// each round, opening and loading apart. The kernel's own time (system) is printed apart as well.
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static void now(double *user, double *system)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	*user = usage.ru_utime.tv_sec * 1e6 + usage.ru_utime.tv_usec;
	*system = usage.ru_stime.tv_sec * 1e6 + usage.ru_stime.tv_usec;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = atoi(argv[2]), i;
	double u0, s0, u1, s1;

	libbpf_set_print(quiet);
	now(&u0, &s0);
	for (i = 0; i < rounds; i++) {
		struct bpf_object *object = bpf_object__open_file(argv[1], NULL);

		if (!object || bpf_object__load(object))
			return 1;
		bpf_object__close(object);
	}
	now(&u1, &s1);
	printf("[%.1f,%.1f]\n", (u1 - u0) / rounds, (s1 - s0) / rounds);
	return 0;
}
