// deno-lint-ignore-file no-self-compare -- random() differs from itself
/** Access to kernel memory by BTF: values compared with what user space knows, programs of every kind loaded. */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { array, bytes, str, struct } from "../../../src/bytes/composites.ts";
import { u32, u64 } from "../../../src/bytes/scalars.ts";
import { KernelNames } from "../../../src/script/kernel_names.ts";
import { map, type Script } from "../../compiler/support/compile.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { kernelTest, type Need } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";

// deno-lint-ignore no-explicit-any -- kernel functions are compiled, never called
type Any = any;

function check(
  name: string,
  fn: (ctx: Any, $: Any) => unknown,
  wanted: number | ((loaded: Loaded) => void),
  { needs = [], ...rest }: Omit<Script, "programs"> & { needs?: Need[] } = {},
): void {
  kernelTest(name, { needs }, () => {
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
  (_ctx, { task }) => task().sched_migrated + task().in_execve * 10 + task().in_iowait * 100 < 112 ? 1 : 0,
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
  return files.fdtab.max_fds > 0 && files.fdt.fd[1] !== 0 && files.fd_array[63] !== 1 && task().comm[0] !== "" ? 1 : 0;
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

check("pid and tid in the task's own namespace", (_ctx, { nsPid, nsTid, pid, tid }) => {
  return nsPid() === pid() && nsTid() === tid() ? 1 : 0;
}, 1);
check("ancestors of the cgroup", (_ctx, { ancestorCgroupId, cgroupId }) => {
  return ancestorCgroupId(0) > 0 && ancestorCgroupId(99) === 0 && cgroupId() > 0 ? 1 : 0;
}, 1);
check(
  "stacks as values",
  (_ctx, { kernelStack, m }) => {
    m.set(1, { first: 5, stack: kernelStack(), last: 6 });
    const kept = kernelStack();
    return kept[1] === m.get(1)?.stack[1] ? 1 : 0;
  },
  (loaded) => {
    assertEquals(loaded.run([1n, 2n]).retval, 1);
    const value = struct({ first: u32, stack: array(u64, 12), last: u64 });
    const { stack, last } = loaded.lookup("m", u32, 1, value)!;
    assertEquals(last, 6n);
    const names = new KernelNames();
    const functions = stack.filter((address) => address !== 0n).map((address) => names.name(address));
    assert(functions.some((name) => /bpf_test_run_raw_tp|bpf_prog_test_run/.test(name)), functions.join());
  },
  { maps: { m: map("hash", { key: u32, value: { first: u32, stack: array(u64, 12), last: u64 } }) } },
);
check(
  "bytes of the kernel and of the process",
  (ctx, { kernelBytes, userBytes, task, u64, m }) => {
    const comm = u64(task()) + 0;
    m.set(1, { all: kernelBytes(comm), some: kernelBytes(comm, 3), part: kernelBytes(comm, ctx.arg0) });
    m.set(2, { all: userBytes(task().mm.arg_start), some: userBytes(task().mm.arg_start, 3), part: userBytes(0) });
    const [a, b] = [m.get(1), m.get(2)];
    if (!a || !b) return 1;
    const same = a.all[0] === a.some[0] && a.all[2] === a.some[2] && a.some[3] === 0 && a.part[1] === 0;
    return same && a.part[0] === a.all[0] && b.some[0] === b.all[0] && b.all[0] !== 0 && b.part[0] === 0 ? 5 : 2;
  },
  5,
  { maps: { m: map("hash", { key: u32, value: { all: bytes(8), some: bytes(8), part: bytes(8) } }) } },
);
check(
  "addresses as text",
  (_ctx, { ipv4, ipv6, ntohl, m }) => {
    m.set(ipv6("fe80::1"), 3);
    const there = m.get(ipv6("fe80:0:0:0:0:0:0:1")) ?? 0;
    return (ntohl(ipv4("10.0.0.1")) === 0x0a000001 ? 1 : 0) + there;
  },
  4,
  { maps: { m: map("hash", { key: bytes(16), value: u32 }) } },
);
check("signals by name", (_ctx, { signal }) => signal("SIGCHLD") === 0 ? 1 : 0, 1);
check("errors in pointers", (_ctx, { isError, u64, task }) => {
  return (isError(u64(-2)) ? 1 : 0) + (isError(task()) ? 10 : 0) + (isError(0) ? 100 : 0);
}, 1);
check("symbols of the kernel by address", (_ctx, { symbolAddress, address }) => {
  address.set(1, symbolAddress("schedule"));
  return symbolAddress("schedule") > 0 ? 1 : 0;
}, (loaded) => {
  assertEquals(loaded.run().retval, 1);
  assertEquals(new KernelNames().name(loaded.lookup("address", u32, 1, u64)!), "schedule");
}, { maps: { address: map("hash", { key: u32, value: u64 }) } });
check(
  "per-CPU variables",
  (_ctx, { perCpu, cpu }) => {
    const here = perCpu("runqueues");
    const other = perCpu("runqueues", cpu());
    if (!other) return 1;
    const none = perCpu("runqueues", 100_000);
    return here.cpu === cpu() && other.cpu === cpu() && !none ? 5 : 2;
  },
  5,
  { needs: ["kernel:5.10", "symbol:runqueues"] },
);
check(
  "strings: looking for another string",
  (_ctx, { comm, names, task }) => {
    names.set(1, comm());
    const name = names.get(1);
    if (!name) return 1;
    const own = task().comm;
    return (own.includes(name) ? 1 : 0) + own.indexOf(name) * 100 + ("x".includes(name) ? 10 : 0);
  },
  1,
  { maps: { names: map("hash", { key: u32, value: str(16) }) }, needs: ["symbol:bpf_strnstr"] },
);
