#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every TCP connection that a process of this machine tries to open.
 *
 *   examples/tcpconnect.ts
 *   bun run examples/tcpconnect.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { bpf, interrupted, ipv4, ipv6, ringbuf, str, u16, u32 } from "../mod.ts";

using tracer = bpf({
  maps: {
    connects: ringbuf({ pid: u32, family: u16, port: u16, comm: str(16), address4: ipv4, address6: ipv6 }),
  },
  programs: {
    "tracepoint:sock:inet_sock_set_state"(ctx, { connects, pid, comm, IPPROTO_TCP, TCP_SYN_SENT }) {
      // connect(2) makes this change itself, so the current process is the one that connects.
      if (ctx.protocol !== IPPROTO_TCP || ctx.newstate !== TCP_SYN_SENT) return;
      connects.emit({
        pid: pid(),
        family: ctx.family,
        port: ctx.dport,
        comm: comm(),
        address4: ctx.daddr,
        address6: ctx.daddr_v6,
      });
    },
  },
});

const AF_INET = 2;

tracer.attach();
console.log("PID     COMM             ADDRESS");
for await (const e of tracer.maps.connects.read({ signal: interrupted() })) {
  const address = e.family === AF_INET ? `${e.address4}:${e.port}` : `[${e.address6}]:${e.port}`;
  console.log(`${String(e.pid).padEnd(7)} ${e.comm.padEnd(16)} ${address}`);
}
