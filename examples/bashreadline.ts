#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every line typed into any bash on the machine.
 *
 *   examples/bashreadline.ts
 *   bun run examples/bashreadline.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8 with uprobes; a bash that exports readline
 */
import { bpf, interrupted, ringbuf, str, u32 } from "../mod.ts";

using tracer = bpf({
  maps: { lines: ringbuf({ pid: u32, text: str(256) }) },
  programs: {
    "uretprobe:/bin/bash:readline"(ctx, { lines, pid, userString }) {
      if (ctx.ret) lines.emit({ pid: pid(), text: userString(ctx.ret) });
    },
  },
});

tracer.attach();
console.log("PID     LINE");
for await (const line of tracer.maps.lines.read({ signal: interrupted() })) {
  console.log(`${String(line.pid).padEnd(7)} ${line.text}`);
}
