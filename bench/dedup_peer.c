// The peer of bench/link.ts: deduplicates the types of all files together. Prints milliseconds and the number of types.
#include <bpf/btf.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  struct btf *all = btf__new_empty();
  for (int i = 1; i < argc; i++) {
    struct btf *one = btf__parse_raw(argv[i]);
    if (!one) return 1;
    btf__add_btf(all, one);
    btf__free(one);
  }
  double start = now();
  if (btf__dedup(all, NULL)) return 1;
  printf("%.1f %u\n", now() - start, btf__type_cnt(all));
  return 0;
}
