#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints what programs write to and read from TLS connections, before it is encrypted and after it is decrypted: uprobes
 * on OpenSSL's library.
 *
 *   examples/sslsniff.ts
 *   bun run examples/sslsniff.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8 with uprobes; libssl.so.3
 */
import { bool, bpf, bytes, hash, i32, interrupted, ringbuf, str, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    reading: hash(u64, u64),
    data: ringbuf({ pid: u32, length: i32, outgoing: bool, comm: str(16), start: bytes(512) }, { bytes: 1 << 20 }),
  },
  types: { Start: bytes(512) },
  programs: {
    "uprobe:libssl.so.3:SSL_write"(ctx, { data, pid, comm, i32, user, Start }) {
      const length = i32(ctx.arg2);
      if (length > 0) data.emit({ pid: pid(), length, outgoing: true, comm: comm(), start: user(ctx.arg1, Start) });
    },
    "uprobe:libssl.so.3:SSL_read"(ctx, { reading, tid }) {
      reading.set(tid(), ctx.arg1);
    },
    "uretprobe:libssl.so.3:SSL_read"(ctx, { reading, data, pid, tid, comm, i32, user, Start }) {
      const buffer = reading.get(tid());
      reading.delete(tid());
      const length = i32(ctx.ret);
      if (!buffer || length <= 0) return;
      data.emit({ pid: pid(), length, outgoing: false, comm: comm(), start: user(buffer, Start) });
    },
  },
});

tracer.attach();
console.log("Watching OpenSSL, Ctrl-C ends.");
const decoder = new TextDecoder();
for await (const e of tracer.maps.data.read({ signal: interrupted() })) {
  console.log(`--- ${e.comm} (${e.pid}) ${e.outgoing ? "writes" : "reads"} ${e.length} bytes`);
  console.log(decoder.decode(e.start.subarray(0, e.length)));
}
