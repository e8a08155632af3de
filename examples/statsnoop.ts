#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every file whose attributes are asked for: the stat family of system calls.
 *
 *   examples/statsnoop.ts [PID]
 *   bun run examples/statsnoop.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import process from "node:process";
import { bpf, constant, hash, i32, interrupted, ringbuf, str, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    started: hash(u64, u64),
    stats: ringbuf({ pid: u32, ret: i32, comm: str(16), path: str(256) }),
  },
  globals: { target: constant(u32, Number(process.argv[2] ?? 0)) },
  functions: {
    left({ started, stats, target, pid, tid, comm, userString }, ret: number) {
      const path = started.get(tid());
      if (!path) return;
      if (!target || pid() === target) stats.emit({ pid: pid(), ret, comm: comm(), path: userString(path) });
      started.delete(tid());
    },
  },
  programs: {
    "tracepoint:syscalls:sys_enter_newfstatat"(ctx, { started, tid }) {
      started.set(tid(), ctx.filename);
    },
    "tracepoint:syscalls:sys_enter_statx"(ctx, { started, tid }) {
      started.set(tid(), ctx.filename);
    },
    "tracepoint:syscalls:sys_exit_newfstatat"(ctx, { left }) {
      left(ctx.ret);
    },
    "tracepoint:syscalls:sys_exit_statx"(ctx, { left }) {
      left(ctx.ret);
    },
  },
});

tracer.attach();
console.log("PID     COMM              RET PATH");
for await (const e of tracer.maps.stats.read({ signal: interrupted() })) {
  console.log(`${String(e.pid).padEnd(7)} ${e.comm.padEnd(16)} ${String(e.ret).padStart(4)} ${e.path}`);
}
