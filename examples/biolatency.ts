#!/usr/bin/env -S deno run --allow-ffi
/**
 * How long block devices take, as a histogram for each device.
 *
 *   examples/biolatency.ts [SECONDS]
 *   bun run examples/biolatency.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.5
 */
import process from "node:process";
import { bpf, hash, histogram, interrupted, pause, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    issued: hash({ dev: u32, sector: u64 }, u64),
    latency: histogram(u32, { unit: "us" }),
  },
  programs: {
    "tracepoint:block:block_rq_issue"(ctx, { issued, nsecs }) {
      issued.set({ dev: ctx.dev, sector: ctx.sector }, nsecs());
    },
    "tracepoint:block:block_rq_complete"(ctx, { issued, latency, nsecs }) {
      const key = { dev: ctx.dev, sector: ctx.sector };
      const at = issued.get(key);
      if (!at) return;
      latency.add(ctx.dev, (nsecs() - at) / 1000);
      issued.delete(key);
    },
  },
});

tracer.attach();
console.log("Tracing block devices, Ctrl-C ends.");
await pause(Number(process.argv[2] ?? 86_400), interrupted());
for (const [dev, histogram] of tracer.maps.latency) {
  // A device number has the major in its upper 12 bits, the minor in the 20 below.
  console.log(`\ndevice ${dev >>> 20}:${dev & 0xfffff}\n${histogram}`);
}
