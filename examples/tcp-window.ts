#!/usr/bin/env -S deno run --allow-ffi
/**
 * A TCP congestion control that keeps the window at so many packets, and says what happens to it. While it runs,
 * connections can ask for it: `iperf3 -C waggle`, or `sysctl net.ipv4.tcp_congestion_control=waggle` for all of them.
 *
 *   examples/tcp-window.ts [PACKETS]
 *   bun run examples/tcp-window.ts 20
 *
 * needs: root (or CAP_BPF and CAP_NET_ADMIN), Linux 5.13 with BTF
 */
import process from "node:process";
import { bpf, constant, counter, interrupted, pause, stats, str, u32 } from "../mod.ts";

const packets = Number(process.argv[2] ?? 20);

using tracer = bpf({
  structOps: { tcp_congestion_ops: { name: "waggle" } },
  globals: { packets: constant(u32, packets) },
  maps: { calls: counter(str(16)), acknowledged: stats() },
  programs: {
    "struct_ops:tcp_congestion_ops:init"(ctx, { as, calls, packets }) {
      calls.count("connections");
      as(ctx.sk, "tcp_sock").snd_cwnd = packets;
    },
    "struct_ops:tcp_congestion_ops:cong_avoid"(ctx, { as, acknowledged, packets }) {
      acknowledged.add(ctx.acked);
      as(ctx.sk, "tcp_sock").snd_cwnd = packets;
    },
    "struct_ops:tcp_congestion_ops:ssthresh"(_, { calls, packets }) {
      calls.count("losses");
      return packets;
    },
    "struct_ops:tcp_congestion_ops:undo_cwnd"(_, { packets }) {
      return packets;
    },
  },
});

tracer.attach();
console.log(`Congestion control "waggle" keeps ${packets} packets on their way, Ctrl-C ends.`);
const stop = interrupted();
while (await pause(1, stop));
for (const [what, count] of tracer.maps.calls) console.log(`${what} ${count}`);
const acks = tracer.maps.acknowledged.read();
if (acks !== undefined) {
  console.log(`acknowledgements ${acks.count}, of ${acks.sum} packets, at most ${acks.max} at once`);
}
