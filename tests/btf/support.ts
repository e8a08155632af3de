/** What the BTF tests share: clang and other tools as judges, and the `.BTF` of what they make. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Btf } from "../../src/btf/btf.ts";
import { readElf } from "../../src/object/elf.ts";
import { skippedTest, test, type TestBody } from "../support/harness.ts";
import { firstUnmet } from "../support/needs.ts";

/** A test that needs tools, skipped with the reason where one is missing. */
export function toolTest(name: string, tools: readonly string[], fn: TestBody): void {
  const missing = firstUnmet(tools.map((tool) => `tool:${tool}` as const));
  if (missing === undefined) test(name, fn);
  else skippedTest(name, missing.reason);
}

/** Runs `fn` in a folder that is gone afterwards. */
export function inFolder<T>(fn: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "waggle-btf-"));
  try {
    return fn(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a tool and returns what it prints. */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "pipe"] }).toString();
}

/** A BPF object made by clang from C text. */
export function compileBpf(source: string, flags: readonly string[] = []): Uint8Array {
  return inFolder((folder) => {
    const [input, output] = [join(folder, "a.c"), join(folder, "a.o")];
    writeFileSync(input, source);
    const target = flags.some((flag) => flag.startsWith("--target")) ? [] : ["--target=bpf"];
    run("clang-19", ...target, "-O2", "-g", "-c", "-o", output, ...flags, input);
    return new Uint8Array(readFileSync(output));
  });
}

/** The bytes of a section of an object. */
export function sectionOf(object: Uint8Array, name: string): Uint8Array {
  return readElf(object, "test.o").section(name)!.bytes;
}

/** The BTF of an object. */
export function btfOf(object: Uint8Array): Btf {
  return Btf.parse(sectionOf(object, ".BTF"), { path: "test.o: .BTF" });
}

/** The BTF of C text. */
export function compileBtf(source: string, flags: readonly string[] = []): Btf {
  return btfOf(compileBpf(source, flags));
}

export const VMLINUX = "/sys/kernel/btf/vmlinux";

let vmlinux: Btf | undefined;

/** The BTF of the running kernel; undefined where there is none. */
export function vmlinuxBtf(): Btf | undefined {
  if (vmlinux === undefined && existsSync(VMLINUX)) {
    vmlinux = Btf.parse(new Uint8Array(readFileSync(VMLINUX)), { path: "vmlinux" });
  }
  return vmlinux;
}

/** All own types of a BTF, by id, without the references between objects. */
export function allTypes(btf: Btf): unknown[] {
  return Array.from(btf.ids(), (id) => btf.type(id));
}

/** C text that uses every kind of type that clang knows for BPF. */
export const ALL_KINDS = `
typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned char u8;
#define SEC(n) __attribute__((section(n), used))
#define __tag(x) __attribute__((btf_type_tag(x)))
#define __decl(x) __attribute__((btf_decl_tag(x)))
enum color { RED, GREEN = 5, BLUE = -1 };
enum big { HUGE_VALUE = 0xffffffff00000001ULL, ONE = 1 };
struct fwd; union ufwd;
struct inner { short a; char name[16]; };
struct all {
  u8 bytes[4]; int i; const volatile long l; unsigned f1 : 3; int f2 : 5; u64 f3 : 40;
  struct inner in; union { int x; float y; }; struct { int deep; union { char c; short s; }; };
  struct fwd *p; union ufwd *q; enum color color; enum big big; double d; _Bool flag;
  int matrix[2][3]; struct all *self; int (*callback)(int, struct inner *__restrict, ...);
  int __tag("user") *tagged __decl("member");
  __int128 wide; char flex[];
} __decl("whole");
struct all *global_all; int counter = 3; static volatile int hidden; const int constant = 7;
extern int kernel_symbol __attribute__((section(".ksyms"))); extern int kfunc(int) __attribute__((section(".ksyms")));
static __attribute__((noinline)) int helper(struct all *a, int n) { return a->i + n + hidden; }
__attribute__((noinline)) int shared(int a __decl("argument")) { return a * counter; }
SEC("socket") int prog(struct all *ctx) {
  hidden++;
  return helper(ctx, 1) + shared(2) + kernel_symbol + kfunc(1) + constant + ctx->big + ctx->color;
}
char _license[] SEC("license") = "GPL";
`;
