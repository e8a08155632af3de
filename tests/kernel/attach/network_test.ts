import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import process from "node:process";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "../../../src/abi/defines.ts";
import {
  BPF_CGROUP_INET_EGRESS,
  BPF_CGROUP_INET_INGRESS,
  BPF_FLOW_DISSECTOR,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_TCX_EGRESS,
  BPF_TCX_INGRESS,
} from "../../../src/abi/bpf.gen.ts";
import { attachFromSection, attachProgram } from "../../../src/attach/registry.ts";
import { NotFoundError, NotSupportedError, SyscallError } from "../../../src/errors.ts";
import { listNetPrograms } from "../../../src/kernel/net_programs.ts";
import { mapCreate, mapDelete, mapUpdate, progInfo, progQuery } from "../../../src/syscall/bpf.ts";
import { Fd } from "../../../src/syscall/fd.ts";
import { openFile } from "../../../src/syscall/files.ts";
import { call, check } from "../../../src/syscall/libc.ts";
import { arena } from "../../../src/syscall/memory.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { inNamespace, makeNetkit, received, sendThrough, sendUdp, TcpPair, udpSocket } from "./net.ts";
import { CountingProgram } from "./programs.ts";

// Guests of scripts/vm cannot load modules on demand.
spawnSync("modprobe", ["-a", "sch_ingress", "cls_bpf"]);

const XDP_DROP = 1;
const XDP_PASS = 2;
const NETKIT_DROP = 2;
const TC_ACT_OK = 0;
const TC_ACT_SHOT = 2;
const PORT = 9;

const send = () => void sendUdp(PORT);
/** Whether a datagram over the loopback device arrives. */
function passes(socket: Fd): boolean {
  sendUdp(PORT);
  return received(socket);
}

for (const mechanism of ["auto", "link", "netlink"] as const) {
  const needs = mechanism === "link" ? ["kernel:5.9" as const] : [];
  kernelTest(`an xdp program drops packets while its link is open (${mechanism})`, { needs }, () => {
    using prog = new CountingProgram("xdp", { result: XDP_DROP });
    inNamespace(() => {
      using socket = udpSocket(PORT);
      assertEquals(passes(socket), true);
      const link = attachProgram(prog, { device: "lo", mechanism, mode: "generic" });
      assertEquals(link.fd === undefined, mechanism === "netlink");
      assertEquals(passes(socket), false);
      assertEquals(prog.count >= 1, true);
      link.close();
      assertEquals(passes(socket), true);
    });
  });
}

kernelTest("an xdp link by netlink leaves a program that has taken its place", {}, () => {
  using first = new CountingProgram("xdp", { result: XDP_PASS });
  using second = new CountingProgram("xdp", { result: XDP_PASS });
  inNamespace(() => {
    const link = attachProgram(first, { device: 1, mechanism: "netlink" });
    assertThrows(() => attachProgram(second, { device: 1, mechanism: "netlink" }), SyscallError);
    const taker = attachProgram(second, { device: 1, mechanism: "netlink", replace: true });
    link.close();
    assertEquals(second.during(send) >= 1, true);
    taker.close();
    assertEquals(second.during(send), 0);
  });
});

kernelTest("an xdp link is replaced in place, and detached", { needs: ["kernel:5.9"] }, () => {
  using first = new CountingProgram("xdp", { result: XDP_PASS });
  using second = new CountingProgram("xdp", { result: XDP_PASS });
  inNamespace(() => {
    using link = attachProgram(first, { device: "lo" });
    assertEquals(link.type, "XDP");
    link.update(second, first);
    assertThrows(() => link.update(first, first), SyscallError);
    assertEquals([first.during(send), second.during(send) >= 1], [0, true]);
    if (!kernelAtLeast("5.10")) return;
    link.detach();
    assertEquals(second.during(send), 0);
  });
});

kernelTest("xdp options are checked before anything happens", {}, () => {
  using prog = new CountingProgram("xdp", { result: XDP_PASS });
  assertEquals(attachFromSection(prog), undefined);
  assertThrows(() => attachProgram(prog), TypeError, 'option "device" is missing');
  assertThrows(() => attachProgram(prog, { device: "loo" }), NotFoundError, 'did you mean "lo"');
  assertThrows(() => attachProgram(prog, { device: "lo", mode: "fast" as never }), TypeError, "does not exist");
  assertThrows(() => attachProgram(prog, { devise: "lo" } as never), TypeError, 'did you mean "device"');
});

for (const direction of ["ingress", "egress"] as const) {
  for (const mechanism of ["auto", "tcx", "netlink"] as const) {
    const needs = mechanism === "tcx" ? ["kernel:6.6" as const] : [];
    kernelTest(`a tc ${direction} program drops packets while its link is open (${mechanism})`, { needs }, () => {
      using prog = new CountingProgram("tc", { result: TC_ACT_SHOT });
      inNamespace(() => {
        using socket = udpSocket(PORT);
        const link = attachProgram(prog, { device: "lo", direction, mechanism });
        assertEquals(passes(socket), false);
        link.close();
        assertEquals(prog.count >= 1, true);
        assertEquals(passes(socket), true);
      });
    });
  }
}

kernelTest("a tcx program attaches before another one, and bpftool shows the order", {
  needs: ["kernel:6.6", "tool:bpftool"],
}, () => {
  using first = new CountingProgram("tcx/ingress", { name: "first", result: TC_ACT_OK });
  using second = new CountingProgram("tcx/ingress", { name: "second", result: -1 });
  inNamespace(() => {
    using _one = attachProgram(first, { device: "lo" });
    assertEquals(second.during(send), 0);
    using link = attachProgram(second, { device: "lo", before: { progFd: first.fd } });
    const { progIds, revision } = progQuery({ target_ifindex: 1, attach_type: BPF_TCX_INGRESS });
    assertEquals(progIds, [second, first].map((p) => progInfo(p.fd).id));
    // TCX_NEXT goes on to the next program.
    assertEquals([second.during(send) >= 1, first.count >= 1], [true, true]);
    assertThrows(
      () => attachProgram(first, { device: "lo", expectedRevision: revision + 5n, after: true }),
      SyscallError,
    );
    assertThrows(() => attachProgram(first, { device: "lo", before: true, after: true }), TypeError, "only one of");
    assertEquals(link.type, "TCX");
  });
});

kernelTest("tcx programs come first, last, before and after others, if nothing changed meanwhile", {
  needs: ["kernel:6.6"],
}, () => {
  const named = (name: string) => new CountingProgram("tcx/egress", { name, result: -1 });
  using a = named("a");
  using b = named("b");
  using c = named("c");
  using d = named("d");
  inNamespace(() => {
    const query = () => progQuery({ target_ifindex: 1, attach_type: BPF_TCX_EGRESS });
    using middle = attachProgram(a, { device: "lo" });
    using _first = attachProgram(b, { device: "lo", before: true });
    using _last = attachProgram(c, { device: "lo", after: true, expectedRevision: query().revision });
    using moved = attachProgram(d, { device: "lo", after: { linkFd: middle.fd! } });
    const order = (...programs: CountingProgram[]) => programs.map((p) => progInfo(p.fd).id);
    assertEquals(query().progIds, order(b, a, d, c));
    moved.close();
    using again = attachProgram(d, { device: "lo", before: { linkId: middle.id } });
    assertEquals(query().progIds, order(b, d, a, c));
    again.close();
    const { revision } = query();
    const stale = () => attachProgram(d, { device: "lo", after: true, expectedRevision: revision - 1n });
    assertThrows(stale, SyscallError, "ESTALE");
    assertEquals(query().revision, revision);
  });
});

/** What tc(8) would list, by bpftool, which needs no other package. */
function netShow(): string {
  return spawnSync("bpftool", ["net", "show"], { encoding: "utf8" }).stdout;
}

kernelTest("a netlink filter has its priority and handle, and bpftool sees it go", {
  needs: ["tool:bpftool"],
}, () => {
  using prog = new CountingProgram("classifier", { name: "by_netlink", result: TC_ACT_OK });
  inNamespace(() => {
    const link = attachProgram(prog, { device: "lo", direction: "ingress", priority: 7, handle: 3 });
    using other = attachProgram(prog, { device: "lo", direction: "egress", priority: 8 });
    assertEquals(netShow().match(/by_netlink/g)?.length, 2);
    assertThrows(
      () => attachProgram(prog, { device: "lo", direction: "ingress", priority: 7, handle: 3 }),
      SyscallError,
    );
    link.close();
    assertEquals(netShow().match(/by_netlink/g)?.length, 1);
    assertEquals(prog.during(send) >= 1, true);
    other.close();
    assertEquals(netShow().includes("by_netlink"), false);
  });
});

kernelTest("a netlink filter puts packets in a class, as tc shows", { needs: ["tool:tc"] }, () => {
  using prog = new CountingProgram("classifier", { result: TC_ACT_OK });
  inNamespace(() => {
    using _link = attachProgram(prog, { device: "lo", direction: "egress", classId: "1:1f" });
    const { stdout } = spawnSync("tc", ["filter", "show", "dev", "lo", "egress"], { encoding: "utf8" });
    assertEquals(/ flowid (\S+) /.exec(stdout)?.[1], "1:1f", stdout);
    assertEquals(listNetPrograms().map((p) => p.filter?.classId), ["1:1f"]);
    const wrong = () => void attachProgram(prog, { device: "lo", direction: "egress", classId: "1:10000" });
    assertThrows(wrong, RangeError, "is not of the form");
  });
});

kernelTest(
  "a netlink filter's qdisc is gone with the last link, unless it was there before",
  { needs: ["tool:tc"] },
  () => {
    using prog = new CountingProgram("tc", { result: TC_ACT_OK });
    const options = { device: "lo", direction: "ingress", mechanism: "netlink" } as const;
    const qdiscs = () =>
      spawnSync("tc", ["qdisc", "show", "dev", "lo"], { encoding: "utf8" }).stdout.match(/clsact/g) ?? [];
    inNamespace(() => {
      const link = attachProgram(prog, options);
      assertEquals(qdiscs().length, 1);
      link.close();
      assertEquals(qdiscs().length, 0);
      spawnSync("tc", ["qdisc", "add", "dev", "lo", "clsact"]);
      attachProgram(prog, options).close();
      assertEquals(qdiscs().length, 1);
    });
  },
);

kernelTest("tc options are checked before anything happens", {}, () => {
  using prog = new CountingProgram("tc", { result: TC_ACT_OK });
  assertThrows(() => attachProgram(prog, { device: "lo" }), TypeError, 'option "direction" is missing');
  assertThrows(
    () => attachProgram(prog, { device: "lo", direction: "up" as never }),
    TypeError,
    "neither ingress nor egress",
  );
  const both = { device: "lo", direction: "ingress", mechanism: "tcx", priority: 1 } as const;
  assertThrows(() => attachProgram(prog, both), TypeError, "of netlink filters");
  const order = { device: "lo", direction: "ingress", before: true, priority: 1 } as const;
  assertThrows(() => attachProgram(prog, order), TypeError, "of tcx");
});

/** Where cgroup v2 is mounted: elsewhere where v1 is used beside it. */
const CGROUP2 = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1] ?? "/sys/fs/cgroup";
const CGROUP = `${CGROUP2}/waggle-test-${process.pid}`;

function withCgroup(fn: () => void): void {
  mkdirSync(CGROUP);
  try {
    fn();
  } finally {
    rmdirSync(CGROUP);
  }
}

/** Runs a command in the cgroup; the shell moves itself there. */
function inCgroup(command: string): void {
  spawnSync("/bin/sh", ["-c", `echo $$ > ${CGROUP}/cgroup.procs && exec ${command}`]);
}

const sendFromShell = () => inCgroup(`/bin/bash -c 'echo x > /dev/udp/127.0.0.1/9'`);

for (const mechanism of ["auto", "link", "attach"] as const) {
  const needs = ["cgroup2" as const, ...(mechanism === "link" ? ["kernel:5.7" as const] : [])];
  kernelTest(
    `a cgroup_skb program sees the packets of its cgroup while its link is open (${mechanism})`,
    { needs },
    () => {
      using prog = new CountingProgram("cgroup_skb/egress", { result: 1 });
      withCgroup(() => {
        const link = attachProgram(prog, { cgroup: CGROUP, mechanism });
        assertEquals(link.fd === undefined, mechanism === "attach");
        assertEquals(prog.during(sendFromShell) >= 1, true);
        assertEquals(prog.during(send), 0);
        link.close();
        assertEquals(prog.during(sendFromShell), 0);
        using directory = openFile(CGROUP);
        assertEquals(progQuery({ target_fd: directory.number, attach_type: BPF_CGROUP_INET_EGRESS }).progIds, []);
      });
    },
  );
}

kernelTest("a cgroup/sock_create program refuses sockets", { needs: ["cgroup2"] }, () => {
  using prog = new CountingProgram("cgroup/sock_create", { result: 0 });
  withCgroup(() => {
    using _link = attachProgram(prog, { cgroup: CGROUP });
    assertEquals(prog.during(sendFromShell) >= 1, true);
  });
});

kernelTest("bpftool shows a cgroup's link", { needs: ["cgroup2", "kernel:6.1", "tool:bpftool"] }, () => {
  using prog = new CountingProgram("cgroup/skb", { name: "cg_shown", result: 1 });
  withCgroup(() => {
    assertThrows(() => attachProgram(prog, { cgroup: CGROUP }), TypeError, 'option "attachType" is missing');
    using link = attachProgram(prog, { cgroup: CGROUP, attachType: BPF_CGROUP_INET_INGRESS });
    const shown = spawnSync("bpftool", ["cgroup", "show", CGROUP], { encoding: "utf8" }).stdout;
    assertNotEquals(shown.match(/cg_shown/), null, shown);
    assertEquals(link.info["cgroup.attach_type"], BPF_CGROUP_INET_INGRESS);
  });
});

kernelTest("what is no cgroup is refused by name", { needs: ["cgroup2"] }, () => {
  using prog = new CountingProgram("cgroup_skb/egress", { result: 1 });
  assertThrows(() => attachProgram(prog, { cgroup: "/tmp" }), SyscallError, 'cgroup "/tmp"');
  assertThrows(() => attachProgram(prog, { cgroup: CGROUP2, mechanism: "link", share: "multi" }), TypeError);
});

kernelTest("a netfilter program drops packets while its link is open", { needs: ["kernel:6.4"] }, () => {
  using prog = new CountingProgram("netfilter", { result: 0 });
  inNamespace(() => {
    using socket = udpSocket(PORT);
    let link;
    try {
      link = attachProgram(prog, { hook: "input", priority: -5 });
    } catch (error) {
      // CONFIG_NETFILTER_BPF_LINK is off.
      assertEquals(
        (error as SyscallError).errnoName === "EINVAL" || (error as SyscallError).errnoName === "EOPNOTSUPP",
        true,
      );
      return;
    }
    assertEquals(passes(socket), false);
    assertEquals([link.type, link.info["netfilter.priority"]], ["NETFILTER", -5]);
    link.close();
    assertEquals(passes(socket), true);
  });
});

kernelTest(
  "an sk_lookup program runs in its network namespace while its link is open",
  { needs: ["kernel:5.9"] },
  () => {
    using prog = new CountingProgram("sk_lookup", { result: 1 });
    inNamespace(() => {
      // The thread's namespace: /proc/self is the main thread's, which is this one.
      const link = attachProgram(prog, { netns: "/proc/thread-self/ns/net" });
      using _socket = udpSocket(PORT);
      assertEquals(prog.during(send) >= 1, true);
      assertEquals(link.type, "NETNS");
      link.close();
      assertEquals(prog.during(send), 0);
    });
  },
);

kernelTest("a socket filter drops what a socket receives while its link is open", {}, () => {
  using prog = new CountingProgram("socket", { result: 0 });
  inNamespace(() => {
    using socket = udpSocket(PORT);
    const link = attachProgram(prog, { socketFd: socket.number });
    assertEquals(passes(socket), false);
    assertEquals(prog.count, 1);
    link.close();
    assertEquals(passes(socket), true);
    assertEquals(prog.count, 1);
  });
});

kernelTest("a socket filter's link does nothing to another file of the same number", {}, () => {
  using prog = new CountingProgram("socket", { result: 0 });
  using scope = arena().scope();
  const pair = scope.alloc(8);
  check(call("socketpair", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.address), "socketpair", "Cannot make sockets");
  const [a, b] = [new Fd(pair.view.getInt32(0, true)), new Fd(pair.view.getInt32(4, true))];
  using other = new CountingProgram("socket", { result: 64 });
  const link = attachProgram(prog, { socketFd: a.number });
  a.close();
  call("dup3", b.number, pair.view.getInt32(0, true), 0);
  using reused = new Fd(pair.view.getInt32(0, true));
  using kept = attachProgram(other, { socketFd: reused.number });
  link.close();
  assertEquals(kept.closed, false);
  b.close();
});

/** How long the kernel may take to hand data on, which it does on a thread of its own. */
async function eventually(condition: () => boolean): Promise<boolean> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

const SOCKMAP_PROGRAMS = [
  // Passes everything, and sees what arrives at the server's end.
  { sec: "sk_skb/verdict", side: "server", since: "5.13", result: 1 },
  { sec: "sk_skb/stream_verdict", side: "server", since: "5.10", result: 1 },
  // Sees what the client sends.
  { sec: "sk_msg", side: "client", since: "4.17", result: 1 },
] as const;

for (const { sec, side, since, result } of SOCKMAP_PROGRAMS) {
  kernelTest(`a ${sec} program sees the data of the sockets of its map`, { needs: [`kernel:${since}`] }, async () => {
    using prog = new CountingProgram(sec, { result });
    // A parser says where messages end: at every fourth byte.
    using parser = new CountingProgram("sk_skb/stream_parser", { result: 4 });
    using map = mapCreate({ map_type: BPF_MAP_TYPE_SOCKMAP, key_size: 4, value_size: 4, max_entries: 2 });
    using pair = new TcpPair();
    const link = attachProgram(prog, { mapFd: map.number });
    const parsing = sec === "sk_skb/stream_verdict" ? attachProgram(parser, { mapFd: map.number }) : undefined;
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, pair[side].number, true);
    mapUpdate(map.number, new Uint8Array(4), value);
    pair.send(new Uint8Array(8));
    assertEquals(await eventually(() => prog.count >= 1 && received(pair.server)), true);
    if (parsing !== undefined) assertEquals(parser.count >= 1, true);
    parsing?.close();
    link.close();
    mapDelete(map.number, new Uint8Array(4));
    const before = prog.count;
    pair.send(new Uint8Array(8));
    assertEquals(await eventually(() => received(pair.server)), true);
    assertEquals(prog.count, before);
  });
}

kernelTest("an sk_skb program attaches to a sockmap, as a link or without", { needs: ["kernel:5.13"] }, () => {
  using prog = new CountingProgram("sk_skb/verdict", { result: 1 });
  using map = mapCreate({ map_type: BPF_MAP_TYPE_SOCKMAP, key_size: 4, value_size: 4, max_entries: 2 });
  const link = attachProgram(prog, { mapFd: map.number });
  if (kernelAtLeast("6.10")) assertEquals(link.type, "SOCKMAP");
  link.close();
  const old = attachProgram(prog, { mapFd: map.number, mechanism: "attach" });
  assertEquals(old.fd, undefined);
  old.close();
});

kernelTest(
  "a program of a reuseport group runs for its sockets while its link is open",
  { needs: ["kernel:5.3"] },
  () => {
    using prog = new CountingProgram("sk_reuseport", { result: 1 });
    inNamespace(() => {
      using socket = udpSocket(PORT, { reuseport: true });
      const link = attachProgram(prog, { socketFd: socket.number });
      assertEquals(passes(socket), true);
      assertEquals(prog.count, 1);
      link.close();
      assertEquals(passes(socket), true);
      assertEquals(prog.count, 1);
    });
  },
);

kernelTest("a flow_dissector attaches to a network namespace once", { needs: ["kernel:5.8"] }, () => {
  using prog = new CountingProgram("flow_dissector");
  inNamespace(() => {
    const link = attachProgram(prog, { netns: "/proc/thread-self/ns/net" });
    assertEquals([link.type, link.info["netns.attach_type"]], ["NETNS", BPF_FLOW_DISSECTOR]);
    assertThrows(() => attachProgram(prog, { netns: "/proc/thread-self/ns/net" }), SyscallError);
    link.close();
    attachProgram(prog, { netns: "/proc/thread-self/ns/net" }).close();
  });
  assertThrows(() => attachProgram(prog, { netns: "/proc/self/stat" }), SyscallError, "network namespace");
});

kernelTest(
  "a netkit program drops what goes through the pair while its link is open",
  { needs: ["config:NETKIT"] },
  () => {
    using prog = new CountingProgram("netkit/primary", { result: NETKIT_DROP });
    inNamespace(() => {
      makeNetkit("primary0");
      const link = attachProgram(prog, { device: "primary0" });
      assertEquals(link.type, "NETKIT");
      assertEquals(prog.during(() => sendThrough("primary0")) >= 1, true);
      link.close();
      assertEquals(prog.during(() => sendThrough("primary0")), 0);
      assertThrows(() => attachProgram(prog, { device: "lo" }), SyscallError, 'device "lo"');
    });
  },
);

kernelTest("programs that do not attach say so", {}, () => {
  using action = new CountingProgram("action");
  assertThrows(() => attachProgram(action), NotSupportedError, 'programs of section "action" are not attached');
  using custom = new CountingProgram("mine", { type: action.type });
  assertThrows(() => attachProgram(custom), NotSupportedError, "is not in the table of sections");
  assertThrows(() => attachProgram(custom, { kind: "kprob" }), NotFoundError, 'did you mean "kprobe"');
});
