/** Links of every kind, who holds them, and programs on the network, compared with what was attached and with bpftool. */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import process from "node:process";
import { BPF_MAP_TYPE_SOCKMAP } from "../../../src/abi/bpf.gen.ts";
import { bpf_link_info } from "../../../src/abi/info.ts";
import { readStruct, writeStruct } from "../../../src/abi/struct.ts";
import { attachFromSection, attachProgram } from "../../../src/attach/registry.ts";
import type { Link } from "../../../src/attach/link.ts";
import type { AttachOptions } from "../../../src/attach/types.ts";
import { btfDetails } from "../../../src/kernel/btf_objects.ts";
import { listHolders, listTaskFds } from "../../../src/kernel/holders.ts";
import { linkDetails, linkDetailsOf, listLinks } from "../../../src/kernel/link_details.ts";
import type { LinkDetails } from "../../../src/kernel/link_types.ts";
import { listNetPrograms } from "../../../src/kernel/net_programs.ts";
import { kernelSymbols } from "../../../src/kernel/kallsyms.ts";
import { programDetails } from "../../../src/kernel/program_details.ts";
import { openTracefs } from "../../../src/kernel/tracefs.ts";
import { createMap } from "../../../src/maps/create.ts";
import { mapCreate, mapInfo } from "../../../src/syscall/bpf.ts";
import { perfEventOpen, perfSetBpf } from "../../../src/syscall/perf_event.ts";
import { FakeRuntime } from "../../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../../src/syscall/runtime/mod.ts";
import { kernelTest, type Need, test } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { inNamespace } from "../attach/net.ts";
import { CountingProgram, kernelTypeId, type ProgramOptions } from "../attach/programs.ts";
import { bpftoolJson } from "./objects.ts";

spawnSync("modprobe", ["-a", "sch_ingress", "cls_bpf"]);

interface LinkCase {
  readonly section: string;
  readonly needs?: readonly Need[];
  readonly program?: () => ProgramOptions;
  readonly options?: () => AttachOptions;
  /** What the details must have beside id and program. */
  readonly expected: (details: LinkDetails) => Record<string, unknown>;
  /** Run in a network namespace of its own. */
  readonly inNet?: boolean;
}

const netnsIno = () => Number(statSync("/proc/thread-self/ns/net").ino);

const CASES: readonly LinkCase[] = [
  {
    section: "raw_tp/sys_enter",
    options: () => (kernelAtLeast("6.17") ? { cookie: 77n } : {}),
    expected: () => ({ type: "raw_tracepoint", name: "sys_enter", cookie: kernelAtLeast("6.17") ? 77n : 0n }),
  },
  {
    section: "tp_btf/sys_enter",
    needs: ["btf"],
    program: () => ({ attachBtfId: kernelTypeId("btf_trace_sys_enter", "TYPEDEF") }),
    expected: () => ({ type: "raw_tracepoint", name: "sys_enter", cookie: 0n }),
  },
  {
    section: "fentry/bpf_fentry_test1",
    needs: ["fentry", "kernel:5.13"],
    program: () => ({ attachBtfId: kernelTypeId("bpf_fentry_test1", "FUNC") }),
    options: () => (kernelAtLeast("5.19") ? { cookie: 3n } : {}),
    expected: () => ({
      type: "tracing",
      attachType: "trace_fentry",
      targetObjectId: btfDetails({ name: "vmlinux" }).id,
      targetBtfId: kernelTypeId("bpf_fentry_test1", "FUNC"),
      cookie: kernelAtLeast("6.17") ? 3n : 0n,
    }),
  },
  {
    section: "iter/task",
    needs: ["btf"],
    program: () => ({ attachBtfId: kernelTypeId("bpf_iter_task", "FUNC") }),
    options: () => (kernelAtLeast("6.1") ? { task: { pid: process.pid } } : {}),
    expected: () => ({
      type: "iter",
      target: "task",
      mapId: undefined,
      cgroup: undefined,
      task: { tid: 0, pid: kernelAtLeast("6.1") ? process.pid : 0 },
    }),
  },
  {
    section: "tracepoint/syscalls/sys_enter_getpid",
    needs: ["tracefs", "kernel:6.6"],
    options: () => ({ cookie: 5n }),
    expected: () => ({
      type: "perf_event",
      event: "tracepoint",
      name: "sys_enter_getpid",
      cookie: kernelAtLeast("6.9") ? 5n : 0n,
    }),
  },
  {
    section: "kprobe/do_sys_openat2",
    needs: ["kprobes", "kernel:6.6"],
    expected: (details) => ({
      type: "perf_event",
      event: "kprobe",
      function: "do_sys_openat2",
      offset: 0,
      address: kernelSymbols(["do_sys_openat2"]).get("do_sys_openat2"),
      missed: (details as { missed: bigint }).missed,
      cookie: 0n,
    }),
  },
  {
    section: "kprobe.multi/do_sys_openat2",
    needs: ["kprobemulti", "kernel:6.6"],
    options: () => ({ symbols: ["do_sys_openat2"], cookies: [9n] }),
    expected: (details) => ({
      type: "kprobe_multi",
      flags: 0,
      missed: (details as { missed: bigint }).missed,
      addresses: [kernelSymbols(["do_sys_openat2"]).get("do_sys_openat2")],
      cookies: kernelAtLeast("6.9") ? [9n] : [],
    }),
  },
  {
    section: "uprobe/libc.so.6:getpid",
    needs: ["uprobes", "kernel:6.6"],
    options: () => ({ cookie: 6n }),
    expected: (details) => ({
      type: "perf_event",
      event: "uprobe",
      path: (details as { path: string }).path.endsWith("/libc.so.6") ? (details as { path: string }).path : "libc",
      offset: (details as { offset: number }).offset || -1,
      refCtrOffset: 0n,
      cookie: kernelAtLeast("6.9") ? 6n : 0n,
    }),
  },
  {
    section: "uprobe.multi/libc.so.6:getp?d",
    needs: ["uprobes", "kernel:6.8"],
    expected: (details) => ({
      type: "uprobe_multi",
      path: (details as { path: string }).path.endsWith("/libc.so.6") ? (details as { path: string }).path : "libc",
      flags: 0,
      pid: 0,
      offsets: (details as { offsets: readonly bigint[] }).offsets.filter((offset) => offset > 0n).slice(0, 1),
      refCtrOffsets: [0n],
      cookies: [0n],
    }),
  },
  {
    section: "perf_event",
    needs: ["perf", "kernel:6.6"],
    options: () => ({ event: "page-faults", period: 1000, cpus: [0] }),
    expected: () => ({ type: "perf_event", event: "event", perfType: 1, config: 2n, cookie: 0n }),
  },
  {
    section: "sk_lookup",
    needs: ["kernel:5.9"],
    program: () => ({ result: 1 }),
    expected: () => ({ type: "netns", netnsIno: netnsIno(), attachType: "sk_lookup" }),
    inNet: true,
  },
  {
    section: "xdp",
    needs: ["kernel:5.9"],
    program: () => ({ result: 2 }),
    options: () => ({ device: "lo" }),
    expected: () => ({ type: "xdp", ifindex: 1 }),
    inNet: true,
  },
  {
    section: "tcx/egress",
    needs: ["kernel:6.6"],
    options: () => ({ device: "lo" }),
    expected: () => ({ type: "tcx", ifindex: 1, attachType: "tcx_egress" }),
    inNet: true,
  },
  {
    section: "netfilter",
    needs: ["kernel:6.4"],
    program: () => ({ result: 1 }),
    options: () => ({ protocol: "ipv6", hook: "forward", priority: -7 }),
    expected: () => ({ type: "netfilter", protocol: 10, hook: 2, priority: -7, flags: 0 }),
    inNet: true,
  },
];

/** The details must be what `linkDetails`, `listLinks` and bpftool say of the link. */
function checkLink(link: Link, program: CountingProgram, expected: (details: LinkDetails) => Record<string, unknown>) {
  const { id: programId } = programDetails({ fd: program.fd });
  const details = linkDetailsOf(link.fd!);
  assertEquals(details as unknown, { id: link.id, programId, ...expected(details) } as unknown);
  assertEquals(linkDetails({ id: link.id }), details);
  assertEquals(listLinks().find((one) => one.id === link.id), details);
  return details;
}

for (const { section, needs = [], program, options, expected, inNet } of CASES) {
  kernelTest(`\`linkDetails()\` describes ${section}`, { needs: ["kernel:5.8", ...needs] }, () => {
    using prog = new CountingProgram(section, program?.() ?? {});
    const run = () => {
      using link = options === undefined ? attachProgram(prog, undefined) : attachProgram(prog, options());
      const details = checkLink(link, prog, expected);
      if (needs.includes("kernel:6.4") || !toolKnows(details.type)) return;
      const theirs = bpftoolJson("link", "show", "id", String(link.id)) as Record<string, unknown>;
      const [shown] = Array.isArray(theirs) ? theirs : [theirs];
      assertEquals([shown.id, shown.type, shown.prog_id], [details.id, details.type, details.programId]);
      if (details.type === "raw_tracepoint") assertEquals(shown.tp_name, details.name);
      if (details.type === "netns") assertEquals(shown.netns_ino, details.netnsIno);
    };
    inNet ? inNamespace(run) : run();
  });
}

/** Debian 12's bpftool knows the kinds of Linux 6.1. */
function toolKnows(type: string | number): boolean {
  if (spawnSync("bpftool", ["version"]).status !== 0) return false;
  return ["raw_tracepoint", "tracing", "iter", "netns"].includes(String(type));
}

kernelTest(
  "`linkDetails()` describes a cgroup link and a cgroup iterator",
  { needs: ["cgroup2", "btf", "kernel:6.1"] },
  () => {
    const root = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))![1]!;
    const cgroup = `${root}/waggle-details-${process.pid}`;
    mkdirSync(cgroup);
    try {
      const cgroupId = BigInt(statSync(cgroup, { bigint: true }).ino);
      using prog = new CountingProgram("cgroup_skb/egress", { result: 1 });
      using link = attachProgram(prog, { cgroup });
      checkLink(link, prog, () => ({ type: "cgroup", cgroupId, attachType: "cgroup_inet_egress" }));
      using walker = new CountingProgram("iter/cgroup", { attachBtfId: kernelTypeId("bpf_iter_cgroup", "FUNC") });
      using iter = attachProgram(walker, { cgroup: { id: cgroupId, order: "ancestors_up" } });
      checkLink(iter, walker, () => ({
        type: "iter",
        target: "cgroup",
        mapId: undefined,
        cgroup: { id: cgroupId, order: "ancestors_up" },
        task: undefined,
      }));
    } finally {
      rmdirSync(cgroup);
    }
  },
);

kernelTest("`linkDetails()` describes an iterator over a map", { needs: ["btf", "mapiter", "kernel:5.10"] }, () => {
  using map = createMap({ type: "hash", key: 4, value: 8, maxEntries: 4, name: "walked" });
  using prog = new CountingProgram("iter/bpf_map_elem", { attachBtfId: kernelTypeId("bpf_iter_bpf_map_elem", "FUNC") });
  using link = attachProgram(prog, { mapFd: map.fd });
  checkLink(link, prog, () => ({
    type: "iter",
    target: "bpf_map_elem",
    mapId: map.id,
    cgroup: undefined,
    task: undefined,
  }));
});

kernelTest("`linkDetails()` describes a sockmap link", { needs: ["kernel:6.10"] }, () => {
  using map = mapCreate({ map_type: BPF_MAP_TYPE_SOCKMAP, key_size: 4, value_size: 4, max_entries: 1 });
  using prog = new CountingProgram("sk_skb/stream_verdict", { result: 1 });
  using link = attachProgram(prog, { mapFd: map.number });
  checkLink(link, prog, () => ({
    type: "sockmap",
    mapId: mapInfo(map.number).id,
    attachType: "sk_skb_stream_verdict",
  }));
});

kernelTest("`listHolders()` finds this process's programs, maps and links", {}, () => {
  using prog = new CountingProgram("raw_tp/sys_enter");
  using link = attachFromSection(prog)!;
  const { id, mapIds } = programDetails({ fd: prog.fd });
  const mine = listHolders().filter((holder) => holder.pid === process.pid);
  const comm = readFileSync("/proc/self/comm", "utf8").trimEnd();
  assertEquals(mine.find((h) => h.kind === "prog" && h.fd === prog.fd), {
    kind: "prog",
    id,
    pid: process.pid,
    comm,
    fd: prog.fd,
  });
  assert(mine.some((h) => h.kind === "map" && h.id === mapIds[0]), "the map is missing");
  if (kernelAtLeast("5.8")) assert(mine.some((h) => h.kind === "link" && h.id === link.id), "the link is missing");
  assertEquals([...new Set(listHolders("map").map((h) => h.kind))], ["map"]);
});

interface ToolPerf {
  pid: number;
  fd: number;
  prog_id: number;
  fd_type: string;
}

kernelTest("`listTaskFds()` says what bpftool perf says", { needs: ["tracefs", "tool:bpftool"] }, () => {
  using raw = new CountingProgram("raw_tp/sys_enter");
  using point = new CountingProgram("tracepoint/syscalls/sys_enter_getpid");
  using _link = attachFromSection(raw)!;
  using tracefs = openTracefs();
  using event = perfEventOpen({ type: 2, config: BigInt(tracefs.eventId("syscalls", "sys_enter_getpid")) }, {
    pid: 0,
    cpu: -1,
  });
  perfSetBpf(event.number, point.fd);
  const ours = listTaskFds().filter((one) => one.pid === process.pid);
  const theirs = (bpftoolJson("perf", "list") as ToolPerf[]).filter((one) => one.pid === process.pid);
  // bpftool leaves out raw tracepoints, whose descriptors are links since 5.8.
  for (const b of theirs) {
    const a = ours.find((one) => one.fd === b.fd)!;
    assertEquals([a.programId, a.type], [b.prog_id, b.fd_type]);
  }
  const named = ours.map((one) => [one.type, one.name, one.programId]);
  const rawId = programDetails({ fd: raw.fd }).id;
  assert(
    named.some(([type, name, id]) => type === "raw_tracepoint" && name === "sys_enter" && id === rawId),
    String(named),
  );
  const pointId = programDetails({ fd: point.fd }).id;
  assert(
    named.some(([type, name, id]) => type === "tracepoint" && name === "sys_enter_getpid" && id === pointId),
    String(named),
  );
});

interface ToolNet {
  xdp: { devname: string; id: number; mode: string }[];
  tc: { devname: string; id: number; kind: string; name: string }[];
  flow_dissector: { id: number }[];
}

kernelTest("`listNetPrograms()` says what bpftool net says", { needs: ["tool:bpftool", "tool:tc"] }, () => {
  using drop = new CountingProgram("xdp", { result: 2 });
  using classify = new CountingProgram("tc");
  using dissect = new CountingProgram("flow_dissector");
  inNamespace(() => {
    using _a = attachProgram(drop, { device: "lo", mode: "generic" });
    using _b = attachProgram(classify, {
      device: "lo",
      direction: "ingress",
      mechanism: "netlink",
      priority: 7,
      handle: 3,
    });
    using _c = attachProgram(classify, { device: "lo", direction: "egress", mechanism: "netlink" });
    using _d = attachProgram(dissect, undefined);
    spawnSync("tc", ["qdisc", "add", "dev", "lo", "root", "handle", "1:", "prio"]);
    const ours = listNetPrograms();
    const [theirs] = bpftoolJson("net", "list") as [ToolNet];
    const pick = (hook: string) => ours.filter((one) => one.hook === hook);
    assertEquals(
      pick("xdp").map((one) => [one.device, one.programId, one.place]),
      theirs.xdp.map((x) => [x.devname, x.id, x.mode]),
    );
    assertEquals(
      pick("tc").map((one) => [one.device, one.programId, `clsact/${one.place}`, one.filter!.name]),
      theirs.tc.map((x) => [x.devname, x.id, x.kind, x.name]),
    );
    assertEquals(pick("tc")[0]!.filter, {
      name: "count",
      priority: 7,
      handle: 3,
      direct: true,
      classId: undefined,
    });
    assertEquals(pick("flow_dissector").map((one) => one.programId), theirs.flow_dissector.map((x) => x.id));
    assertEquals([pick("xdp").length, pick("tc").length, pick("flow_dissector").length], [1, 2, 1]);
  });
});

kernelTest("`listNetPrograms()` finds tcx and netfilter links", { needs: ["kernel:6.6"] }, () => {
  using classify = new CountingProgram("tcx/ingress");
  using filter = new CountingProgram("netfilter", { result: 1 });
  inNamespace(() => {
    using a = attachProgram(classify, { device: "lo" });
    using b = attachProgram(filter, { protocol: "ipv4", hook: "output", priority: 1 });
    const found = listNetPrograms().filter((one) => one.linkId === a.id || one.linkId === b.id);
    assertEquals(found.map(({ hook, device, place, linkId }) => ({ hook, device, place, linkId })), [
      { hook: "tcx", device: "lo", place: "ingress", linkId: a.id },
      { hook: "netfilter", device: undefined, place: "2/3", linkId: b.id },
    ]);
  });
});

/** Answers for a link of which a kernel tells `values`, and knows no field from `limit` on. */
function withLink<T>(
  values: Parameters<typeof writeStruct<typeof bpf_link_info>>[3],
  fn: () => T,
  fill: (ask: Record<string, number | bigint>, fake: FakeRuntime) => number = () => 0,
): T {
  const fake = new FakeRuntime();
  fake.bpf("BPF_OBJ_GET_INFO_BY_FD", (call, memory) => {
    const bytes = memory.memory(Number(call.attr!["info"]), Number(call.attr!["info_len"]));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const result = fill(readStruct(view, 0, bpf_link_info), memory);
    writeStruct(view, 0, bpf_link_info, values);
    return result;
  });
  return withRuntime(fake, fn);
}

test("`linkDetails()` gives a kind that it does not know as a number, with its bytes", () => {
  const details = withLink({ type: 99, id: 7, prog_id: 8, "xdp.ifindex": 0x01020304 }, () => linkDetailsOf(3));
  assertEquals([details.type, details.id, details.programId], [99, 7, 8]);
  assert("raw" in details);
  assertEquals([...details.raw.subarray(0, 5)], [4, 3, 2, 1, 0]);
});

test("`linkDetails()` gives an attach type and a perf event that it does not know as numbers", () => {
  const tcx = withLink(
    { type: 11, id: 1, prog_id: 2, "tcx.ifindex": 3, "tcx.attach_type": 250 },
    () => linkDetailsOf(3),
  );
  assertEquals(tcx, { type: "tcx", id: 1, programId: 2, ifindex: 3, attachType: 250 });
  const perf = withLink({ type: 7, id: 1, prog_id: 2, "perf_event.type": 40 }, () => linkDetailsOf(3));
  assertEquals(perf, { type: "perf_event", id: 1, programId: 2, event: 40 });
});

test("`linkDetails()` reads arrays of links, without those that the kernel does not know", () => {
  const E2BIG = 7;
  const details = withLink(
    { type: 8, id: 1, prog_id: 2, "kprobe_multi.count": 2, "kprobe_multi.flags": 1 },
    () => linkDetailsOf(3),
    (ask, memory) => {
      if (ask["kprobe_multi.cookies"] !== 0n) return -E2BIG;
      const addresses = Number(ask["kprobe_multi.addrs"]);
      if (addresses === 0) return 0;
      const bytes = memory.memory(addresses, 16);
      new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(8, 0xffffffff81000000n, true);
      return 0;
    },
  );
  assertEquals(details, {
    type: "kprobe_multi",
    id: 1,
    programId: 2,
    flags: 1,
    missed: 0n,
    addresses: [0n, 0xffffffff81000000n],
    cookies: [],
  });
});

test("`linkDetails()` reads a link of many trampolines", () => {
  const details = withLink(
    {
      type: 15,
      id: 1,
      prog_id: 2,
      "tracing_multi.count": 1,
      "tracing_multi.btf_obj_id": 1,
      "tracing_multi.attach_type": 24,
    },
    () => linkDetailsOf(3),
    (ask, memory) => {
      const ids = Number(ask["tracing_multi.ids"]);
      if (ids === 0) return 0;
      const bytes = memory.memory(ids, 4);
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, 1234, true);
      return 0;
    },
  );
  assertEquals(details as unknown, {
    type: "tracing_multi",
    id: 1,
    programId: 2,
    attachType: "trace_fentry",
    btfObjectId: 1,
    btfIds: [1234],
    addresses: [0n],
    cookies: [0n],
  });
});
