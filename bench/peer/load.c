// The libbpf side of bench/load.ts. CPU microseconds, those inside system calls apart: every call of libc through which
// libbpf and libelf reach the kernel is defined here and timed on the thread's CPU clock, as load.ts times its own.
// (getrusage's split into user and system is sampled by the timer tick: of no use below 4 ms.)
//
//   load plan FILE...      prints, for each object that libbpf can load, a line `PATH<TAB>PROGRAM,PROGRAM...`: `*` if
//                          everything loads together, else those programs that load alone and with each other
//   load run ROUNDS PLAN   loads each object of the plan in turn, ROUNDS times; prints a line `USER KERNEL` for each,
//                          the mean of all rounds but the first
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIN_PATH "/sys/fs/bpf/waggle_bench"
#define MAX_OBJECTS 4096

static double kernel;
static long calls;

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
	long result;

	asm volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

static double now(clockid_t clock)
{
	struct timespec t;

	raw(SYS_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static long timed(long nr, long a, long b, long c, long d, long e, long f)
{
	double start = now(CLOCK_THREAD_CPUTIME_ID);
	long result = raw(nr, a, b, c, d, e, f);

	kernel += now(CLOCK_THREAD_CPUTIME_ID) - start;
	calls++;
	if (result < 0 && result > -4096) {
		errno = -result;
		return -1;
	}
	return result;
}

#define A(x) ((long)(x))

long syscall(long nr, ...)
{
	va_list l;
	long v[6];

	va_start(l, nr);
	for (int i = 0; i < 6; i++)
		v[i] = va_arg(l, long);
	va_end(l);
	return timed(nr, v[0], v[1], v[2], v[3], v[4], v[5]);
}

#define OPEN(name)                                                                                                     \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list l;                                                                                             \
		int mode;                                                                                              \
                                                                                                                       \
		va_start(l, flags);                                                                                    \
		mode = va_arg(l, int);                                                                                 \
		va_end(l);                                                                                             \
		return timed(SYS_openat, AT_FDCWD, A(path), flags, mode, 0, 0);                                        \
	}
OPEN(open)
OPEN(open64)

int close(int fd) { return timed(SYS_close, fd, 0, 0, 0, 0, 0); }
ssize_t read(int fd, void *to, size_t n) { return timed(SYS_read, fd, A(to), n, 0, 0, 0); }
ssize_t __read_chk(int fd, void *to, size_t n, size_t room) { return timed(SYS_read, fd, A(to), n, 0, 0, 0); }
ssize_t pread(int fd, void *to, size_t n, off_t at) { return timed(SYS_pread64, fd, A(to), n, at, 0, 0); }
ssize_t pread64(int fd, void *to, size_t n, off_t at) { return timed(SYS_pread64, fd, A(to), n, at, 0, 0); }
ssize_t __pread64_chk(int fd, void *to, size_t n, off_t at, size_t room)
{
	return timed(SYS_pread64, fd, A(to), n, at, 0, 0);
}
int fstat(int fd, struct stat *to) { return timed(SYS_fstat, fd, A(to), 0, 0, 0, 0); }
int fstat64(int fd, struct stat64 *to) { return timed(SYS_fstat, fd, A(to), 0, 0, 0, 0); }
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	return (void *)timed(SYS_mmap, A(at), n, prot, flags, fd, offset);
}
void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	return (void *)timed(SYS_mmap, A(at), n, prot, flags, fd, offset);
}
// Older libbpf reads the kernel's types through stdio, whose own system calls cannot be replaced: large reads go
// straight into the caller's memory, so that the whole call is nearly all kernel.
size_t fread(void *to, size_t size, size_t count, FILE *file)
{
	static size_t (*next)(void *, size_t, size_t, FILE *);
	double start;
	size_t result;

	if (!next)
		next = dlsym(RTLD_NEXT, "fread");
	start = now(CLOCK_THREAD_CPUTIME_ID);
	result = next(to, size, count, file);
	kernel += now(CLOCK_THREAD_CPUTIME_ID) - start;
	calls++;
	return result;
}
int munmap(void *at, size_t n) { return timed(SYS_munmap, A(at), n, 0, 0, 0, 0); }

// What timing costs outside of the timed part, by call.
static double timing_cost(void)
{
	double total = now(CLOCK_PROCESS_CPUTIME_ID), inside;

	kernel = 0;
	for (int i = 0; i < 20000; i++)
		timed(SYS_close, -1, 0, 0, 0, 0, 0);
	inside = kernel;
	total = now(CLOCK_PROCESS_CPUTIME_ID) - total;
	return (total - inside) / 20000;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

// Whether the name is in a list of names between commas, or the list is `*`.
static bool listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	if (!strcmp(list, "*"))
		return true;
	for (const char *at = list; (at = strstr(at, name)); at += length)
		if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length]))
			return true;
	return false;
}

static int load(const char *path, const char *programs)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = PIN_PATH);
	struct bpf_object *object = bpf_object__open_file(path, &opts);
	struct bpf_program *program;
	int error;

	if (!object)
		return -1;
	if (strcmp(programs, "*"))
		bpf_object__for_each_program(program, object)
			bpf_program__set_autoload(program, listed(programs, bpf_program__name(program)));
	error = bpf_object__load(object);
	bpf_object__close(object);
	return error;
}

static void plan(const char *path)
{
	static char list[1 << 16];
	struct bpf_object *object;
	struct bpf_program *program;

	if (!load(path, "*")) {
		printf("%s\t*\n", path);
		return;
	}
	object = bpf_object__open_file(path, NULL);
	if (!object)
		return;
	list[0] = 0;
	bpf_object__for_each_program(program, object) {
		const char *name = bpf_program__name(program);

		if (!load(path, name) && strlen(list) + strlen(name) + 2 < sizeof(list))
			strcat(strcat(list, list[0] ? "," : ""), name);
	}
	bpf_object__close(object);
	if (!load(path, list))
		printf("%s\t%s\n", path, list);
}

static int run(int rounds, const char *file)
{
	static char *paths[MAX_OBJECTS], *programs[MAX_OBJECTS];
	static double user[MAX_OBJECTS], system[MAX_OBJECTS];
	double cost = timing_cost();
	int count = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen(file, "r");

	while (f && count < MAX_OBJECTS && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		paths[count] = strdup(strtok(line, "\t"));
		line = strtok(NULL, "\t");
		programs[count++] = strdup(line ? line : "");
		line = NULL;
		size = 0;
	}
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < count; i++) {
			double start = now(CLOCK_PROCESS_CPUTIME_ID), total;

			kernel = 0;
			calls = 0;
			if (load(paths[i], programs[i])) {
				fprintf(stderr, "%s does not load\n", paths[i]);
				return 1;
			}
			total = now(CLOCK_PROCESS_CPUTIME_ID) - start;
			if (round == 0 && rounds > 1)
				continue;
			user[i] += total - kernel - calls * cost;
			system[i] += kernel;
		}
	}
	for (int i = 0; i < count; i++)
		printf("%.2f %.2f\n", user[i] / (rounds > 1 ? rounds - 1 : 1), system[i] / (rounds > 1 ? rounds - 1 : 1));
	return 0;
}

int main(int argc, char **argv)
{
	libbpf_set_print(quiet);
	if (argc == 4 && !strcmp(argv[1], "run"))
		return run(atoi(argv[2]), argv[3]);
	for (int i = 2; i < argc; i++) {
		// libbpf 1.1 dies of a struct_ops map without its programs: one process for each.
		if (fork() == 0) {
			plan(argv[i]);
			exit(0);
		}
		wait(NULL);
	}
	return 0;
}
