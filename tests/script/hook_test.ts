import { assertEquals, assertThrows } from "@std/assert";
import { NotFoundError, WaggleError } from "../../src/errors.ts";
import { parseKey } from "../../src/script/hook.ts";
import { test } from "../support/harness.ts";

/** Section and name of each hook of a key. */
function read(key: string, taken = new Set<string>()): string[] {
  return parseKey(key, taken).map((hook) => `${hook.section} ${hook.name}`);
}

const ROWS: readonly [string, string][] = [
  ["tracepoint:syscalls:sys_enter_openat", "tracepoint/syscalls/sys_enter_openat sys_enter_openat"],
  ["tp:sched:sched_switch", "tp/sched/sched_switch sched_switch"],
  ["raw_tp:sched_switch", "raw_tp/sched_switch sched_switch"],
  ["kprobe:tcp_connect+0x10", "kprobe/tcp_connect+0x10 tcp_connect_0x10"],
  ["fentry:nf_tables:nft_do_chain", "fentry/nf_tables:nft_do_chain nft_do_chain"],
  ["uprobe:/usr/bin/bash:readline", "uprobe//usr/bin/bash:readline readline"],
  ["xdp", "xdp xdp"],
  ["xdp:ipv4", "xdp ipv4"],
  ["tc:ingress", "tc/ingress ingress"],
  ["cgroup_skb:egress", "cgroup_skb/egress egress"],
  ["cgroup:connect4", "cgroup/connect4 connect4"],
  ["perf_event", "perf_event perf_event"],
  ["profile:hz:99", "perf_event profile_hz_99"],
  ["iter:task", "iter/task task"],
];

for (const [key, expected] of ROWS) {
  test(`parseKey() reads ${key}`, () => assertEquals(read(key), [expected]));
}

test("parseKey() reads several hooks of one key", () => {
  assertEquals(read("kprobe:vfs_read, kretprobe:vfs_read"), [
    "kprobe/vfs_read vfs_read",
    "kretprobe/vfs_read kretprobe_vfs_read",
  ]);
});

test("parseKey() keeps names apart, and from those that are taken", () => {
  const taken = new Set(["sched_switch"]);
  assertEquals(read("tp_btf:sched_switch", taken), ["tp_btf/sched_switch tp_btf_sched_switch"]);
  assertEquals(read("tp_btf:sched_switch", taken), ["tp_btf/sched_switch tp_btf_sched_switch_2"]);
});

test("parseKey() knows what to sample", () => {
  const sampling = (key: string) => parseKey(key, new Set())[0]?.sampling;
  assertEquals(sampling("profile:hz:99"), { event: "cpu-clock", frequency: 99 });
  assertEquals(sampling("profile:ms:10"), { event: "cpu-clock", period: 10_000_000 });
  assertEquals(sampling("software:faults:100"), { event: "faults", period: 100 });
  assertEquals(sampling("hardware:cache-misses"), { event: "cache-misses", period: 1 });
  assertEquals(sampling("hardware:LLC-load-misses:1000"), { event: "LLC-load-misses", period: 1000 });
  assertEquals(sampling("watchpoint:0xffff888000001000:4:w"), {
    breakpoint: { address: 0xffff_8880_0000_1000n, length: 4, access: "w" },
    period: 1,
  });
  assertEquals(sampling("xdp"), undefined);
});

test("parseKey() says what it expected", () => {
  assertThrows(() => read("tracepont:sched:sched_switch"), NotFoundError, `Cannot find hook "tracepont"`);
  assertThrows(() => read("kprob:foo"), NotFoundError, `did you mean "kprobe"`);
  assertThrows(() => read("profile:fortnight:1"), WaggleError, "profile:hz:99");
  assertThrows(() => read("software:cycles:1"), NotFoundError, `Cannot find software event "cycles"`);
  assertThrows(() => read("watchpoint:0x1000:3:w"), WaggleError, "1, 2, 4 or 8 bytes");
  assertThrows(() => read("watchpoint:0x1000"), WaggleError, "does not follow");
  assertThrows(() => read("profile:hz:0"), WaggleError, "does not follow");
  assertThrows(() => read("hardware:cache-mises:1"), NotFoundError, `"cache-misses"`);
});

test("parseKey() says where the words of bpftrace are gone", () => {
  assertThrows(() => read("interval:s:1"), NotFoundError, "setInterval()");
  assertThrows(() => read("BEGIN"), NotFoundError, "before attach()");
  assertThrows(() => read("kfunc:vfs_read"), NotFoundError, "write fentry");
});
