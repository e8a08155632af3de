import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../src/errors.ts";
import { Btf } from "../../src/btf/btf.ts";
import { parseBtfExt, validateBtfExt } from "../../src/btf/ext.ts";
import { readElf } from "../../src/object/elf.ts";
import { link, LinkError, type LinkInput, type LinkOptions } from "../../src/object/link.ts";
import { kernelName } from "../../src/object/link_names.ts";
import { test } from "../support/harness.ts";
import { inFolder, run, toolTest } from "../btf/support.ts";
import { assertSameAsBpftool, bpftoolLink, meaning, object } from "./link_support.ts";

const LICENSE = `char _license[] SEC("license") = "GPL";`;
const CLANG = ["clang-19"];
const BOTH = ["clang-19", "bpftool"];

/** Two objects that share everything that can be shared. */
function pair(flags: readonly string[] = []): LinkInput[] {
  const map = `struct { __uint(type, 1); __uint(max_entries, 8); __type(key, u32); __type(value, u64); }`;
  return [
    object(
      "a.o",
      `${LICENSE}
      ${map} shared SEC(".maps");
      extern ${map} other SEC(".maps");
      extern int counter, other_config; extern int helper(int x); extern int weak_extern(void) __ksym __weak;
      int own = 7; static int hidden_state; const volatile int config = 3; int zero[5];
      static __noinline int local(int a) { hidden_state += a; return hidden_state * 3; }
      __weak int overridden(int a) { return a + 1; }
      __noinline int used_by_b(int a) { return local(a) + own; }
      SEC("socket/a") int prog_a(void *ctx) {
        u32 k = 1; u64 *v = bpf_map_lookup_elem(&shared, &k), *w = bpf_map_lookup_elem(&other, &k);
        return local(1) + helper(counter) + overridden(2) + (v ? *v : 0) + (w ? *w : 1) + config + other_config + zero[k];
      }
      SEC("xdp") int first(void *ctx) { return local(2); }`,
      flags,
    ),
    object(
      "b.o",
      `${LICENSE}
      ${map} other SEC(".maps");
      extern ${map} shared SEC(".maps");
      int counter = 5; static int hidden_state = 9; const volatile int other_config = 4; extern int used_by_b(int);
      static __noinline int local(int a) { hidden_state -= a; return hidden_state; }
      __hidden __noinline int helper(int x) { return local(x) + used_by_b(x); }
      int overridden(int a) { return a + 100; }
      SEC("xdp") int second(void *ctx) { u32 k = 2; return bpf_map_lookup_elem(&shared, &k) ? local(3) : helper(4); }
      SEC("socket/b") int prog_b(void *ctx) { static const char fmt[] = "b"; bpf_trace_printk(fmt, 2); return overridden(1); }`,
      flags,
    ),
  ];
}

function linkBytes(inputs: readonly LinkInput[], options: LinkOptions = {}): Uint8Array<ArrayBuffer> {
  return link(inputs, options).bytes;
}

for (const flags of [[], ["-mcpu=v4"], ["-O1"], ["--target=bpfeb"]]) {
  toolTest(`\`link()\` makes of two objects what bpftool makes, ${flags[0] ?? "plain"}`, BOTH, () => {
    const inputs = pair(flags);
    // bpftool 7.1 mangles the symbols of big-endian inputs (libbpf f2668a0a); there the little-endian result is the judge.
    const options = { mergeStrings: false };
    if (flags[0] !== "--target=bpfeb") {
      // libbpf 1.1 leaves offset 0 for maps that were extern first; the symbols have the right one.
      const ours = meaning(linkBytes(inputs, options));
      const theirs = meaning(bpftoolLink(inputs) as Uint8Array);
      const { datasecs: ourSecs, ...ourRest } = ours;
      const { datasecs: theirSecs, ...theirRest } = theirs;
      assertEquals(ourRest, theirRest);
      const others = (list: unknown): unknown[] => (list as string[]).filter((line) => !line.startsWith(".maps"));
      assertEquals(others(ourSecs), others(theirSecs));
      assertStringIncludes(
        (ourSecs as string[]).join("\n"),
        ".maps 64: VAR shared global 0 32, VAR other global 32 32",
      );
    } else {
      const little = meaning(linkBytes(pair(), options)) as { symbols: string[]; datasecs: string[] };
      const big = meaning(linkBytes(inputs, options)) as { symbols: string[]; datasecs: string[] };
      assertEquals(big.symbols, little.symbols);
      assertEquals(big.datasecs, little.datasecs);
    }
  });
}

toolTest("`link()` of one object keeps its meaning", BOTH, () => {
  for (const input of pair()) {
    const plain = object(
      input.name,
      `${LICENSE} int x = 1; static __noinline int f(int a) { return a * x; } SEC("xdp") int p(void *c) { return f(2); }`,
    );
    assertSameAsBpftool([plain], linkBytes([plain], { mergeStrings: false }));
  }
});

toolTest("`link()` carries `.BTF.ext` over, and what it writes is sound", CLANG, () => {
  const bytes = linkBytes(pair());
  const elf = readElf(bytes, "out");
  const btf = Btf.parse(elf.section(".BTF")!.bytes).validate();
  const ext = parseBtfExt(elf.section(".BTF.ext")!.bytes, btf);
  validateBtfExt(ext, btf);
  const functions = ext.funcInfo.flatMap((b) =>
    Array.from(b.insnOff, (at, i) => `${b.section}+${at} ${btf.nameOf(b.typeId[i]!)}`)
  );
  for (const symbol of elf.symbols) {
    if (symbol.type !== 2) continue;
    const place = `${elf.sections[symbol.section]!.name}+${symbol.value} ${symbol.name}`;
    assert(functions.includes(place), `${place} is not in ${functions}`);
  }
  const text = ext.lineInfo.flatMap((b) => Array.from(b.lineOff, (o) => btf.string(o))).join("\n");
  assertStringIncludes(text, "return a + 100");
  run("bpftool", "version");
  inFolder((folder) => {
    const file = join(folder, "out.o");
    writeFileSync(file, bytes);
    assertStringIncludes(run("llvm-readelf-19", "-a", "--wide", file), "prog_b");
    assertStringIncludes(run("bpftool", "btf", "dump", "file", file), "'overridden'");
  });
});

toolTest("`link()` gives equal bytes for equal inputs, and links what it linked", CLANG, () => {
  const inputs = pair();
  const [once, twice] = [linkBytes(inputs), linkBytes(inputs)];
  assertEquals(once, twice);
  const again = linkBytes([{ name: "again.o", bytes: once }]);
  assertEquals(meaning(again), meaning(once));
});

toolTest("`link()` refuses what libbpf refuses, naming file and symbol", BOTH, () => {
  const f = (body: string): string =>
    `__noinline int f(int a) { return ${body}; } SEC("xdp") int p(void *c) { return f(1); }`;
  const use = `SEC("tc") int q(void *c) { return f(2); }`;
  const map = (size: number): string =>
    `struct { __uint(type, 1); __uint(max_entries, ${size}); __type(key, u32); __type(value, u64); }`;
  const mapUse = `SEC("tc") int r(void *c) { u32 k = 0; return bpf_map_lookup_elem(&m, &k) != 0; }`;
  const cases: [LinkInput[], string, RegExp][] = [
    [
      [object("a.o", f("a")), object("b.o", f("a + 1").replace("p(", "p2("))],
      "f",
      /"b.o": "f" is defined here and in "a.o"/,
    ],
    [
      [object("a.o", f("a")), object("b.o", `extern int f(long long a); ${use}`)],
      "f",
      /another type than in "a.o": parameter 0: sizes 4 and 8/,
    ],
    [
      [object("a.o", "int v = 1;"), object("b.o", `extern long v; SEC("tc") int q(void *c) { return v; }`)],
      "v",
      /sizes 4 and 8/,
    ],
    [
      [object("a.o", `${map(4)} m SEC(".maps");`), object("b.o", `extern ${map(5)} m SEC(".maps"); ${mapUse}`)],
      "m",
      /map attribute "max_entries" differs/,
    ],
    [
      [object("a.o", `char l[] SEC("license") = "GPL";`), object("b.o", `char l[] SEC("license") = "MIT";`)],
      "license",
      /its license is "MIT", and that before it "GPL"/,
    ],
    [
      [object("a.o", `int v SEC(".data.x") = 1;`), object("b.o", `const int w SEC(".data.x") = 2;`)],
      ".data.x",
      /does not fit/,
    ],
  ];
  for (const [inputs, subject, message] of cases) {
    assert(typeof bpftoolLink(inputs) === "string", `bpftool links ${subject}`);
    const error = assertThrows(() => link(inputs), LinkError);
    assertEquals(error.subject, subject);
    assert(message.test(error.message), error.message);
  }
  const mixed = [object("a.o", f("a")), object("b.o", use.replace("f(2)", "2"), ["--target=bpfeb"])];
  assertThrows(() => link(mixed), LinkError, '"b.o": it is big-endian');
});

toolTest("`link()` resolves strong over weak over extern, whatever the order", BOTH, () => {
  const weak = object(
    "weak.o",
    `__weak int f(int a) { return a; } int keep1; SEC("xdp") int p1(void *c) { return f(1); }`,
  );
  const weak2 = object(
    "weak2.o",
    `__weak int f(int a) { return a + 2; } int keep2; SEC("xdp") int p2(void *c) { return f(2); }`,
  );
  const strong = object(
    "strong.o",
    `int f(int arg) { return arg + 3; } int keep3; SEC("xdp") int p3(void *c) { return f(3); }`,
  );
  const extern = object("extern.o", `extern __weak int f(int); int keep4; SEC("xdp") int p4(void *c) { return f(4); }`);
  const orders = [[weak, weak2], [weak, strong], [strong, weak], [extern, weak, strong], [extern, strong], [
    weak2,
    extern,
    weak,
  ], [strong, extern]];
  for (const inputs of orders) assertSameAsBpftool(inputs, linkBytes(inputs, { mergeStrings: false }));
});

toolTest("`link()` names externs that nobody defines, and keeps them for the next link", CLANG, () => {
  const half = object(
    "half.o",
    `${LICENSE} extern int missing; extern int gone(int); extern int k(int) __ksym; SEC("xdp") int p(void *c) { return missing + gone(1) + k(1); }`,
  );
  const first = link([half]);
  assertEquals(first.unresolved.sort(), ["gone", "missing"]);
  const rest = object("rest.o", `int missing = 4; __noinline int gone(int a) { return a * missing; }`);
  const whole = link([{ name: "half2.o", bytes: first.bytes }, rest]);
  assertEquals(whole.unresolved, []);
  assertEquals(meaning(whole.bytes), meaning(linkBytes([half, rest])));
});

toolTest("`link()` says which maps nobody defines, but not what the kernel or its configuration does", CLANG, () => {
  const input = object(
    "map.o",
    `${LICENSE}
    extern struct { __uint(type, 1); __uint(max_entries, 4); __type(key, u32); __type(value, u64); } other SEC(".maps");
    extern int LINUX_KERNEL_VERSION __attribute__((section(".kconfig"))); extern int of_kernel(void) __ksym;
    SEC("xdp") int p(void *c) { u32 k = LINUX_KERNEL_VERSION; return bpf_map_lookup_elem(&other, &k) ? of_kernel() : 0; }`,
  );
  assertEquals(link([input]).unresolved, ["other"]);
});

toolTest("`link()` with `gcSections` removes what no program reaches, and moves the rest", CLANG, () => {
  const input = object(
    "gc.o",
    `${LICENSE}
    struct dead_type { int x; }; struct live_type { int y; };
    struct { __uint(type, 1); __uint(max_entries, 1); __type(key, u32); __type(value, struct dead_type); } dead_map SEC(".maps");
    struct { __uint(type, 1); __uint(max_entries, 1); __type(key, u32); __type(value, struct live_type); } live_map SEC(".maps");
    int dead_data = 1; int live_data = 2; extern int dead_kfunc(int) __ksym;
    __noinline int dead(int a) { return a * dead_data + dead_kfunc(a); }
    static __noinline int live_static(int a) { return a + live_data; }
    __noinline int dead_too(int a) { u32 k = a; return bpf_map_lookup_elem(&dead_map, &k) ? dead(a) : 2; }
    __noinline int live(int a) { return live_static(a) * 2; }
    SEC("xdp") int p(void *c) { u32 k = 0; return bpf_map_lookup_elem(&live_map, &k) ? live(1) : live_static(3); }`,
  );
  const bytes = linkBytes([input], { gcSections: true });
  const elf = readElf(bytes, "out");
  const names = [...elf.symbols].map((s) => s.name).filter((name) => name !== "");
  assertEquals(names.filter((n) => !n.startsWith("LBB")).sort(), [
    "_license",
    "a.c",
    "live",
    "live_data",
    "live_map",
    "live_static",
    "p",
  ]);
  const btf = Btf.parse(elf.section(".BTF")!.bytes).validate();
  for (const name of ["dead", "dead_map", "dead_type", "dead_data", "dead_kfunc", ".ksyms"]) {
    assertEquals(btf.find(name), undefined, name);
  }
  for (const name of ["live", "live_static", "live_type", "live_data"]) assert(btf.find(name) !== undefined, name);
  validateBtfExt(parseBtfExt(elf.section(".BTF.ext")!.bytes, btf), btf);
  assert(elf.section(".text")!.size < readElf(input.bytes, "in").section(".text")!.size);
  const kept = linkBytes([input], { gcSections: true, exports: ["dead"] });
  assert([...readElf(kept, "kept").symbols].some((s) => s.name === "dead"));
});

toolTest("`link()` with `exports` makes other globals local, in symbols and BTF", CLANG, () => {
  const bytes = linkBytes(pair(), { exports: ["counter"] });
  const elf = readElf(bytes, "out");
  const btf = Btf.parse(elf.section(".BTF")!.bytes);
  const globals = [...elf.symbols].filter((s) => s.bind !== 0).map((s) => s.name).sort();
  assertEquals(
    globals,
    ["_license", "counter", "first", "other", "prog_a", "prog_b", "second", "shared", "weak_extern"].filter((n) =>
      globals.includes(n)
    ),
  );
  assert(
    globals.includes("counter") && globals.includes("shared") && !globals.includes("helper") &&
      !globals.includes("own"),
  );
  const linkage = (name: string, kind: "FUNC" | "VAR"): unknown =>
    (btf.type(btf.find(name, kind)!) as { linkage: string }).linkage;
  assertEquals(
    [linkage("helper", "FUNC"), linkage("prog_a", "FUNC"), linkage("own", "VAR"), linkage("counter", "VAR")],
    ["static", "global", "static", "global"],
  );
});

toolTest("`link()` merges equal strings and constants", CLANG, () => {
  const source = (name: string, text: string): string =>
    `SEC("xdp") int ${name}(void *c) { bpf_trace_printk("${text}", 6); bpf_trace_printk("other", 6); return 0; }`;
  const inputs = [
    object("a.o", source("p", "hello")),
    object("b.o", source("q", "hello")),
    object("c.o", source("r", "third")),
  ];
  const of = (bytes: Uint8Array): string =>
    new TextDecoder().decode(readElf(bytes, "o").section(".rodata.str1.1")!.bytes);
  assertEquals(of(linkBytes(inputs, { mergeStrings: false })), "hello\0other\0hello\0other\0third\0other\0");
  assertEquals(of(linkBytes(inputs)), "hello\0other\0third\0");
  // Each load still points to its string.
  const elf = readElf(linkBytes(inputs), "o");
  const code = elf.section("xdp")!.bytes;
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  const { section } = elf.relocationSections().find((r) => r.target.name === "xdp")!;
  const texts = [...elf.relocations(section)].map((r) =>
    of(elf.bytes).slice(view.getInt32(r.offset + 4, true)).split("\0")[0]
  );
  assertEquals(texts, ["hello", "other", "hello", "other", "third", "other"]);
});

toolTest("`link()` leaves BTF away on request and keeps only what CO-RE needs with `minimizeCore`", CLANG, () => {
  const source = `${LICENSE}
    struct far { int deep; struct far *more; } __attribute__((preserve_access_index));
    struct near { struct far *f; int value; struct far in; } __attribute__((preserve_access_index));
    SEC("raw_tp/x") int p(struct near_args { void *p; } *c) { struct near *n = c->p; return n->value + n->in.deep; }`;
  const input = object("core.o", source);
  assertEquals(readElf(linkBytes([input], { btf: false }), "o").section(".BTF"), undefined);
  const elf = readElf(linkBytes([input], { minimizeCore: true, gcSections: true }), "o");
  const btf = Btf.parse(elf.section(".BTF")!.bytes).validate();
  const ext = parseBtfExt(elf.section(".BTF.ext")!.bytes, btf);
  assertEquals(ext.core.flatMap((b) => Array.from(b.accessOff, (o) => btf.string(o))).sort(), ["0:1", "0:2:0"]);
  for (const name of ["near", "far"]) {
    const type = btf.type(btf.find(name, "STRUCT")!);
    assert(type.kind === "STRUCT");
    const pointers = type.members.filter((m) => btf.type(m.type).kind === "PTR");
    assert(pointers.length === 1 && pointers.every((m) => (btf.type(m.type) as { type: number }).type === 0), name);
  }
});

test("`kernelName()` makes names the kernel takes, equal for equal ones", () => {
  assertEquals(kernelName("task_struct"), "task_struct");
  assertEquals(kernelName("Option<u32>"), "Option_3C_u32_3E_");
  assertEquals(kernelName("1st"), "_1st");
  const long = "x".repeat(300);
  assert(kernelName(long).length < 128 && /^[a-z0-9_]+$/.test(kernelName(long)));
  assert(kernelName(`${long}a`) !== kernelName(`${long}b`));
});

toolTest("`link()` makes Rust's names acceptable to the kernel", CLANG, () => {
  const input = object("r.o", `${LICENSE} struct S { int x; } s; SEC("xdp") int p(void *c) { return s.x; }`);
  // Another letter, so that the blob stays whole.
  const bytes = input.bytes.slice();
  const at = readElf(bytes, "r.o").section(".BTF")!.offset;
  for (let i = at; i < bytes.length; i++) {
    if (bytes[i - 1] === 0 && bytes[i] === 0x53 && bytes[i + 1] === 0) bytes[i] = 0x3c;
  }
  const btf = Btf.parse(readElf(linkBytes([{ name: "r.o", bytes }]), "o").section(".BTF")!.bytes);
  assertEquals(btf.find("<"), undefined);
  assertEquals(btf.kindOf(btf.find("_3C_")!), 4);
});

toolTest("`link()` refuses broken and foreign files with their names", CLANG, () => {
  const good = object("good.o", LICENSE);
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /"bad": it is empty/],
    [new TextEncoder().encode("hello world"), /"bad": it is of unknown kind/],
    [Uint8Array.of(0x42, 0x43, 0xc0, 0xde, 0, 0, 0, 0), /LLVM bitcode/],
    [new TextEncoder().encode("; ModuleID = 'x'\n"), /LLVM IR/],
    [good.bytes.subarray(0, 100), /bad/],
  ];
  for (const [bytes, message] of cases) {
    let text = "nothing";
    try {
      link([good, { name: "bad", bytes }]);
    } catch (error) {
      assert(error instanceof LinkError || error instanceof FormatError, String(error));
      text = error.message;
    }
    assert(message.test(text), text);
  }
  assertThrows(() => link([]), TypeError, "no objects");
});

const CORPUS = "tests/data";

toolTest("`link()` makes the same of every object of the test data as bpftool", BOTH, () => {
  const folder = new URL("../../" + CORPUS, import.meta.url).pathname;
  if (!existsSync(folder)) return;
  let compared = 0;
  for (const name of readdirSync(folder).filter((f) => f.endsWith(".bpf.o") && !f.endsWith(".eb.bpf.o"))) {
    const input = { name, bytes: new Uint8Array(readFileSync(join(folder, name))) };
    const theirs = bpftoolLink([input]);
    if (typeof theirs === "string") {
      assertThrows(() => link([input]), Error, name);
      continue;
    }
    const ours = meaning(linkBytes([input], { mergeStrings: false }));
    // libbpf forgets that an extern was declared in .maps or in .extern.
    if ((ours["datasecs"] as string[]).some((line) => /extern 0 \d+|^\.extern/.test(line) && !/^\.k/.test(line))) {
      continue;
    }
    assertEquals(ours, meaning(theirs), name);
    compared++;
  }
  assert(compared > 20);
});
