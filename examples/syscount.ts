#!/usr/bin/env -S deno run --allow-ffi
/**
 * The most frequent system calls, second by second.
 *
 *   examples/syscount.ts [PID]
 *   bun run examples/syscount.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.5
 */
import process from "node:process";
import { bpf, constant, interrupted, pause, systemCallName, topK, u32 } from "../mod.ts";

using tracer = bpf({
  maps: { calls: topK(u32, 10, { maxEntries: 1024 }) },
  globals: { target: constant(u32, Number(process.argv[2] ?? 0)) },
  programs: {
    "tracepoint:raw_syscalls:sys_enter"(ctx, { calls, target, pid }) {
      if (target && pid() !== target) return;
      calls.count(ctx.id);
    },
  },
});

tracer.attach();
const stop = interrupted();
for (let more = true; more;) {
  more = await pause(1, stop);
  console.log(`\n${"SYSTEM CALL".padEnd(24)} COUNT`);
  for (const [id, count] of tracer.maps.calls.takeTop()) {
    console.log(`${(systemCallName(id) ?? `call ${id}`).padEnd(24)} ${count}`);
  }
}
