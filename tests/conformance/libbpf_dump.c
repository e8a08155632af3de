// Opens an object with libbpf and prints, as JSON, what libbpf makes of it: maps, programs, and for each program alone
// whether it loads and its instructions after relocation. The judge of tests/conformance/run.ts.
// build: cc -O2 -o libbpf_dump libbpf_dump.c -lbpf
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char last[4096];
// Whether the kernel was asked to load a program: only then are its instructions relocated.
static int asked;

static int keep_last(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(last, sizeof(last), format, args);
	if (strncmp(last, "prog '", 6) == 0 && strstr(last, ": failed to load:"))
		asked = 1;
	return 0;
}

static void print_string(const char *text)
{
	putchar('"');
	for (; text && *text; text++) {
		unsigned char c = *text;
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static struct bpf_object *open_object(const char *path, const char *target)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = "/sys/fs/bpf/waggle_conformance",
		    .btf_custom_path = target);
	last[0] = 0;
	return bpf_object__open_file(path, &opts);
}

// Alone: one program that the verifier refuses must not hide the others.
static void load_alone(const char *path, const char *target, const char *name)
{
	struct bpf_object *object = open_object(path, target);
	struct bpf_program *program, *chosen = NULL;
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);
	const struct bpf_insn *insns;
	size_t count, i;
	int error;

	bpf_object__for_each_program(program, object) {
		bool wanted = !chosen && strcmp(bpf_program__name(program), name) == 0;
		bpf_program__set_autoload(program, wanted);
		if (wanted)
			chosen = program;
	}
	last[0] = 0;
	asked = 0;
	error = bpf_object__load(object);
	printf(",\"load\":%d,\"relocated\":%d,\"why\":", error, !error || asked);
	print_string(error ? last : "");
	if (!error && bpf_obj_get_info_by_fd(bpf_program__fd(chosen), &info, &length) == 0)
		printf(",\"verified\":%u", info.verified_insns);
	insns = bpf_program__insns(chosen);
	count = bpf_program__insn_cnt(chosen);
	printf(",\"insns\":\"");
	for (i = 0; i < count * sizeof(*insns); i++)
		printf("%02x", ((const unsigned char *)insns)[i]);
	printf("\"");
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	const char *path = argv[1], *target = argc > 2 ? argv[2] : NULL;
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_map *map;
	int first = 1;

	libbpf_set_print(keep_last);
	object = open_object(path, target);
	if (!object) {
		printf("{\"open\":%d,\"why\":", -errno);
		print_string(last);
		printf("}\n");
		return 0;
	}
	printf("{\"open\":0,\"maps\":[");
	bpf_object__for_each_map(map, object) {
		printf("%s{\"name\":", first ? "" : ",");
		print_string(bpf_map__name(map));
		printf(",\"type\":%d,\"key\":%u,\"value\":%u,\"max\":%u,\"flags\":%u,\"extra\":%llu,\"numa\":%u}",
		       bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
		       bpf_map__map_flags(map), (unsigned long long)bpf_map__map_extra(map), bpf_map__numa_node(map));
		first = 0;
	}
	printf("],\"programs\":[");
	first = 1;
	bpf_object__for_each_program(program, object) {
		printf("%s{\"name\":", first ? "" : ",");
		print_string(bpf_program__name(program));
		printf(",\"section\":");
		print_string(bpf_program__section_name(program));
		printf(",\"type\":%d,\"attach\":%d,\"autoload\":%d", bpf_program__type(program),
		       bpf_program__expected_attach_type(program), bpf_program__autoload(program));
		load_alone(path, target, bpf_program__name(program));
		printf("}");
		first = 0;
	}
	printf("]}\n");
	bpf_object__close(object);
	return 0;
}
