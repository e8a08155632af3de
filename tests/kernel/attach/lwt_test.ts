/** Programs of routes, between two network namespaces: packets from the first pass through the second. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { CLONE_NEWNET } from "../../../src/abi/defines.ts";
import { attachProgram } from "../../../src/attach/registry.ts";
import { SyscallError } from "../../../src/errors.ts";
import { openFile } from "../../../src/syscall/files.ts";
import { call } from "../../../src/syscall/libc.ts";
import { kernelTest } from "../../support/harness.ts";
import { CountingProgram } from "./programs.ts";

const NEEDS = { needs: ["netns", "tool:bash", "veth"] } as const;
const BPF_OK = 0;
const BPF_DROP = 2;

/** Two namespaces with a wire between them: a (10.8.0.1, fd08::1) and b (10.8.0.2, fd08::2), which forwards. */
class Namespaces implements Disposable {
  readonly a = `waggle-a${process.pid}`;
  readonly b = `waggle-b${process.pid}`;

  constructor() {
    this.#run(`
      ip netns add ${this.a} && ip netns add ${this.b}
      ip link add va netns ${this.a} type veth peer name vb netns ${this.b}
      ip -n ${this.a} addr add 10.8.0.1/24 dev va && ip -n ${this.b} addr add 10.8.0.2/24 dev vb
      ip -n ${this.a} addr add fd08::1/64 dev va nodad && ip -n ${this.b} addr add fd08::2/64 dev vb nodad
      ip -n ${this.a} link set va up && ip -n ${this.b} link set vb up && ip -n ${this.b} link set lo up
      ip netns exec ${this.b} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
      ip netns exec ${this.b} sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'`);
  }

  /** Runs `fn` on this thread in a namespace. */
  within<T>(name: string, fn: () => T): T {
    using here = openFile("/proc/thread-self/ns/net");
    using there = openFile(`/run/netns/${name}`);
    assertEquals(call("setns", there.number, CLONE_NEWNET), 0);
    try {
      return fn();
    } finally {
      assertEquals(call("setns", here.number, CLONE_NEWNET), 0);
    }
  }

  ip(name: string, args: string): string {
    return spawnSync("sh", ["-c", `ip -n ${name} ${args}`], { encoding: "utf8" }).stdout;
  }

  /** Sends a datagram from a. */
  send(to: string): void {
    spawnSync("ip", ["netns", "exec", this.a, "bash", "-c", `echo x > /dev/udp/${to}/9`]);
  }

  [Symbol.dispose](): void {
    this.#run(`ip netns del ${this.a}; ip netns del ${this.b}`);
  }

  #run(script: string): void {
    const { status, stderr } = spawnSync("sh", ["-e", "-c", script], { encoding: "utf8" });
    assertEquals(status, 0, stderr);
  }
}

for (const sec of ["lwt_out", "lwt_xmit"]) {
  kernelTest(`a ${sec} program runs for packets that leave by its route`, NEEDS, () => {
    using net = new Namespaces();
    using prog = new CountingProgram(sec, { result: BPF_OK });
    const route = { to: "10.9.0.0/24", via: "10.8.0.2", metric: 7 };
    const link = net.within(net.a, () => attachProgram(prog, route));
    assert(prog.during(() => net.send("10.9.0.1")) >= 1);
    const shown = net.ip(net.a, "route show 10.9.0.0/24");
    assert(shown.includes("encap bpf") && shown.includes("count") && shown.includes("metric 7"), shown);
    // Also from another namespace than the one it was made in.
    link.close();
    assertEquals(net.ip(net.a, "route show 10.9.0.0/24"), "");
    assertEquals(prog.during(() => net.send("10.9.0.1")), 0);
  });
}

kernelTest("a lwt_in program sees packets of another namespace, and drops them", NEEDS, () => {
  using net = new Namespaces();
  net.ip(net.a, "route add 10.9.0.0/24 via 10.8.0.2");
  using dropping = new CountingProgram("lwt_in", { result: BPF_DROP });
  using behind = new CountingProgram("lwt_xmit", { result: BPF_DROP });
  const dropped = net.within(net.b, () => attachProgram(dropping, { to: "10.9.0.1", device: "vb" }));
  assert(dropping.during(() => net.send("10.9.0.1")) >= 1);
  dropped.close();
  using _passed = net.within(net.b, () => attachProgram(behind, { to: "10.9.0.0/24", device: "vb", headroom: 64 }));
  assert(behind.during(() => net.send("10.9.0.1")) >= 1, "forwarded packets leave by the second route");
});

kernelTest("a lwt_seg6local program runs at a segment's endpoint", {
  needs: ["netns", "tool:bash", "veth"],
}, () => {
  using net = new Namespaces();
  net.ip(net.a, "-6 route add fd09::1/128 encap seg6 mode encap segs fd08:2::2,fd08:2::3 via fd08::2 dev va");
  net.ip(net.a, "-6 route add fd08:2::/64 via fd08::2 dev va");
  using prog = new CountingProgram("lwt_seg6local", { result: BPF_DROP });
  const link = net.within(net.b, () => attachProgram(prog, { to: "fd08:2::2/128", device: "vb" }));
  assert(net.ip(net.b, "-6 route show fd08:2::2").includes("End.BPF"));
  assert(prog.during(() => net.send("fd09::1")) >= 1);
  link.close();
  assertEquals(net.ip(net.b, "-6 route show fd08:2::2"), "");
});

kernelTest("a program of a route that cannot be says why", NEEDS, () => {
  using net = new Namespaces();
  using prog = new CountingProgram("lwt_out");
  const attach = (options: Parameters<typeof attachProgram>[1]) => () =>
    net.within(net.a, () => attachProgram(prog, options).close());
  assertThrows(attach({}), TypeError, 'option "to" is missing');
  assertThrows(attach({ to: "10.9.0.0/33", device: "va" }), TypeError, "no destination");
  assertThrows(attach({ to: "10.9.0.0/24" }), TypeError, 'option "device" is missing');
  assertThrows(attach({ to: "10.9.0.0/24", via: "fd08::2" }), TypeError, "different IP versions");
  assertThrows(attach({ to: "10.9.0.0/24", device: "va", headroom: 8 }), TypeError, "only lwt_xmit");
  assertThrows(attach({ to: "10.9.0.0/24", via: "10.7.0.1" }), SyscallError, "ENETUNREACH");
  using _first = net.within(net.a, () => attachProgram(prog, { to: "10.9.0.0/24", device: "va" }));
  const twice = assertThrows(attach({ to: "10.9.0.0/24", device: "va" }), SyscallError, "EEXIST") as SyscallError;
  assert(twice.hint?.includes("metric"));
});
