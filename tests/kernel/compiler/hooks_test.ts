/** Contexts of every kind of hook: the verifier accepts what the compiler makes of their fields; packets run. */
import { assertEquals } from "@std/assert";
import { array, bytes, str, struct } from "../../../src/bytes/composites.ts";
import { u16, u32, u64, u8 } from "../../../src/bytes/scalars.ts";
import { map, type Script } from "../../compiler/support/compile.ts";
import { Loaded } from "../../compiler/support/kernel.ts";
import { kernelTest, type Need } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";

// deno-lint-ignore no-explicit-any -- kernel functions are compiled, never called
type Any = any;
type Fn = (ctx: Any, $: Any) => unknown;

function loads(key: string, fn: Fn, options: Omit<Script, "programs"> & { needs?: Need[] } = {}): void {
  const { needs = [], ...script } = options;
  kernelTest(`the context of ${key} is accepted by the verifier`, { needs }, () => {
    using _loaded = new Loaded({ ...script, programs: { [key]: fn } });
  });
}

const EVENTS = { events: map("ringbuf", { value: { pid: u32, comm: str(16), extra: u64 }, maxEntries: 4096 }) };

loads("tracepoint:sched:sched_switch", (ctx, { events, pid }) => {
  events.emit({ pid: pid(), comm: ctx.next_comm, extra: ctx.prev_state });
}, { maps: EVENTS });
loads("tracepoint:sched:sched_process_exec", (ctx, { m }) => {
  m.set(ctx.pid, { name: ctx.filename });
}, { maps: { m: map("hash", { key: u32, value: { name: str(64) } }) } });
loads("raw_tp:sched_switch", (ctx, { m }) => {
  m.set(ctx.prev.pid, ctx.next.comm === "init" ? 1 : 2);
}, { maps: { m: map("hash", { key: u32, value: u32 }) } });
loads("tp_btf:sched_switch", (ctx, { m }) => {
  if (ctx.preempt) m.add(ctx.next.pid, 2);
  m.set(ctx.prev.pid, ctx.prev.real_parent.tgid);
}, { maps: { m: map("hash", { key: u32, value: u64 }) } });
loads("fentry:do_unlinkat", (ctx, { events, pid, kernelString }) => {
  events.emit({ pid: pid(), comm: kernelString(ctx.name.name), extra: ctx.dfd });
}, { maps: EVENTS, needs: ["fentry"] });
loads("fexit:do_unlinkat", (ctx, { events, pid, comm }) => {
  if (ctx.ret < 0) events.emit({ pid: pid(), comm: comm(), extra: ctx.dfd });
}, { maps: EVENTS, needs: ["fentry"] });
loads("kprobe:do_unlinkat", (ctx, { events, pid, kernelString }) => {
  events.emit({ pid: pid(), comm: kernelString(ctx.name.name), extra: ctx.arg0 });
}, { maps: EVENTS });
loads("kretprobe:do_unlinkat", (ctx, { events, pid, comm }) => {
  if (ctx.ret < 0) events.emit({ pid: pid(), comm: comm(), extra: ctx.ret });
}, { maps: EVENTS });
loads("uprobe:/bin/bash:readline", (ctx, { events, pid, userString }) => {
  events.emit({ pid: pid(), comm: userString(ctx.arg0), extra: ctx.sp });
}, { maps: EVENTS });
loads("lsm:file_open", (ctx, { events, pid, comm, EPERM }) => {
  events.emit({ pid: pid(), comm: comm(), extra: ctx.file.f_flags });
  return ctx.ret === 0 ? 0 : -EPERM;
}, { maps: EVENTS, needs: ["fentry"] });
loads("iter:task", (ctx, { m }) => {
  const task = ctx.task;
  if (!task) return;
  m.set(task.pid, ctx.meta.seq_num);
}, { maps: { m: map("hash", { key: u32, value: u64 }) } });
loads("perf_event", (ctx, { m, pid }) => {
  m.set(pid(), ctx.regs.ip + ctx.sample_period);
}, { maps: { m: map("hash", { key: u32, value: u64 }) } });
loads("socket", (ctx, { packet, ETH_P_IP }) => {
  const eth = packet.at(0, "ethhdr");
  return eth && packet.u16(12) === ETH_P_IP ? ctx.len : 0;
});
loads("cgroup_skb:egress", (ctx, { packet, bytes }) => {
  const ip = packet.at(0, "iphdr");
  if (ip) bytes.add(ip.protocol, ctx.len);
}, { maps: { bytes: map("sum", { key: u8 }) } });
loads("cgroup:connect4", (ctx, { htons, htonl }) => {
  if (ctx.user_port === htons(80)) {
    ctx.user_port = htons(8080);
    ctx.user_ip4 = htonl(0x7f000001);
  }
  return 1;
});
loads("cgroup:sock_create", (ctx, { AF_INET }) => (ctx.family === AF_INET ? 0 : 1));
loads("cgroup:sysctl", (ctx) => (ctx.write ? 0 : 1));
loads("cgroup:dev", (ctx) => (ctx.major === 1 ? 1 : 0));
loads("sockops", (ctx, { m }) => {
  if (ctx.op === 4) m.add(ctx.remote_port);
}, { maps: { m: map("hash", { key: u32, value: u64 }) } });
loads("sk_lookup", (ctx, { SK_PASS }) => {
  if (ctx.local_port === 7) return SK_PASS;
});
loads("sk_msg", (ctx, { SK_PASS }) => (ctx.size > 0 ? SK_PASS : SK_PASS));
if (kernelAtLeast("6.4")) {
  loads(
    "netfilter",
    (ctx, { NF_ACCEPT, NF_DROP }) => (ctx.state.hook === 1 && ctx.skb.len > 60000 ? NF_DROP : NF_ACCEPT),
  );
}
if (kernelAtLeast("5.14")) loads("syscall", () => 0);

/** Ethernet, IPv4 with a header of 20 bytes, UDP to port 53. */
function udpPacket(): Uint8Array {
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  packet.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45]);
  packet[23] = 17;
  view.setUint32(26, 0x0a000001);
  view.setUint16(36, 53);
  return packet;
}

loads("perf_event", (_ctx, { m, register, userMode, kernelStack }) => {
  if (userMode()) return;
  m.set(register("ip"), { stack: kernelStack(1) });
}, { maps: { m: map("hash", { key: u64, value: { stack: array(u64, 8) } }) } });
loads("kprobe:do_unlinkat", (_ctx, { m, register, userMode, userStack }) => {
  if (!userMode()) m.set(register("sp"), { stack: userStack() });
}, { maps: { m: map("hash", { key: u64, value: { stack: array(u64, 8) } }) } });

function runs(
  name: string,
  key: string,
  fn: Fn,
  wanted: number,
  options: { packet?: Uint8Array; after?: (data: Uint8Array) => void } & Omit<Script, "programs"> = {},
): void {
  const { packet = udpPacket(), after, ...script } = options;
  kernelTest(name, {}, () => {
    using loaded = new Loaded({ ...script, programs: { [key]: fn } });
    const { retval, data } = loaded.run([], { data: packet });
    assertEquals(retval, wanted);
    after?.(data);
  });
}

runs(
  "xdp reads headers by kernel types, bit-fields too",
  "xdp",
  (_ctx, { packet, ntohs, ntohl, ETH_P_IP, XDP_DROP, XDP_PASS }) => {
    const eth = packet.at(0, "ethhdr");
    if (!eth || ntohs(eth.h_proto) !== ETH_P_IP) return XDP_PASS;
    const ip = packet.at(14, "iphdr");
    if (!ip || ip.version !== 4 || ntohl(ip.saddr) !== 0x0a000001) return XDP_PASS;
    const udp = packet.at(14 + ip.ihl * 4, "udphdr");
    return udp && ntohs(udp.dest) === 53 ? XDP_DROP : XDP_PASS;
  },
  1,
);
runs(
  "xdp reads by the script's own types and by numbers",
  "xdp",
  (_ctx, { packet, Ethernet, XDP_DROP, XDP_PASS }) => {
    const eth = packet.at(0, Ethernet);
    if (
      !eth || eth.to[1] !== 2 || packet.u16(12) !== 0x800 || packet.u8(23) !== 17 || packet.u32(26) !== 0x0a000001
    ) return XDP_PASS;
    return packet.length === 64 ? XDP_DROP : XDP_PASS;
  },
  1,
  { types: { Ethernet: struct({ to: array(u8, 6), from: array(u8, 6), type: u16 }) } },
);
runs("outside of the packet is undefined", "xdp", (_ctx, { packet, XDP_DROP, XDP_PASS }) => {
  const far = packet.at(60, "iphdr");
  return far === undefined && packet.u8(64) === undefined && packet.u8(63) === 0 ? XDP_DROP : XDP_PASS;
}, 1);
runs(
  "xdp writes to the packet",
  "xdp",
  (_ctx, { packet, htons, XDP_TX, XDP_ABORTED }) => {
    const eth = packet.at(0, "ethhdr");
    const ip = packet.at(14, "iphdr");
    if (!eth || !ip) return XDP_ABORTED;
    eth.h_proto = htons(0x1234);
    ip.ttl = 9;
    ip.version = 6;
    return XDP_TX;
  },
  3,
  { after: (data) => assertEquals([data[12], data[13], data[22], data[14]], [0x12, 0x34, 9, 0x65]) },
);
runs("tc reads and marks", "tc", (ctx, { packet, TC_ACT_SHOT, TC_ACT_OK }) => {
  ctx.mark = 7;
  ctx.cb[1] = 5;
  return packet.u16(12) === 0x800 && ctx.mark === 7 && ctx.cb[1] === 5 && ctx.len === 64 ? TC_ACT_SHOT : TC_ACT_OK;
}, 2);
runs("a loop over the packet with a checked index", "xdp", (_ctx, { packet, range, XDP_DROP, XDP_PASS }) => {
  let sum = 0;
  for (const i of range(12)) {
    const byte = packet.u8(i);
    if (byte === undefined) return XDP_PASS;
    sum += byte;
  }
  return sum === 78 ? XDP_DROP : XDP_PASS;
}, 1);

if (kernelAtLeast("5.11")) {
  runs("coarse time", "tc", (_ctx, { coarseNsecs, nsecs }) => nsecs() - coarseNsecs() < 100_000_000 ? 1 : 0, 1);
}

for (const key of ["xdp", "tc", "cgroup_skb:egress"]) {
  if (key === "xdp" && !kernelAtLeast("5.18")) continue;
  // The packet of cgroup programs begins at the IP header.
  const skipped = key.startsWith("cgroup") ? 14 : 0;
  kernelTest(`the bytes of a packet: ${key}`, {}, () => {
    using loaded = new Loaded({
      maps: { m: map("hash", { key: u32, value: { long: bytes(80), tail: bytes(8), none: bytes(4) } }) },
      globals: { at: { layout: u32, initial: 60 - skipped, constant: false } },
      programs: {
        [key]: (_ctx: Any, { m, packet, at }: Any) => {
          m.set(1, { long: packet.bytes(), tail: packet.bytes(at), none: packet.bytes(1000) });
          return 1;
        },
      },
    });
    const packet = udpPacket();
    packet.set([1, 2, 3, 4], 60);
    loaded.run([], { data: packet });
    const value = struct({ long: bytes(80), tail: bytes(8), none: bytes(4) });
    const seen = loaded.lookup("m", u32, 1, value)!;
    const long = new Uint8Array(80);
    long.set(packet.subarray(skipped));
    assertEquals(seen, { long, tail: new Uint8Array([1, 2, 3, 4, 0, 0, 0, 0]), none: new Uint8Array(4) });
  });
}
