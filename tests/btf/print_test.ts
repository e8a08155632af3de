import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { FormatError } from "../../src/errors.ts";
import type { Btf } from "../../src/btf/btf.ts";
import { declareC, printC } from "../../src/btf/print_c.ts";
import { printTs, typeTs } from "../../src/btf/print_ts.ts";
import type { BtfComposite, BtfType } from "../../src/btf/types.ts";
import { BtfBuilder } from "../../src/btf/write.ts";
import { test } from "../support/harness.ts";
import { compileBtf, inFolder, run, toolTest, vmlinuxBtf } from "./support.ts";

const SHAPES = `
typedef unsigned int u32; typedef unsigned long long u64;
enum color { RED, GREEN = 5, BLUE = -1 };
enum tiny { A1, B1 } __attribute__((packed));
enum big { HUGE_VALUE = 0xffffffff00000001ULL, ONE = 1 };
struct fwd; union ufwd;
typedef struct { int x, y; } point_t;
struct list { struct list *next, *(*get)(struct list *, int, ...); struct fwd *f; point_t at; };
struct packed { char a; int b; short c; } __attribute__((packed));
struct aligned { int a; } __attribute__((aligned(64)));
struct bits { u32 a : 3; u32 : 5; u32 b : 4; u64 c : 40; int d : 7; char e; u32 f : 9; u32 : 0; u32 g : 1; };
struct holes { char a; struct packed p; struct aligned q; u64 z __attribute__((aligned(32))); };
union wide { char a[3]; short b; } ;
union stretched { int a; } __attribute__((aligned(16)));
struct flex { u32 n; union ufwd *u; u64 items[]; };
struct padded_flex { u64 a; char n; char data[]; } ;
struct all {
  const volatile int *const *restrict p; int (*matrix[2])[3]; void (*const handler)(const char *, enum color);
  struct { int a; union { int b; struct { char c, d; }; }; }; struct { u32 q; } named[2];
  enum color color; enum tiny tiny; enum big big; _Bool ok; double dbl; struct bits bits; union wide w; union stretched s;
  struct flex *flex; struct padded_flex *pf;
};
struct all v1; struct holes v2; struct list v3;
struct bits v4; struct flex *v5; struct padded_flex *v6; union stretched v7;
`;

/** Name, size and members with their places: what must survive a trip through C. */
function shapes(btf: Btf): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const id of btf.ids()) {
    const type = btf.type(id);
    if ((type.kind !== "STRUCT" && type.kind !== "UNION") || type.name === "") continue;
    found.set(`${type.kind} ${type.name}`, shape(type));
  }
  return found;
}

function shape(type: BtfComposite): unknown {
  return [type.size, type.members.map((m) => [m.name, m.bitOffset, m.bitSize])];
}

toolTest("`printC()` prints C that clang turns into the same types", ["clang-19"], () => {
  const btf = compileBtf(SHAPES);
  const text = printC(btf);
  const uses = [
    "struct all",
    "struct holes",
    "struct list",
    "struct bits",
    "struct flex *",
    "struct padded_flex *",
    "union stretched",
  ];
  const again = compileBtf(`${text}\n${uses.map((use, i) => `${use} v${i};`).join("\n")}`, ["-Wall", "-Werror"]);
  assertEquals(shapes(again), shapes(btf));
  assertEquals(printC(again), text);
  assertStringIncludes(text, "const volatile int *const *restrict p;");
});

toolTest("`printC()` of the kernel's BTF compiles, with every size and offset as in the BTF", ["clang-19"], () => {
  const btf = vmlinuxBtf();
  if (btf === undefined) return;
  const lines = [printC(btf)];
  const tags = new Set<string>();
  let checks = 0;
  for (const id of btf.ids()) {
    const type = btf.type(id);
    if ((type.kind !== "STRUCT" && type.kind !== "UNION") || type.name === "" || tags.has(type.name)) continue;
    tags.add(type.name);
    // Another kind of type may have the plain name, and a va_list is as large as the machine wants.
    const others = btf.findAll(type.name).some((other) =>
      /^(ENUM|UNION|STRUCT|FWD)/.test(btf.type(other).kind) && other !== id
    );
    if (others || type.name === "warn_args") continue;
    const tag = `${type.kind.toLowerCase()} ${type.name}`;
    lines.push(`_Static_assert(sizeof(${tag}) == ${type.size}, "${tag}");`);
    for (const m of type.members) {
      if (m.name === "" || m.bitSize !== 0) continue;
      lines.push(`_Static_assert(__builtin_offsetof(${tag}, ${m.name}) == ${m.bitOffset / 8}, "${tag}.${m.name}");`);
      checks++;
    }
  }
  assert(checks > 10_000);
  inFolder((folder) => {
    const file = join(folder, "vmlinux.c");
    writeFileSync(file, lines.join("\n"));
    run("clang-19", "--target=bpf", "-w", "-fsyntax-only", file);
  });
});

toolTest("`printC()` prints single types as bpftool does", ["clang-19", "bpftool"], () => {
  const btf = vmlinuxBtf();
  if (btf === undefined) return;
  const theirs = blocks(run("bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"));
  const ours = blocks(printC(btf));
  for (
    const head of [
      "struct list_head {",
      "struct file {",
      "struct bpf_insn {",
      "enum bpf_map_type {",
      "struct iphdr {",
      "union bpf_attr {",
    ]
  ) {
    assertEquals(ours.get(head), theirs.get(head), head);
  }
});

/** Top-level definitions by their first line. */
function blocks(text: string): Map<string, string> {
  return new Map(text.split("\n\n").map((block) => [block.split("\n")[0]!, block.trim()]));
}

test("`printC()` prints only what the given types need, and guards a header", () => {
  const builder = new BtfBuilder();
  const int = builder.add({
    kind: "INT",
    name: "int",
    size: 4,
    bits: 32,
    bitOffset: 0,
    signed: true,
    char: false,
    bool: false,
  });
  const usize = builder.add({
    kind: "INT",
    name: "usize",
    size: 8,
    bits: 64,
    bitOffset: 0,
    signed: false,
    char: false,
    bool: false,
  });
  const generic = builder.add(struct("Option<u32>", 4, [["some", int, 0]]));
  const other = builder.add(struct("other", 4, [["x", int, 0]]));
  const pointer = builder.add({ kind: "PTR", name: "", type: other });
  const root = builder.add(struct("root", 24, [["a", usize, 0], ["b", generic, 64], ["c", pointer, 128]]));
  const btf = builder.build();
  const text = printC(btf, { ids: [root], header: "my.h" });
  assertStringIncludes(text, "typedef unsigned long long usize;");
  assertStringIncludes(text, "struct Option_u32_ {\n\tint some;\n};");
  assertStringIncludes(text, "struct other;\n");
  assert(!text.includes("struct other {"));
  assertStringIncludes(text, "#ifndef __MY_H__");
  assertStringIncludes(text, "preserve_access_index");
  assertEquals(declareC(btf, pointer, "p"), "struct other *p");
});

test("`printC()` names the second type of a name as a flavour, and refuses types that contain themselves", () => {
  const builder = new BtfBuilder();
  const int = builder.add({
    kind: "INT",
    name: "int",
    size: 4,
    bits: 32,
    bitOffset: 0,
    signed: true,
    char: false,
    bool: false,
  });
  builder.add(struct("twice", 4, [["x", int, 0]]));
  builder.add(struct("twice", 8, [["y", int, 0], ["z", int, 32]]));
  builder.add({ kind: "ENUM", name: "e", size: 4, signed: false, values: [{ name: "V", value: 1n }] });
  builder.add({ kind: "ENUM", name: "", size: 4, signed: false, values: [{ name: "V", value: 2n }] });
  const text = printC(builder.build());
  assertStringIncludes(text, "struct twice___2 {\n\tint y;");
  assertStringIncludes(text, "enum {\n\tV___2 = 2,\n};");
  const cyclic = new BtfBuilder();
  cyclic.add(struct("loop", 4, [["me", 1, 0]]));
  assertThrows(() => printC(cyclic.build()), FormatError, "contains itself");
  const deep = new BtfBuilder();
  for (let i = 0; i < 5000; i++) deep.add({ kind: "TYPEDEF", name: `t${i}`, type: i + 2 });
  deep.add({ kind: "PTR", name: "", type: 0 });
  assertThrows(() => printC(deep.build()), FormatError, "in a row");
});

function struct(name: string, size: number, members: [string, number, number][]): BtfType {
  return {
    kind: "STRUCT",
    name,
    size,
    kflag: false,
    members: members.map(([n, type, bitOffset]) => ({ name: n, type, bitOffset, bitSize: 0 })),
  };
}

toolTest("`printTs()` prints declarations that fit what `btfCodec()` reads", ["clang-19"], () => {
  const btf = compileBtf(`
    typedef unsigned char u8; typedef unsigned int u32; typedef unsigned long long u64;
    enum color { RED, GREEN = 5 };
    struct inner { u64 big; int small; };
    struct event {
      u32 pid; u64 ts; char comm[16]; u8 mac[6]; enum color color; _Bool ok; void *p; double d;
      struct inner in, list[2]; int grid[2][2]; enum color colors[3]; u32 f : 3; u64 g : 40; _Bool b : 1;
      union { int x; struct { short lo, hi; }; }; struct { int only; } sub; struct bpf_spin_lock { u32 val; } lock;
    } e;`);
  const text = printTs(btf, { ids: [btf.find("event", "STRUCT")!] });
  const at = text.indexOf("export interface event");
  assertEquals(text.slice(0, at).match(/export \w+ \w+/g), [
    "export type color",
    "export interface inner",
    "export interface bpf_spin_lock",
  ]);
  assertStringIncludes(text, 'export type color = "RED" | "GREEN" | number;');
  assertEquals(text.slice(at).split("\n").slice(1, -2).map((line) => line.trim()), [
    "pid: number;",
    "ts: bigint;",
    "comm: string;",
    "mac: Uint8Array;",
    "color: color;",
    "ok: boolean;",
    "p: bigint;",
    "d: number;",
    "in: inner;",
    "list: inner[];",
    "grid: number[][];",
    "colors: color[];",
    "f: number;",
    "g: bigint;",
    "b: boolean;",
    "x?: number;",
    "lo?: number;",
    "hi?: number;",
    "sub: { only: number };",
    "lock?: bpf_spin_lock;",
  ]);
  assertEquals(typeTs(btf, btf.find("color", "ENUM")!), "color");
});

test("`printTs()` of the kernel's structs is TypeScript", () => {
  const btf = vmlinuxBtf();
  if (btf === undefined || process.versions["bun"] !== undefined) return;
  const ids = ["task_struct", "sk_buff", "bpf_attr", "iphdr"].flatMap((name) => btf.candidates(name));
  inFolder((folder) => {
    const file = join(folder, "types.ts");
    writeFileSync(file, printTs(btf, { ids }));
    const deno = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
    execFileSync(deno, ["check", "--quiet", file], { stdio: "pipe" });
  });
});
