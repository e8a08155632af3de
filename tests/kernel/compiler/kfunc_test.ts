/** Kernel functions that hand over references or give null, and iterators over objects of the kernel. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import process from "node:process";
import { u32, u64 } from "../../../src/bytes/scalars.ts";
import { CompileError } from "../../../src/errors.ts";
import { map, type Script } from "../../compiler/support/compile.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { kernelTest, type Need } from "../../support/harness.ts";

// deno-lint-ignore no-explicit-any -- kernel functions are compiled, never called
type Any = any;
type Fn = (ctx: Any, $: Any) => unknown;

function check(
  name: string,
  fn: Fn,
  wanted: number,
  options: Omit<Script, "programs"> & { needs?: Need[] } = {},
): void {
  const { needs = [], ...script } = options;
  kernelTest(name, { needs }, () => {
    using loaded = new Loaded({ ...script, programs: { tc: fn } });
    assertEquals(loaded.run([], { data: new Uint8Array(64) }).retval | 0, wanted);
  });
}

const GLOBALS = { own: { layout: u32, initial: process.pid, constant: false }, limit: u32 };

check(
  "a reference is tested, used and given back",
  (_ctx, { kfunc, own }) => {
    const task = kfunc.bpf_task_from_pid(own);
    if (!task) return -1;
    const pid = task.tgid;
    const parent = task.real_parent.tgid;
    kfunc.bpf_task_release(task);
    const nobody = kfunc.bpf_task_from_pid(0x7fff_ffff);
    if (nobody) {
      kfunc.bpf_task_release(nobody);
      return -2;
    }
    return pid === own && parent > 0 ? 5 : pid;
  },
  5,
  { globals: GLOBALS, needs: ["symbol:bpf_task_from_pid"] },
);

check(
  "a reference in a loop and behind ?.",
  (_ctx, { kfunc, own, range }) => {
    let found = 0;
    for (const i of range(4)) {
      const task = kfunc.bpf_task_from_pid(own + i * 0x1000_0000);
      found += task?.tgid === own ? 1 : 0;
      if (task) kfunc.bpf_task_release(task);
    }
    return found;
  },
  1,
  { globals: GLOBALS, needs: ["symbol:bpf_task_from_pid"] },
);

check(
  "for…of iterate() visits objects of the kernel",
  (_ctx, { iterate, own, m }) => {
    let [tasks, self] = [0, 0];
    for (const task of iterate("task")) {
      if (task.tgid === 0) continue;
      tasks++;
      if (task.tgid !== own) continue;
      self = task.real_parent.tgid;
      m.set(1, tasks);
      break;
    }
    for (const task of iterate("task")) if (task.pid === own) return self > 0 && m.get(1) === tasks ? 5 : 1;
    return 2;
  },
  5,
  { globals: GLOBALS, maps: { m: map("hash", { key: u32, value: u64 }) }, needs: ["symbol:bpf_iter_task_new"] },
);

function refused(name: string, fn: Fn, wanted: readonly string[], needs: Need[]): void {
  kernelTest(name, { needs }, () => {
    const error = assertThrows(
      () => new Loaded({ globals: GLOBALS, programs: { "tp_btf:sched_switch": fn } }),
      CompileError,
    );
    for (const text of wanted) assertStringIncludes(String(error), text);
  });
}

refused(
  "a reference that nothing takes back is an error",
  (_ctx, { kfunc }) => {
    const task = kfunc.bpf_task_from_pid(1);
    return task ? task.tgid : 0;
  },
  ["not-released: bpf_task_from_pid hands over a reference", "call kfunc.bpf_task_release"],
  [
    "symbol:bpf_task_from_pid",
  ],
);
refused(
  "a pointer that may be null must be tested",
  (_ctx, { kfunc }) => {
    const task = kfunc.bpf_task_from_pid(1);
    const pid = task.tgid;
    kfunc.bpf_task_release(task);
    return pid;
  },
  ["maybe-undefined"],
  ["symbol:bpf_task_from_pid"],
);
refused(
  "iterate() names what the kernel has",
  (_ctx, { iterate }) => {
    for (const task of iterate("tsk")) return task.pid;
    return 0;
  },
  [`this kernel cannot iterate over "tsk"`, "did you mean `task`"],
  ["symbol:bpf_iter_task_new"],
);
