#!/usr/bin/env -S deno run --allow-ffi
/**
 * Drops the UDP packets that come in for one port, before the network stack sees them, and counts them.
 *
 *   examples/xdp-drop.ts INTERFACE PORT
 *   bun run examples/xdp-drop.ts lo 9999
 *
 * needs: root (or CAP_BPF and CAP_NET_ADMIN), Linux 5.9
 */
import process from "node:process";
import { bpf, constant, interrupted, pause, u16, u64 } from "../mod.ts";

const [, , device = "lo", port = "9999"] = process.argv;

using tracer = bpf({
  globals: { port: constant(u16, Number(port)), dropped: u64, passed: u64 },
  programs: {
    xdp(_, { packet, port, dropped, passed, ntohs, ETH_P_IP, IPPROTO_UDP, XDP_DROP, XDP_PASS }) {
      const eth = packet.at(0, "ethhdr");
      if (!eth || ntohs(eth.h_proto) !== ETH_P_IP) return XDP_PASS;
      const ip = packet.at(14, "iphdr");
      if (!ip || ip.protocol !== IPPROTO_UDP) return XDP_PASS;
      const udp = packet.at(14 + ip.ihl * 4, "udphdr");
      if (!udp || ntohs(udp.dest) !== port) {
        passed++;
        return XDP_PASS;
      }
      dropped++;
      return XDP_DROP;
    },
  },
});

tracer.attach({ device });
console.log(`Dropping UDP packets to port ${port} on ${device}, Ctrl-C ends.`);
const stop = interrupted();
while (await pause(1, stop)) console.log(`dropped ${tracer.globals.dropped}, other UDP ${tracer.globals.passed}`);
console.log(`dropped ${tracer.globals.dropped}, other UDP ${tracer.globals.passed} in all`);
