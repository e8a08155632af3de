/** Interfaces of the kernel besides TCP's congestion control (tests/kernel/load): the scheduler. */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { load } from "../../../src/script/open.ts";
import { kernelTest } from "../../support/harness.ts";

kernelTest("a sched_ext scheduler runs the tasks of the machine while it is attached", {
  needs: ["btf", "config:SCHED_CLASS_EXT"],
}, () => {
  const state = () => readFileSync("/sys/kernel/sched_ext/state", "utf8").trim();
  assertEquals(state(), "disabled");
  using bpf = load(new URL("../../data/sched_ext.bpf.o", import.meta.url));
  bpf.attach();
  assertEquals([state(), readFileSync("/sys/kernel/sched_ext/root/ops", "utf8").trim()], ["enabled", "waggle"]);
  assertEquals(spawnSync("true").status, 0);
  const runs = bpf.globals["runs"] as bigint;
  assert(runs > 0n);
  bpf.detach();
  // The kernel disables a scheduler in a task of its own.
  for (let i = 0; i < 1000 && existsSync("/sys/kernel/sched_ext/root"); i++) spawnSync("true");
  assertEquals(state(), "disabled");
});
