import { assertEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { WaggleError } from "../../src/errors.ts";
import { matchSection, parseTarget } from "../../src/object/section_name.ts";
import { sectionAttachType, type SectionDef, sectionProgType, SECTIONS } from "../../src/object/sections.ts";
import { skippedTest, test } from "../support/harness.ts";

const defs: readonly SectionDef[] = SECTIONS;

/** libbpf's rule, row by row in order: what the index must agree with. */
function matchInOrder(name: string): SectionDef | undefined {
  return defs.find(({ sec }) => {
    if (!sec.endsWith("+")) return name === sec;
    const base = sec.slice(0, -1);
    return name === base || name.startsWith(`${base}/`);
  });
}

function variants(def: SectionDef): string[] {
  const base = def.sec.replace(/\+$/, "");
  return [
    base,
    `${base}/x`,
    `${base}/x/y`,
    `${base}x`,
    `${base}.s`,
    `${base}.s/x`,
    `${base}/`,
    base.slice(0, -1),
    `x${base}`,
  ];
}

test("`matchSection()` finds the row that a search in order finds", () => {
  for (const name of defs.flatMap(variants)) {
    assertEquals(matchSection(name)?.def.sec, matchInOrder(name)?.sec, name);
  }
});

test("`matchSection()` separates the target and the autoload mark", () => {
  const of = (name: string) => {
    const match = matchSection(name);
    return match && [match.def.sec, match.target, match.autoload];
  };
  assertEquals(of("kprobe/do_sys_open+0x10"), ["kprobe+", "do_sys_open+0x10", true]);
  assertEquals(of("?tracepoint/syscalls/sys_enter_openat"), ["tracepoint+", "syscalls/sys_enter_openat", false]);
  assertEquals(of("tc/ingress"), ["tc/ingress", "", true]);
  assertEquals(of("xdp.frags/cpumap"), ["xdp.frags/cpumap", "", true]);
  assertEquals(of("fentry"), ["fentry+", "", true]);
  for (const none of ["xdp/foo", "kprobex", "socket/x", "cgroup/sysctl/x", "netfilter/x", "maps", "", "?"]) {
    assertEquals(of(none), undefined, none);
  }
});

/** Rows that libbpf 1.1, the one Debian 12 has, does not know. */
const NEWER_THAN_1_1 =
  /^(kprobe\.session|uprobe\.(multi|session)|uretprobe\.multi|usdt\.s|tcx|netkit|tc\/|fsession|f\w+\.multi|(raw_)?(tracepoint|tp)\.s|tp_btf\.s|cgroup\/\w+_unix|netfilter|sk_skb\/verdict|struct_ops\.s)/;

function libbpfAnswers(names: readonly string[]): Map<string, [type: number, attach: number]> | undefined {
  const dir = mkdtempSync(`${tmpdir()}/sections-`);
  const calls = names.map((n) => `  ask("${n}");`).join("\n");
  const source = `#include <stdio.h>\n#include <bpf/libbpf.h>
static int quiet(enum libbpf_print_level l, const char *f, va_list a) { return 0; }
static void ask(const char *name) {
  enum bpf_prog_type type; enum bpf_attach_type attach;
  if (libbpf_prog_type_by_name(name, &type, &attach) == 0) printf("%s %d %d\\n", name, type, attach);
}
int main(void) {\n  libbpf_set_print(quiet);\n${calls}\n  return 0;\n}\n`;
  try {
    const cc = spawnSync("cc", ["-x", "c", "-o", `${dir}/a`, "-", "-lbpf"], { input: source, encoding: "utf8" });
    if (cc.status !== 0) return undefined;
    const out = spawnSync(`${dir}/a`, { encoding: "utf8" }).stdout.trim().split("\n");
    return new Map(out.map((l) => l.split(" ")).map(([name, type, attach]) => [name!, [Number(type), Number(attach)]]));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const haveLibbpf = libbpfAnswers(["xdp"]) !== undefined;
const judge = haveLibbpf ? test : (name: string) => skippedTest(name, "needs a C compiler and libbpf-dev");

judge("`matchSection()` gives the program and attach types that libbpf gives, for every row and its variants", () => {
  const names = [...new Set(defs.flatMap(variants))];
  const theirs = libbpfAnswers(names)!;
  let compared = 0;
  for (const name of names) {
    const match = matchSection(name);
    const answer = theirs.get(name);
    if (answer === undefined && match !== undefined) {
      assertEquals(NEWER_THAN_1_1.test(match.def.sec), true, `libbpf does not know ${name}`);
      continue;
    }
    const ours = match && [sectionProgType(match.def), sectionAttachType(match.def)];
    assertEquals([name, ours], [name, answer]);
    if (answer !== undefined) compared++;
  }
  assertEquals(compared > 150, true, `only ${compared} names compared`);
});

test("every row names types that exist", () => {
  assertEquals(SECTIONS.length, 116);
  for (const def of defs) {
    assertEquals(sectionProgType(def) > 0, true, def.sec);
    assertEquals(def.expected === undefined || sectionAttachType(def) >= 0, true, def.sec);
    assertEquals(def.extras !== undefined, def.sec.endsWith("+"), def.sec);
    assertEquals(def.auto && def.attach === "none", false, def.sec);
  }
});

const parse = (name: string) => {
  const match = matchSection(name)!;
  return parseTarget(match.def, match.target);
};

test("`parseTarget()` takes every kind of target apart", () => {
  assertEquals(parse("kprobe"), { kind: "none" });
  assertEquals(parse("xdp"), { kind: "none" });
  assertEquals(parse("kprobe/f.isra.0+0x1f"), { kind: "kprobe", symbol: "f.isra.0", offset: 31 });
  assertEquals(parse("kprobe/f+010"), { kind: "kprobe", symbol: "f", offset: 8 });
  assertEquals(parse("kprobe.multi/tcp_*"), { kind: "kprobe_multi", pattern: "tcp_*" });
  assertEquals(parse("ksyscall/openat"), { kind: "ksyscall", syscall: "openat" });
  assertEquals(parse("uprobe//bin/bash:readline+4"), {
    kind: "uprobe",
    path: "/bin/bash",
    symbol: "readline",
    offset: 4,
  });
  assertEquals(parse("uprobe.s/libc.so.6:operator+"), {
    kind: "uprobe",
    path: "libc.so.6",
    symbol: "operator+",
    offset: 0,
  });
  assertEquals(parse("uprobe/libc:memcpy@@GLIBC_2.14"), {
    kind: "uprobe",
    path: "libc",
    symbol: "memcpy@@GLIBC_2.14",
    offset: 0,
  });
  assertEquals(parse("uprobe.multi/./a:f*"), { kind: "uprobe_multi", path: "./a", pattern: "f*" });
  assertEquals(parse("usdt/libc.so.6:libc:setjmp"), {
    kind: "usdt",
    path: "libc.so.6",
    provider: "libc",
    name: "setjmp",
  });
  assertEquals(parse("tp/sched/sched_switch"), { kind: "tracepoint", category: "sched", name: "sched_switch" });
  assertEquals(parse("raw_tp/sys_enter"), { kind: "raw_tracepoint", name: "sys_enter" });
  assertEquals(parse("fentry/nf_tables:nft_do_chain"), { kind: "btf", module: "nf_tables", name: "nft_do_chain" });
  assertEquals(parse("lsm/file_open"), { kind: "btf", module: undefined, name: "file_open" });
  assertEquals(parse("fexit.multi/vfs_*"), { kind: "trace_multi", module: undefined, pattern: "vfs_*" });
  assertEquals(parse("struct_ops/whatever"), { kind: "none" });
});

test("`parseTarget()` quotes the grammar of what it cannot read", () => {
  const hint = (name: string) => (assertThrows(() => parse(name), WaggleError) as WaggleError).hint;
  assertEquals(hint("tracepoint/sched_switch"), "expected tracepoint/<category>/<name>");
  assertEquals(hint("kprobe/f+zero"), "expected kprobe/<function>[+<offset>]");
  assertEquals(hint("kprobe/f-4"), "expected kprobe/<function>[+<offset>]");
  assertEquals(hint("kretprobe/f+4"), "expected kretprobe/<function>");
  assertEquals(hint("uretprobe/a:f+4"), "expected uretprobe/<file>:<function>");
  assertEquals(hint("uprobe/readline"), "expected uprobe/<file>:<function>[+<offset>]");
  assertEquals(hint("usdt/libc.so.6:setjmp"), "expected usdt/<file>:<provider>:<name>");
  assertEquals(hint("kprobe.multi/a b"), "expected kprobe.multi/<glob>");
  assertEquals(hint("fentry/:f"), "expected fentry/[<module>:]<function>");
});
