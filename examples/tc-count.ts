#!/usr/bin/env -S deno run --allow-ffi
/**
 * Counts packets and bytes of one network device by direction and protocol.
 *
 *   examples/tc-count.ts INTERFACE
 *   bun run examples/tc-count.ts lo
 *
 * needs: root (or CAP_BPF and CAP_NET_ADMIN), Linux 5.5
 */
import process from "node:process";
import { bool, bpf, interrupted, pause, stats, u8 } from "../mod.ts";

const PROTOCOLS: Readonly<Record<number, string>> = { 0: "other", 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6" };

using tracer = bpf({
  maps: { traffic: stats({ outgoing: bool, protocol: u8 }) },
  functions: {
    protocol({ packet, ETH_P_IP, ETH_P_IPV6 }) {
      const type = packet.u16(12) ?? 0;
      if (type === ETH_P_IP) return packet.u8(14 + 9) ?? 0;
      if (type === ETH_P_IPV6) return packet.u8(14 + 6) ?? 0;
      return 0;
    },
  },
  programs: {
    "tc:ingress"(ctx, { traffic, protocol, TC_ACT_UNSPEC }) {
      traffic.add({ outgoing: false, protocol: protocol() }, ctx.len);
      return TC_ACT_UNSPEC;
    },
    "tc:egress"(ctx, { traffic, protocol, TC_ACT_UNSPEC }) {
      traffic.add({ outgoing: true, protocol: protocol() }, ctx.len);
      return TC_ACT_UNSPEC;
    },
  },
});

const device = process.argv[2] ?? "lo";
tracer.attach({ device });
console.log(`Counting packets of ${device}, Ctrl-C ends.`);
const stop = interrupted();
for (let more = true; more;) {
  more = await pause(1, stop);
  console.log(`\n${"DIRECTION".padEnd(10)}${"PROTOCOL".padEnd(10)}${"PACKETS".padStart(10)}${"BYTES".padStart(14)}`);
  for (const [{ outgoing, protocol }, { count, sum }] of tracer.maps.traffic) {
    const name = PROTOCOLS[protocol] ?? `protocol ${protocol}`;
    console.log(
      `${(outgoing ? "out" : "in").padEnd(10)}${name.padEnd(10)}${String(count).padStart(10)}${
        String(sum).padStart(14)
      }`,
    );
  }
}
