// SPDX-License-Identifier: MIT OR Apache-2.0
// What libbpf makes of BPF objects, one JSON line an object: the judge of the conformance tests.
//
//   oracle [-e] [-a] FILE...     -e loads each program alone as well, -a attaches what is loaded
//
// Each object is handled in a process of its own, so that a crash or a leak stays with it.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *messages;
static size_t messages_len;
static FILE *messages_file;

static int keep_message(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(messages_file, format, args) : 0;
}

static void print_string(const char *text)
{
	putchar('"');
	for (; text && *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 32 || c > 126)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_messages(void)
{
	fflush(messages_file);
	print_string(messages);
	rewind(messages_file);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int map_index(struct bpf_object *object, int fd)
{
	struct bpf_map *map;
	int index = 0;

	bpf_object__for_each_map(map, object) {
		if (bpf_map__fd(map) == fd)
			return index;
		index++;
	}
	return -1;
}

// Instructions as the kernel got them, with file descriptors replaced by what does not change from run to run: a map's
// fd by its index among the object's maps, a module's BTF fd by 1.
static void print_insns(struct bpf_object *object, struct bpf_program *program)
{
	const struct bpf_insn *insns = bpf_program__insns(program);
	size_t count = bpf_program__insn_cnt(program);

	putchar('"');
	for (size_t i = 0; i < count; i++) {
		struct bpf_insn insn = insns[i];
		const struct bpf_insn *first = i ? &insns[i - 1] : NULL;

		if (insn.code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    (insn.src_reg == BPF_PSEUDO_MAP_FD || insn.src_reg == BPF_PSEUDO_MAP_VALUE))
			insn.imm = map_index(object, insn.imm);
		if (first && first->code == (BPF_LD | BPF_IMM | BPF_DW) && first->src_reg == BPF_PSEUDO_BTF_ID && insn.imm)
			insn.imm = 1;
		for (size_t b = 0; b < sizeof(insn); b++)
			printf("%02x", ((unsigned char *)&insn)[b]);
	}
	putchar('"');
}

static void print_loaded(struct bpf_object *object, struct bpf_program *program)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_program__fd(program);

	printf("\"loaded\":%s", fd >= 0 ? "true" : "false");
	if (fd < 0)
		return;
	if (bpf_prog_get_info_by_fd(fd, &info, &size) == 0)
		printf(",\"verified\":%u,\"attachBtfId\":%u", info.verified_insns, info.attach_btf_id);
	printf(",\"insns\":");
	print_insns(object, program);
}

static void print_attached(struct bpf_program *program)
{
	struct bpf_link *link;

	errno = 0;
	link = bpf_program__attach(program);
	printf(",\"attach\":%d", link ? 0 : -errno);
	bpf_link__destroy(link);
}

static void print_maps(struct bpf_object *object)
{
	struct bpf_map *map;
	bool first = true;

	printf(",\"maps\":[");
	bpf_object__for_each_map(map, object) {
		printf("%s{\"name\":", first ? "" : ",");
		print_string(bpf_map__name(map));
		printf(",\"type\":%d,\"keySize\":%u,\"valueSize\":%u,\"maxEntries\":%u,\"flags\":%u,\"mapExtra\":\"%llu\",\"numaNode\":%u,\"autocreate\":%s,\"pinned\":%s}",
		       bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
		       bpf_map__map_flags(map), (unsigned long long)bpf_map__map_extra(map), bpf_map__numa_node(map),
		       bpf_map__autocreate(map) ? "true" : "false", bpf_map__pin_path(map) ? "true" : "false");
		first = false;
	}
	printf("]");
}

static void print_program_head(struct bpf_program *program)
{
	printf("{\"name\":");
	print_string(bpf_program__name(program));
	printf(",\"section\":");
	print_string(bpf_program__section_name(program));
	printf(",\"type\":%d,\"attachType\":%d,\"autoload\":%s,", bpf_program__type(program),
	       bpf_program__expected_attach_type(program), bpf_program__autoload(program) ? "true" : "false");
}

static void print_alone(const char *path, const char *name)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program, *wanted = NULL;
	int err;

	if (!object)
		return;
	bpf_object__for_each_program(program, object) {
		bool same = !strcmp(bpf_program__name(program), name);

		bpf_program__set_autoload(program, same);
		if (same)
			wanted = program;
	}
	rewind(messages_file);
	err = bpf_object__load(object);
	printf(",\"alone\":{\"error\":%d,", err);
	print_loaded(object, wanted);
	if (err) {
		printf(",\"messages\":");
		print_messages();
	}
	printf("}");
	bpf_object__close(object);
}

static void judge(const char *path, bool each, bool attach)
{
	struct bpf_object *object;
	struct bpf_program *program;
	bool first = true;
	double start = now(), opened, loaded;
	int err;

	printf("{\"file\":");
	print_string(path);
	object = bpf_object__open_file(path, NULL);
	opened = now();
	printf(",\"open\":%d", object ? 0 : -errno);
	if (!object) {
		printf(",\"messages\":");
		print_messages();
		printf("}\n");
		return;
	}
	print_maps(object);
	err = bpf_object__load(object);
	loaded = now();
	printf(",\"load\":%d,\"openMs\":%.3f,\"loadMs\":%.3f,\"messages\":", err, opened - start, loaded - opened);
	print_messages();
	printf(",\"programs\":[");
	bpf_object__for_each_program(program, object) {
		if (!first)
			printf(",");
		first = false;
		print_program_head(program);
		print_loaded(object, program);
		if (attach && bpf_program__fd(program) >= 0)
			print_attached(program);
		if (each)
			print_alone(path, bpf_program__name(program));
		printf("}");
	}
	printf("]}\n");
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	bool each = false, attach = false;
	int option, status;

	while ((option = getopt(argc, argv, "ea")) != -1) {
		if (option == 'e')
			each = true;
		else if (option == 'a')
			attach = true;
		else
			return 2;
	}
	libbpf_set_print(keep_message);
	for (int i = optind; i < argc; i++) {
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0) {
			messages_file = open_memstream(&messages, &messages_len);
			judge(argv[i], each, attach);
			fflush(stdout);
			_exit(0);
		}
		waitpid(child, &status, 0);
		if (status != 0)
			printf("{\"file\":\"%s\",\"crashed\":%d}\n", argv[i], status);
	}
	return 0;
}
