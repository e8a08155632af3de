#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every program being started, with its arguments.
 *
 *   examples/execsnoop.ts
 *   bun run examples/execsnoop.ts
 *
 * The arguments are read from the new program's own memory, where the kernel has just put them in one piece.
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { bpf, bytes, interrupted, ringbuf, str, u32 } from "../mod.ts";

using tracer = bpf({
  maps: {
    execs: ringbuf({ pid: u32, parent: u32, uid: u32, length: u32, comm: str(16), args: bytes(256) }),
  },
  programs: {
    "tracepoint:sched:sched_process_exec"(_, { execs, task, pid, ppid, uid, comm, min, u64, bpf_probe_read_user }) {
      const e = execs.reserve();
      if (!e) return;
      const { arg_start, arg_end } = task().mm;
      e.pid = pid();
      e.parent = ppid();
      e.uid = uid();
      e.length = arg_end - arg_start;
      e.comm = comm();
      // Not a byte more than there are: behind them the stack ends.
      bpf_probe_read_user(e.args, min(u64(arg_end - arg_start), 256), arg_start);
      execs.submit(e);
    },
  },
});

tracer.attach();
console.log("PID     PPID    UID   COMM             ARGUMENTS");
for await (const e of tracer.maps.execs.read({ signal: interrupted() })) {
  const text = new TextDecoder().decode(e.args.subarray(0, e.length));
  const args = text.split("\0").filter((arg) => arg !== "").join(" ") + (e.length > 256 ? " ..." : "");
  console.log(
    `${String(e.pid).padEnd(7)} ${String(e.parent).padEnd(7)} ${String(e.uid).padEnd(5)} ${e.comm.padEnd(16)} ${args}`,
  );
}
