#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every TCP connection when it ends: who, where to, how many bytes each way, how long it lived.
 *
 *   examples/tcplife.ts
 *   bun run examples/tcplife.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { bpf, hash, interrupted, ipv4, ipv6, ringbuf, str, u16, u32, u64 } from "../mod.ts";

using tracer = bpf({
  maps: {
    born: hash(u64, { at: u64, pid: u32, comm: str(16) }),
    ends: ringbuf({
      pid: u32,
      family: u16,
      local: u16,
      remote: u16,
      comm: str(16),
      address4: ipv4,
      address6: ipv6,
      sent: u64,
      received: u64,
      lived: u64,
    }),
  },
  programs: {
    "tracepoint:sock:inet_sock_set_state"(
      ctx,
      { born, ends, pid, comm, nsecs, as, IPPROTO_TCP, TCP_SYN_SENT, TCP_SYN_RECV, TCP_ESTABLISHED, TCP_CLOSE },
    ) {
      if (ctx.protocol !== IPPROTO_TCP) return;
      const now = nsecs();
      const { skaddr, newstate } = ctx;
      if (newstate === TCP_SYN_SENT) {
        // The connecting process is the current one; an accepted socket gets its name when it is closed.
        born.set(skaddr, { at: now, pid: pid(), comm: comm() });
      } else if (newstate === TCP_SYN_RECV || (newstate === TCP_ESTABLISHED && !born.has(skaddr))) {
        born.set(skaddr, { at: now, pid: 0, comm: "" });
      } else if (newstate === TCP_CLOSE) {
        const start = born.get(skaddr);
        if (!start) return;
        const tcp = as(skaddr, "tcp_sock");
        ends.emit({
          pid: start.pid || pid(),
          family: ctx.family,
          local: ctx.sport,
          remote: ctx.dport,
          comm: start.pid ? start.comm : comm(),
          address4: ctx.daddr,
          address6: ctx.daddr_v6,
          sent: tcp.bytes_acked,
          received: tcp.bytes_received,
          lived: now - start.at,
        });
        born.delete(skaddr);
      }
    },
  },
});

const AF_INET = 2;

tracer.attach();
console.log("PID     COMM             LOCAL REMOTE                     SENT   RECEIVED        MS");
for await (const e of tracer.maps.ends.read({ signal: interrupted() })) {
  const remote = e.family === AF_INET ? `${e.address4}:${e.remote}` : `[${e.address6}]:${e.remote}`;
  const numbers = `${String(e.sent).padStart(10)} ${String(e.received).padStart(10)} ${
    (Number(e.lived) / 1e6).toFixed(1).padStart(9)
  }`;
  console.log(
    `${String(e.pid).padEnd(7)} ${e.comm.padEnd(16)} ${String(e.local).padEnd(5)} ${remote.padEnd(20)} ${numbers}`,
  );
}
