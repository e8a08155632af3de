#!/usr/bin/env -S deno run --allow-ffi
/**
 * Samples what all CPUs run, 99 times a second, and prints the stacks in the folded form that flame graphs are made of.
 *
 *   examples/profile.ts [SECONDS] [PID] > stacks.folded
 *   bun run examples/profile.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 4.9
 */
import process from "node:process";
import { bpf, constant, counter, i32, interrupted, pause, stackTraces, str, u32 } from "../mod.ts";

using tracer = bpf({
  maps: {
    stacks: stackTraces(),
    samples: counter({ pid: u32, kernel: i32, user: i32, comm: str(16) }),
  },
  globals: { target: constant(u32, Number(process.argv[3] ?? 0)) },
  programs: {
    "profile:hz:99"(_, { stacks, samples, target, pid, comm }) {
      const id = pid();
      if (!id || (target && id !== target)) return;
      samples.count({ pid: id, kernel: stacks.kernel(), user: stacks.user(), comm: comm() });
    },
  },
});

tracer.attach();
await pause(Number(process.argv[2] ?? 10), interrupted());
tracer.detach();

for (const [{ pid, kernel, user, comm }, count] of tracer.maps.samples) {
  const userFrames = user < 0 ? [] : tracer.maps.stacks.userNames(user, pid);
  const kernelFrames = kernel < 0 ? [] : tracer.maps.stacks.kernelNames(kernel).map((name) => `${name}_[k]`);
  console.log(`${[comm, ...userFrames.reverse(), ...kernelFrames.reverse()].join(";")} ${count}`);
}
