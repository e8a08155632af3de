#!/usr/bin/env -S deno run --allow-ffi
/**
 * How long threads wait for a CPU once they could run, as a histogram.
 *
 *   examples/runqlat.ts [SECONDS]
 *   bun run examples/runqlat.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.5
 */
import process from "node:process";
import { bpf, hash, histogram, interrupted, pause, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    queued: hash(u32, u64),
    latency: histogram(undefined, { unit: "us" }),
  },
  programs: {
    "tracepoint:sched:sched_wakeup"(ctx, { queued, nsecs }) {
      queued.set(ctx.pid, nsecs());
    },
    "tracepoint:sched:sched_wakeup_new"(ctx, { queued, nsecs }) {
      queued.set(ctx.pid, nsecs());
    },
    "tracepoint:sched:sched_switch"(ctx, { queued, latency, nsecs, TASK_RUNNING }) {
      const now = nsecs();
      // Preempted while it could still run: it waits again from here.
      if (ctx.prev_state === TASK_RUNNING && ctx.prev_pid) queued.set(ctx.prev_pid, now);
      const since = queued.get(ctx.next_pid);
      if (!since) return;
      latency.add((now - since) / 1000);
      queued.delete(ctx.next_pid);
    },
  },
});

tracer.attach();
console.log("Tracing the run queues, Ctrl-C ends.");
await pause(Number(process.argv[2] ?? 86_400), interrupted());
console.log(String(tracer.maps.latency.read()));
