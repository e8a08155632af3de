#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every signal sent by a system call: who sent it, to whom, with what result.
 *
 *   examples/killsnoop.ts
 *   bun run examples/killsnoop.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { bpf, hash, i32, interrupted, ringbuf, str, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    started: hash(u64, { target: i32, signal: i32 }),
    kills: ringbuf({ pid: u32, target: i32, signal: i32, ret: i32, comm: str(16) }),
  },
  functions: {
    entered({ started, tid }, target: number, signal: number) {
      started.set(tid(), { target, signal });
    },
    left({ started, kills, pid, tid, comm }, ret: number) {
      const call = started.get(tid());
      if (!call) return;
      kills.emit({ pid: pid(), target: call.target, signal: call.signal, ret, comm: comm() });
      started.delete(tid());
    },
  },
  programs: {
    "tracepoint:syscalls:sys_enter_kill"(ctx, { entered }) {
      entered(ctx.pid, ctx.sig);
    },
    "tracepoint:syscalls:sys_enter_tkill"(ctx, { entered }) {
      entered(ctx.pid, ctx.sig);
    },
    "tracepoint:syscalls:sys_enter_tgkill"(ctx, { entered }) {
      entered(ctx.tgid, ctx.sig);
    },
    "tracepoint:syscalls:sys_exit_kill"(ctx, { left }) {
      left(ctx.ret);
    },
    "tracepoint:syscalls:sys_exit_tkill"(ctx, { left }) {
      left(ctx.ret);
    },
    "tracepoint:syscalls:sys_exit_tgkill"(ctx, { left }) {
      left(ctx.ret);
    },
  },
});

tracer.attach();
console.log("PID     COMM             SIGNAL TARGET  RESULT");
for await (const e of tracer.maps.kills.read({ signal: interrupted() })) {
  console.log(
    `${String(e.pid).padEnd(7)} ${e.comm.padEnd(16)} ${String(e.signal).padEnd(6)} ${
      String(e.target).padEnd(7)
    } ${e.ret}`,
  );
}
