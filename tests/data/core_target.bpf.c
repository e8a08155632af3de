// The target side of core_fields, core_types and core_enums: the same names with other layouts and values. Only its BTF
// is used.
// build: eb
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct waggle_inner {
	long moved;
	int b;
	int a;
};

struct waggle_outer {
	long pad[3];
	int first;
	struct waggle_inner inner;
	struct waggle_inner list[4];
	struct {
		union {
			char as_bytes[4];
			int as_int;
		};
	};
	struct {
		struct {
			long other;
			long deep;
		};
	};
	unsigned int before : 7;
	unsigned int flag_b : 4;
	unsigned int flag_a : 1;
	int signed_bits : 6;
	long grew;
	void *pointer;
};

struct waggle_exists {
	int x;
	int y;
	int z;
};

typedef long waggle_typedef;

enum waggle_mode { WAGGLE_OFF = 3, WAGGLE_ON = 40 };

enum waggle_wide { WAGGLE_BIG = 0x7000000000LL, WAGGLE_MINUS = -5 };

struct waggle_outer *use_outer;
struct waggle_exists *use_exists;
waggle_typedef *use_typedef;
enum waggle_mode *use_mode;
enum waggle_wide *use_wide;

char LICENSE[] SEC("license") = "GPL";

struct waggle_outer keep_outer SEC(".data.keep");
struct waggle_exists keep_exists SEC(".data.keep");
waggle_typedef keep_typedef SEC(".data.keep");
enum waggle_mode keep_mode SEC(".data.keep");
enum waggle_wide keep_wide SEC(".data.keep");
