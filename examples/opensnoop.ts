#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every file being opened on the machine, live: who, the result, the path.
 *
 *   examples/opensnoop.ts [PID]
 *   bun run examples/opensnoop.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import process from "node:process";
import { bpf, hash, i32, interrupted, ringbuf, str, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    started: hash(u64, { path: u64 }),
    opens: ringbuf({ pid: u32, ret: i32, comm: str(16), path: str(256) }),
  },
  globals: { target: u32 },
  programs: {
    "tracepoint:syscalls:sys_enter_openat"(ctx, { started, target, pid, tid }) {
      if (target && pid() !== target) return;
      started.set(tid(), { path: ctx.filename });
    },
    "tracepoint:syscalls:sys_exit_openat"(ctx, { started, opens, pid, tid, comm, userString }) {
      const s = started.get(tid());
      if (!s) return;
      opens.emit({ pid: pid(), ret: ctx.ret, comm: comm(), path: userString(s.path) });
      started.delete(tid());
    },
  },
});

tracer.globals.target = Number(process.argv[2] ?? 0);
tracer.attach();
console.log("PID     COMM              RET PATH");
for await (const e of tracer.maps.opens.read({ signal: interrupted() })) {
  console.log(`${String(e.pid).padEnd(7)} ${e.comm.padEnd(16)} ${String(e.ret).padStart(4)} ${e.path}`);
}
