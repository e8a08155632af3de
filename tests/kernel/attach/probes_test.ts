import { assert, assertEquals, assertThrows } from "@std/assert";
import { probes } from "../../../src/attach/probes.ts";
import { NotFoundError } from "../../../src/errors.ts";
import { kernelTest } from "../../support/harness.ts";

const names = (pattern: string) => probes(pattern).map((probe) => probe.name);

kernelTest("probes() lists tracepoints with their fields", {}, () => {
  const [openat, ...more] = probes("tracepoint:syscalls:sys_enter_openat");
  assertEquals(more, []);
  assertEquals(openat!.name, "tracepoint:syscalls:sys_enter_openat");
  assertEquals(openat!.arguments.map((a) => a.name), ["dfd", "filename", "flags", "mode"]);
  assertEquals(openat!.arguments[1]!.type, "const char *");
});

kernelTest("probes() expands wildcards in category and name", {}, () => {
  const found = names("tracepoint:sys*:sys_?x*_openat");
  assertEquals(found, ["tracepoint:syscalls:sys_exit_openat"]);
  assert(names("tracepoint:*openat*").includes("tracepoint:syscalls:sys_enter_openat"));
  assertEquals(names("tracepoint:no_such:*"), []);
});

kernelTest("probes() takes arguments of raw tracepoints, hooks and iterators from BTF", { needs: ["btf"] }, () => {
  const [raw] = probes("raw_tp:sched_process_exec");
  assertEquals(raw!.arguments.map((a) => a.type), ["struct task_struct *", "pid_t", "struct linux_binprm *"]);
  assertEquals(names("tp_btf:sched_process_exec"), ["tp_btf:sched_process_exec"]);
  const [hook] = probes("lsm:file_open");
  assertEquals([hook!.arguments, hook!.returns], [[{ name: "file", type: "struct file *" }], "int"]);
  const iterators = names("iter:*");
  assert(iterators.includes("iter:task") && iterators.includes("iter:bpf_map"));
  assert(!iterators.some((name) => name.endsWith("_next")), "kfuncs of open-coded iterators are no targets");
});

kernelTest("probes() lists kernel functions with their prototypes", { needs: ["btf", "kprobes"] }, () => {
  for (const kind of ["kprobe", "fentry"]) {
    const [send] = probes(`${kind}:tcp_sendmsg`);
    assertEquals(send!.arguments.map((a) => a.name), ["sk", "msg", "size"]);
    assertEquals(send!.returns, "int");
  }
});

kernelTest("probes() lists the functions of files", {}, () => {
  assertEquals(names("uprobe:libc.so.6:getpi?"), ["uprobe:libc.so.6:getpid"]);
  assertThrows(() => probes("uprobe:/no/such/file:*"));
});

kernelTest("probes() refuses kinds that do not exist and takes patterns of kinds", {}, () => {
  const error = assertThrows(() => probes("trcepoint:x"), NotFoundError);
  assertEquals(error.nearest, ["tracepoint"]);
  const kinds = new Set(names("*:sched_switch").map((name) => name.split(":")[0]));
  assertEquals([...kinds].filter((k) => k === "raw_tp" || k === "tp_btf").length, 2);
});
