/** The definition of examples/opensnoop.ts, to compile over and over: for compile.ts. */
import { compile, type CompiledScript, hash, i32, ringbuf, str, u32, u64 } from "../mod.ts";

export function compileOpensnoop(): CompiledScript {
  const object = compile({
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
  return object;
}
