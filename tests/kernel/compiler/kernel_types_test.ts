// deno-lint-ignore-file no-self-compare -- random() differs from itself
/** Access to kernel memory by BTF: values compared with what user space knows, programs of every kind loaded. */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { str } from "../../../src/bytes/composites.ts";
import { u32, u64 } from "../../../src/bytes/scalars.ts";
import { map, type Script } from "../../compiler/support/compile.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";

// deno-lint-ignore no-explicit-any -- kernel functions are compiled, never called
type Any = any;

function check(
  name: string,
  fn: (ctx: Any, $: Any) => unknown,
  wanted: number | ((loaded: Loaded) => void),
  rest: Omit<Script, "programs"> = {},
): void {
  kernelTest(name, {}, () => {
    using loaded = new Loaded({ ...rest, programs: { "raw_tp:waggle": fn } });
    if (typeof wanted === "number") assertEquals(loaded.run([1n, 2n]).retval | 0, wanted);
    else wanted(loaded);
  });
}

check(
  "task().tgid is the process id, pid() agrees",
  (_ctx, { task, pid }) => task().tgid === pid() ? task().tgid : 0,
  process.pid,
);
check(
  "pointers are followed: real_parent",
  (_ctx, { task, ppid }) => task().real_parent.tgid === ppid() ? ppid() : 0,
  process.ppid,
);
check("a pointer kept in a variable", (_ctx, { task }) => {
  const t = task();
  const parent = t.real_parent;
  return parent ? parent.tgid : 0;
}, process.ppid);
check("walking up the parents in a loop", (_ctx, { task }) => {
  let n = 0;
  for (let t = task(), i = 0; i < 64 && t.tgid !== 1; t = t.real_parent, i++) n++;
  return n > 0 && n < 64 ? 1 : 0;
}, 1);
check("character arrays are strings", (_ctx, { task, comm }) => task().comm === comm() ? 1 : 0, 1);
check(
  "strings of the kernel become keys and values",
  (_ctx, { task, m }) => {
    m.set(1, { name: task().comm });
    return m.get(1)?.name === task().comm ? 1 : 0;
  },
  1,
  { maps: { m: map("hash", { key: u32, value: { name: str(16) } }) } },
);
check("embedded structs, 64-bit members", (_ctx, { task }) => task().se.sum_exec_runtime > 0 ? 1 : 0, 1);
check(
  "bit-fields",
  (_ctx, { task }) => task().sched_migrated + task().in_execve * 10 + task().in_user_fault * 100 < 112 ? 1 : 0,
  1,
);
check(
  "anonymous members are looked through",
  (_ctx, { task }) => task().mm.mm_count.counter > 0 ? 1 : 0,
  1,
);
check(
  "nested access through several pointers",
  (_ctx, { task }) => task().nsproxy.uts_ns.name.sysname === "Linux" ? 1 : 0,
  1,
);
check("elements of arrays of pointers and structs", (_ctx, { task }) => {
  const files = task().files;
  return files.fdtab.max_fds > 0 && files.fdt.fd[1] !== 0 && files.fd_array[63] !== 1 && task().comm[0] > 0 ? 1 : 0;
}, 1);
check("a variable index reads through the helper", (_ctx, { task, range }) => {
  let n = 0;
  for (const i of range(3)) if (task().files.fdt.fd[i]) n++;
  return n > 0 ? 1 : 0;
}, 1);
check("as() reads through a number", (_ctx, { task, as, u64 }) => as(u64(task()), "task_struct").tgid, process.pid);
check("exists(), sizeof(), offsetof(), enumValue()", (_ctx, { task, exists, sizeof, offsetof, enumValue }) => {
  if (!exists(task().tgid) || exists(task().no_such_field)) return 1;
  if (sizeof("u64") !== 8 || sizeof(task().tgid) !== 4 || sizeof("task_struct") < 1000) return 2;
  if (offsetof("task_struct", "tgid") - offsetof("task_struct", "pid") !== 4) return 3;
  return enumValue("pid_type", "PIDTYPE_SID");
}, 3);
check(
  "containerOf() goes back to the struct",
  (_ctx, { task, containerOf }) => containerOf(task().se, "task_struct", "se").tgid,
  process.pid,
);
check(
  "user memory is read by user() and userString()",
  (_ctx, { task, user, u64, userString, kernelString, m }) => {
    const mm = task().mm;
    m.set(1, { arg: userString(mm.arg_start), bad: kernelString(16) });
    const word = user(mm.arg_start, u64);
    return word !== 0 && m.get(1)?.arg !== "" && m.get(1)?.bad === "" ? 1 : 0;
  },
  1,
  { maps: { m: map("hash", { key: u32, value: { arg: str(64), bad: str(16) } }) } },
);
check("null pointers are falsy, ?. stops at them", (_ctx, { as }) => {
  const nothing = as(0, "task_struct");
  return (nothing ? 1 : 0) + (nothing?.tgid === undefined ? 10 : 0) + (nothing.tgid === 0 ? 100 : 0);
}, 110);
check(
  "helpers by name",
  (_ctx, { bpf_get_current_pid_tgid, bpf_ktime_get_ns }) =>
    bpf_ktime_get_ns() > 0 ? bpf_get_current_pid_tgid() >>> 32 : 0,
  process.pid,
);
if (kernelAtLeast("6.2")) {
  check("kfuncs by name", (_ctx, { kfunc }) => {
    kfunc.bpf_rcu_read_lock();
    kfunc.bpf_rcu_read_unlock();
    return 7;
  }, 7);
}
check(
  "time, cpu, random, uid, cgroup",
  (_ctx, { nsecs, bootNsecs, jiffies, cpu, numaNode, random, uid, gid, cgroupId, tid }) => {
    const a = nsecs();
    const ok = bootNsecs() >= a && jiffies() > 0 && cpu() < 4096 && numaNode() < 64 &&
      (random() !== random() || random() !== random());
    return ok && uid() === 0 && gid() === 0 && cgroupId() > 0 && tid() > 0 ? 1 : 0;
  },
  1,
);
check(
  "a scalar from a map in a variable that is assigned again",
  (ctx, { m }) => {
    m.set(1, 5);
    m.set(2, 7);
    let n = m.get(ctx.arg0);
    m.set(1, 100);
    if (n === 5) n = m.get(ctx.arg1);
    return n ?? 50;
  },
  7,
  { maps: { m: map("hash", { key: u32, value: u64 }) } },
);
if (kernelAtLeast("6.1")) check("atomic time", (_ctx, { taiNsecs, nsecs }) => taiNsecs() > nsecs() ? 1 : 0, 1);
