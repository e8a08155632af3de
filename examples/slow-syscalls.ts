#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints system calls that have not returned after so many milliseconds, while they still hang: a timer in the kernel
 * goes off for each, and the exit of the system call stops it.
 *
 *   examples/slow-syscalls.ts [PID] [MILLISECONDS]
 *   bun run examples/slow-syscalls.ts 1234 100
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.15 with BTF
 */
import process from "node:process";
import { bpf, constant, hash, interrupted, ringbuf, str, systemCallName, timer, u32, u64 } from "../mod.ts";

const [pid = 0, milliseconds = 100] = process.argv.slice(2).map(Number);

using tracer = bpf({
  globals: {
    target: constant(u32, pid),
    self: constant(u32, process.pid),
    limit: constant(u64, BigInt(milliseconds) * 1_000_000n),
  },
  maps: {
    running: hash(u32, { alarm: timer, pid: u32, call: u32, since: u64, comm: str(16) }),
    slow: ringbuf({ tid: u32, pid: u32, call: u32, nsecs: u64, comm: str(16) }),
  },
  functions: {
    report({ slow, nsecs }, tid: number, call: { pid: number; call: number; since: number; comm: string }) {
      slow.emit({ tid, pid: call.pid, call: call.call, nsecs: nsecs() - call.since, comm: call.comm });
    },
  },
  programs: {
    "tp_btf:sys_enter"(ctx, { running, target, self, limit, report, pid, tid, nsecs, comm }) {
      if (target ? pid() !== target : pid() === self) return;
      running.set(tid(), { pid: pid(), call: ctx.id, since: nsecs(), comm: comm() });
      const call = running.get(tid());
      if (call) running.startTimer(call, limit, report);
    },
    "tp_btf:sys_exit"(_, { running, tid }) {
      running.delete(tid());
    },
  },
});

tracer.attach();
console.log("PID      TID      MS       CALL             COMM");
for await (const e of tracer.maps.slow.read({ signal: interrupted() })) {
  const cells = [e.pid, e.tid, e.nsecs / 1_000_000n].map((cell) => String(cell).padEnd(8));
  console.log(...cells, (systemCallName(e.call) ?? `call ${e.call}`).padEnd(16), e.comm);
}
