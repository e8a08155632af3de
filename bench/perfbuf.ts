/**
 * Perf buffer drain against libbpf in C: see events.ts for what is compared. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/deno run -A bench/perfbuf.ts
 */
import { possibleCpus } from "../src/kernel/cpus.ts";
import { createMap } from "../src/maps/create.ts";
import type { PerfBuffer } from "../src/maps/perf_buffer.ts";
import { type BenchEvent, benchEvents, BUFFER_BYTES, producer, r1, r10, r2, r3, r4, r5, r6 } from "./events.ts";

await benchEvents(import.meta.url, "perfbuf", (size, value) => {
  const array = createMap({ type: "perf_event_array", value, maxEntries: possibleCpus(), name: "bench" });
  return {
    mapId: array.id,
    // Each event has a header of 8 bytes and its size in 4, and is padded to 8.
    fill: Math.floor(BUFFER_BYTES / ((size + 12 + 7) & ~7)) - 1,
    insns: producer(
      size,
      (b) =>
        b.mov(r1, r6).mapFd(r2, array.fd).mov32(r3, -1).mov(r4, r10).alu("add", r4, -256).mov(r5, size)
          .call("perf_event_output"),
    ),
    open: () => array.open({ pages: BUFFER_BYTES / 4096, wakeupEvents: 1000 }) as unknown as PerfBuffer<BenchEvent>,
  };
});
