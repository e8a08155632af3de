// SPDX-License-Identifier: MIT OR Apache-2.0
// Links BPF objects with libbpf's static linker: what `bpftool gen object` does, with the libbpf it is built with.
// Usage: libbpf_link OUT IN...; without arguments it prints the version. Built by link_judge.ts.
#include <bpf/libbpf.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct bpf_linker *linker;
	int error = 0, i;

	if (argc < 3) {
		puts(libbpf_version_string());
		return 0;
	}
	linker = bpf_linker__new(argv[1], NULL);
	if (!linker)
		return 1;
	for (i = 2; i < argc && !error; i++)
		error = bpf_linker__add_file(linker, argv[i], NULL);
	if (!error)
		error = bpf_linker__finalize(linker);
	bpf_linker__free(linker);
	return error ? 1 : 0;
}
