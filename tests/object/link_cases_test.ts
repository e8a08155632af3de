/**
 * The multi-file cases of the kernel's selftests (linked_funcs, linked_vars, linked_maps, test_static_linked,
 * test_subskeleton, test_usdt), as small programs of our own, and random programs split into files. The selftests
 * themselves: tests/conformance/link.ts.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { link, LinkError, type LinkInput } from "../../src/object/link.ts";
import { parseObject } from "../../src/object/parse.ts";
import { compareLink } from "../conformance/link_compare.ts";
import { judges } from "../conformance/link_judge.ts";
import { randomSplit } from "../conformance/link_split.ts";
import { compileBpf, inFolder, run, toolTest } from "../btf/support.ts";
import { object } from "./link_support.ts";

const TOOLS = ["clang-19", "bpftool", "llvm-readelf-19"];
const LICENSE = `char LICENSE[] SEC("license") = "GPL";`;
const MAP = (name: string, type = 2, max = 4): string =>
  `struct { __uint(type, ${type}); __uint(max_entries, ${max}); __type(key, u32); __type(value, struct big); } ${name} SEC(".maps");`;
const BIG = "struct big { int a; struct big *next; char text[20]; };";

/** Case → its files. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  "functions: weak, hidden, static, extern, weak extern kfuncs": [
    `int seen; extern int k(int) __ksym __weak; extern int only2(int x);
     static __noinline int same(int x) { return x + 1; }
     __hidden __noinline int shared_hidden(int x) { return same(x) * 2; }
     __weak int both(int x) { return x + 10; }
     SEC("raw_tp/sys_enter") int one(void *c) { seen = both(1) + only2(seen); return k ? 1 : shared_hidden(seen); }`,
    `int seen2; extern int k(int) __ksym __weak; extern int shared_hidden(int);
     static __noinline int same(int x) { return x - 1; }
     __weak int both(int x) { return x + 20; }
     __noinline int only2(int x) { return same(x) + seen2; }
     SEC("raw_tp/sys_enter") int two(void *c) { return both(2) + shared_hidden(3); }`,
  ],
  "variables: bss, data, rodata, custom sections, kconfig, ksyms, weak": [
    `extern int CONFIG_HZ __attribute__((section(".kconfig"))); extern const void bpf_prog_active __ksym;
     int bss1; static volatile int s = 1; int data_weak __weak = 5; const volatile int ro1 = 7;
     int own1 SEC(".data.own") = 1; extern int bss2; extern const volatile int ro2; extern int data_strong;
     SEC("raw_tp/sys_enter") int one(void *c) { s++; return bss1 + bss2 + ro1 + ro2 + s + data_weak + own1 + data_strong + CONFIG_HZ + !!&bpf_prog_active; }`,
    `extern int CONFIG_HZ __attribute__((section(".kconfig"))); extern const void bpf_prog_active __ksym;
     int bss2; static volatile int s = 100; int data_weak __weak = 6; const volatile int ro2 = 8; int data_strong = 9;
     int own2 SEC(".data.own") = 2; extern int bss1; extern const volatile int ro1;
     SEC("raw_tp/sys_enter") int two(void *c) { s++; return bss1 + bss2 + ro1 + ro2 + s + data_weak + own2 + CONFIG_HZ + !!&bpf_prog_active; }`,
  ],
  "maps: defined, extern, weak, static-like names": [
    `${BIG} ${MAP("map1")} extern ${MAP("map2", 1)} ${MAP("map_weak __weak")}
     SEC("raw_tp/sys_enter") int one(void *c) { u32 k = 1; return bpf_map_lookup_elem(&map1, &k) != bpf_map_lookup_elem(&map2, &k) && bpf_map_lookup_elem(&map_weak, &k); }`,
    `${BIG} extern ${MAP("map1")} ${MAP("map2", 1)} ${MAP("map_weak __weak")}
     SEC("raw_tp/sys_exit") int two(void *c) { u32 k = 2; return bpf_map_lookup_elem(&map1, &k) != bpf_map_lookup_elem(&map2, &k) && bpf_map_lookup_elem(&map_weak, &k); }`,
  ],
  "a library of two files and its user": [
    `int var6 = 6; extern int CONFIG_BPF_SYSCALL __attribute__((section(".kconfig"))) __weak; int lib2(void) __noinline;
     int lib2(void) { return var6 + CONFIG_BPF_SYSCALL; }`,
    `${BIG} extern int lib2(void); extern int var6; const volatile int var1; int var2 = 1; struct { int a[3]; } var3; ${
      MAP("map1")
    }
     int __noinline lib(void) { u32 k = 0; return bpf_map_lookup_elem(&map1, &k) ? lib2() + var6 : var1 + var2 + var3.a[1]; }
     SEC("perf_event") int lib_perf(void *c) { return lib(); }`,
    `extern int lib(void); int var5 = 2; const volatile int rovar; int out;
     SEC("raw_tp/sys_enter") int user(void *c) { out = lib() + var5 + rovar; return 0; }`,
  ],
  "one map and one helper in every file": [1, 2, 3].map((i) =>
    `${BIG} ${MAP("specs __weak", 1, 16)}
     __weak __hidden int spec(void *c) { u32 k = 3; struct big *b = bpf_map_lookup_elem(&specs, &k); return b ? b->a : 0; }
     int called${i}; SEC("kprobe") int hit${i}(void *c) { called${i} += spec(c); return 0; }
     SEC("raw_tp/sys_enter") int also${i}(void *c) { return spec(c) + called${i}; }`
  ),
};

for (const [name, sources] of Object.entries(CASES)) {
  toolTest(`\`link()\` is equal to libbpf: ${name}`, TOOLS, () => {
    const inputs = sources.map((source, i) => object(`${i}.o`, source + LICENSE));
    assertSame(name, inputs);
    const spec = parseObject(link(inputs).bytes, { name: "linked.o" });
    assert(spec.programs.length >= 2);
  });
}

/** The last judge is the newest libbpf. */
function assertSame(name: string, inputs: readonly LinkInput[]): void {
  const row = compareLink(name, inputs, judges(), undefined);
  assertEquals(row.problems, []);
  const { refuses, differences } = row.judges.at(-1)!;
  assertEquals([refuses, differences], [undefined, []]);
}

toolTest("`link()` makes of random programs in several files what libbpf makes", TOOLS, () => {
  for (let seed = 1000; seed < 1004; seed++) {
    const { parts } = randomSplit(seed);
    assertSame(`split ${seed}`, parts.map((text, i) => ({ name: `${i}.o`, bytes: compileBpf(text, ["-w"]) })));
  }
});

/** What libbpf refuses in the selftests' way of linking, and what is wrong with it. */
const REFUSED: readonly [what: string, files: readonly [string, string], message: RegExp][] = [
  ["two strong variables", ["int v = 1;", "int v = 2;"], /"v" is defined here and in "0.o"/],
  ["two strong maps", [BIG + MAP("m"), BIG + MAP("m")], /"m" is defined here and in "0.o"/],
  [
    "a function that is a variable elsewhere",
    [`int f(int x) { return x; }`, `extern int f; SEC("tc") int p(void *c) { return f; }`],
    /"f" .*FUNC.*VAR|"f" .*VAR.*FUNC/,
  ],
  [
    "a struct with another member",
    ["struct s { int a; int b; } v;", `extern struct s { int a; int c; } v; SEC("tc") int p(void *c) { return v.a; }`],
    /members "b" and "c"/,
  ],
  [
    "an enum of another size",
    ["enum e { A } v;", `extern enum e { B = 1LL << 40 } v; SEC("tc") int p(void *c) { return v; }`],
    /"v" has another type/,
  ],
  [
    "a return type of another size",
    ["int f(int x) { return x; }", `extern u64 f(int x); SEC("tc") int p(void *c) { return f(1); }`],
    /return type: sizes/,
  ],
  [
    "another number of parameters",
    ["int f(int x) { return x; }", `extern int f(int x, int y); SEC("tc") int p(void *c) { return f(1, 2); }`],
    /1 and 2 parameters|2 and 1 parameters/,
  ],
  [
    "a map of another value",
    [
      BIG + MAP("m"),
      `${BIG.replace("20", "40")} extern ${
        MAP("m")
      } SEC("tc") int p(void *c) { u32 k = 0; return !bpf_map_lookup_elem(&m, &k); }`,
    ],
    /map attribute "value".*sizes|map attribute "value_size"|map attribute "value" differs/,
  ],
  [
    "an extern in another section than its definition",
    [
      `extern int v __attribute__((section(".kconfig"))); SEC("tc") int p(void *c) { return v; }`,
      "int v = 1;",
    ],
    /"v" is in "\.data", and an extern elsewhere says "\.kconfig"|"v" is in section/,
  ],
];

for (const [what, files, message] of REFUSED) {
  toolTest(`\`link()\` refuses ${what}, as libbpf does`, TOOLS, () => {
    const inputs = files.map((text, i) => object(`${i}.o`, text));
    for (const order of [inputs, inputs.toReversed()]) {
      const row = compareLink(what, order, judges(), undefined);
      for (const judge of row.judges) assert(judge.refuses !== undefined, `${judge.name} links it`);
      const error = assertThrows(() => link(order), LinkError);
      if (order === inputs) assert(message.test(error.message), error.message);
    }
  });
}

toolTest("`link()` takes an extern without type, as Rust writes it, and no definition without one", TOOLS, () => {
  const user = 'extern int f(int x); SEC("tc") int p(void *c) { return f(1); }';
  const library = "__attribute__((noinline)) int f(int x) { return x + 2; }";
  const [untyped, typed] = [object("user.o", user, ["-g0"]), object("lib.o", library)];
  for (const inputs of [[untyped, typed], [typed, untyped]]) {
    const { bytes, unresolved } = link(inputs);
    const { subprograms, programs } = parseObject(bytes, { name: "linked.o" });
    assertEquals([unresolved, subprograms.map((s) => s.name), programs.map((p) => p.name)], [[], ["f"], ["p"]]);
  }
  const wrong = [object("user.o", user), object("lib.o", library, ["-g0"])];
  for (const judge of compareLink("untyped", wrong, judges(), undefined).judges) assert(judge.refuses !== undefined);
  assertThrows(() => link(wrong), LinkError, '"f" is in "user.o" too, and one of them has no BTF');
});

toolTest("`link()` of big-endian objects is what llvm-readelf reads of little-endian ones", TOOLS, () => {
  for (const sources of Object.values(CASES)) {
    const [little, big] = ["bpfel", "bpfeb"].map((target) => {
      const inputs = sources.map((source, i) => object(`${i}.o`, source + LICENSE, [`--target=${target}`]));
      const { bytes } = link(inputs);
      assertEquals(link(inputs).bytes, bytes);
      return inFolder((folder) => {
        const file = join(folder, "linked.o");
        writeFileSync(file, bytes);
        assert(run("llvm-readelf-19", "-h", file).includes(target === "bpfel" ? "little endian" : "big endian"));
        return run("llvm-readelf-19", "-S", "-s", "-r", "--wide", file);
      });
    });
    assertEquals(big, little);
  }
});
