/**
 * Ring buffer drain against libbpf in C and cilium/ebpf in Go: see events.ts for what is compared. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/deno run -A bench/ringbuf.ts
 */
import { toLayout } from "../src/bytes/composites.ts";
import { createMap } from "../src/maps/create.ts";
import { openMap } from "../src/maps/open.ts";
import type { RingBuffer } from "../src/maps/ringbuf.ts";
import { type BenchEvent, benchEvents, BUFFER_BYTES, producer, r1, r10, r2, r3, r4 } from "./events.ts";

await benchEvents(import.meta.url, "ringbuf", (size, value) => {
  const ring = createMap({ type: "ringbuf", value, maxEntries: BUFFER_BYTES, name: "bench" });
  const { fd, id } = ring;
  return {
    mapId: id,
    fill: Math.floor(BUFFER_BYTES / (size + 8)) - 1,
    insns: producer(
      size,
      (b) => b.mapFd(r1, fd).mov(r2, r10).alu("add", r2, -256).mov(r3, size).mov(r4, 0).call("ringbuf_output"),
    ),
    open: () => openMap({ fd }, { value: toLayout(value) }) as RingBuffer<BenchEvent>,
  };
});
