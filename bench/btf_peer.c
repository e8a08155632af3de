// The peer of bench/btf.ts: the same questions to libbpf. Prints one line of milliseconds for each round.
#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const types[] = {"task_struct", "sk_buff", "bpf_prog", "trace_event_raw_sys_enter", "no_such_type"};
static const char *const candidates[] = {"task_struct", "file", "sock", "request", "trace_entry"};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

// Length without the flavour, as CO-RE defines it.
static size_t essential(const char *name) {
  size_t n = strlen(name);
  for (int i = (int)n - 5; i >= 0; i--) {
    const char *s = name + i;
    if (s[0] != '_' && s[1] == '_' && s[2] == '_' && s[3] == '_' && s[4] != '_') return i + 1;
  }
  return n;
}

// What libbpf does for each local type of an object: walk all types of the kernel.
static int count_candidates(const struct btf *btf, const char *name) {
  size_t wanted = strlen(name);
  int found = 0, count = btf__type_cnt(btf);
  for (int id = 1; id < count; id++) {
    const struct btf_type *t = btf__type_by_id(btf, id);
    if (btf_kind(t) != BTF_KIND_STRUCT) continue;
    const char *n = btf__name_by_offset(btf, t->name_off);
    if (n[0] == 0) continue;
    if (essential(n) == wanted && strncmp(n, name, wanted) == 0) found++;
  }
  return found;
}

int main(int argc, char **argv) {
  FILE *file = fopen(argc > 1 ? argv[1] : "/sys/kernel/btf/vmlinux", "r");
  if (!file) return 1;
  char *bytes = malloc(64 << 20);
  size_t size = fread(bytes, 1, 64 << 20, file);
  int rounds = argc > 2 ? atoi(argv[2]) : 1;
  for (int round = 0; round < rounds; round++) {
    double a = now();
    struct btf *btf = btf__new(bytes, size);
    if (!btf) return 1;
    double b = now();
    int sum = 0;
    for (int i = 0; i < 5; i++) sum += btf__find_by_name_kind(btf, types[i], BTF_KIND_STRUCT) > 0;
    double c = now();
    for (int i = 0; i < 5; i++) sum += count_candidates(btf, candidates[i]);
    double d = now();
    long words = 0;
    for (int id = 1, n = btf__type_cnt(btf); id < n; id++) {
      const struct btf_type *t = btf__type_by_id(btf, id);
      words += btf_kind(t) + btf_vlen(t);
    }
    double e = now();
    int func = btf__find_by_name_kind(btf, "vfs_read", BTF_KIND_FUNC);
    double f = now();
    printf("%.3f %.3f %.3f %.3f %.3f %d %ld %d\n", b - a, c - b, d - c, e - d, f - e, sum, words, func > 0);
    btf__free(btf);
  }
  return 0;
}
