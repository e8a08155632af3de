import { assert, assertEquals } from "@std/assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Btf } from "../../src/btf/btf.ts";
import { CoreResolver } from "../../src/object/core.ts";
import { minimalCoreBtf } from "../../src/object/link_min_core.ts";
import { parseObject } from "../../src/object/parse.ts";
import { inFolder, run, toolTest, VMLINUX, vmlinuxBtf } from "../btf/support.ts";
import { object } from "./link_support.ts";

const SOURCE = `
#define CORE __attribute__((preserve_access_index))
struct list_head { struct list_head *next; } CORE;
struct mm_struct { u64 start_stack; } CORE;
struct task_struct { int pid; struct mm_struct *mm; struct list_head tasks; char comm[16]; } CORE;
struct task_struct___old { int no_such_member; } CORE;
enum bpf_map_type { BPF_MAP_TYPE_HASH = 999 };
struct no_such_struct { int x; } CORE;
SEC("raw_tp/x") int p(u64 *c) {
  struct task_struct *t = (void *)c[0]; struct task_struct___old *o = (void *)c[0];
  u64 sum = t->pid + (u64)t->mm + t->mm->start_stack + (u64)t->tasks.next + t->comm[3];
  sum += __builtin_preserve_field_info(o->no_such_member, 2);
  sum += __builtin_preserve_enum_value(*(enum bpf_map_type *)BPF_MAP_TYPE_HASH, 1);
  sum += __builtin_preserve_type_info(*(struct no_such_struct *)0, 0);
  return sum + __builtin_preserve_type_info(*(struct mm_struct *)0, 1);
}
char _license[] SEC("license") = "GPL";`;

/** The instructions after CO-RE, and which of them have no meaning there. */
function relocated(bytes: Uint8Array, target: Btf): unknown[] {
  const spec = parseObject(bytes);
  const resolver = new CoreResolver(spec.btf!, { btf: target });
  return spec.programs.map((program) => {
    const insns = program.insns.slice();
    const poisoned = resolver.apply(program, insns);
    return [insns, poisoned.map((p) => p.insn)];
  });
}

toolTest("`minimalCoreBtf()` is as small as bpftool's and gives the same instructions as the whole", [
  "clang-19",
  "bpftool",
], () => {
  const target = vmlinuxBtf();
  if (target === undefined) return;
  const input = object("core.o", SOURCE);
  const minimal = minimalCoreBtf(target, [input]);
  assertEquals(relocated(input.bytes, Btf.parse(minimal.bytes)), relocated(input.bytes, target));
  assert(minimal.bytes.length < 4000, `${minimal.bytes.length} bytes`);
  const members = (btf: Btf, name: string): string[] => {
    const type = btf.type(btf.find(name, "STRUCT")!);
    return type.kind === "STRUCT" ? type.members.map((m) => m.name) : [];
  };
  assertEquals(members(minimal, "task_struct").sort(), ["comm", "mm", "pid", "tasks"]);
  inFolder((folder) => {
    const [file, output] = [join(folder, "core.o"), join(folder, "min.btf")];
    writeFileSync(file, input.bytes);
    run("bpftool", "gen", "min_core_btf", VMLINUX, output, file);
    const theirs = Btf.parse(new Uint8Array(readFileSync(output)));
    assert(minimal.typeCount <= theirs.typeCount, `${minimal.typeCount} types where bpftool keeps ${theirs.typeCount}`);
    assertEquals(members(minimal, "task_struct").sort(), members(theirs, "task_struct").sort());
  });
});
