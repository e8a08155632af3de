import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Builder, r1, r10, r2, r3, r6, r7 } from "../../../src/asm/build.ts";
import { IterLink } from "../../../src/attach/iter.ts";
import { attachFromSection, attachProgram } from "../../../src/attach/registry.ts";
import { NotFoundError, NotSupportedError, SyscallError } from "../../../src/errors.ts";
import { Mapping } from "../../../src/syscall/memory.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { CountingProgram, kernelTypeId, storeCookie } from "./programs.ts";

const getpid = () => void readFileSync("/proc/self/stat");

/** Where cgroup v2 is mounted. */
function cgroupRoot(): string {
  return /^\S+ (\S+) cgroup2 rw/m.exec(readFileSync("/proc/mounts", "utf8"))![1]!;
}

function bpftool(...args: string[]): string {
  return spawnSync("bpftool", args, { encoding: "utf8" }).stdout;
}

kernelTest("a tracepoint program runs while its link is open", { needs: ["tracefs"] }, () => {
  using prog = new CountingProgram("tracepoint/syscalls/sys_enter_openat");
  assertEquals(prog.during(getpid), 0);
  const link = attachFromSection(prog)!;
  assertEquals(prog.during(getpid) >= 1, true);
  link.close();
  link.close();
  assertEquals(prog.during(getpid), 0);
});

kernelTest("a tracepoint link has a cookie, an id and a type that bpftool agrees with", {
  needs: ["tracefs", "kernel:5.15", "tool:bpftool"],
}, () => {
  using prog = new CountingProgram("tp", { before: storeCookie });
  assertEquals(attachFromSection(prog), undefined);
  using link = attachProgram(prog, { category: "syscalls", name: "sys_enter_openat", cookie: 0x1122334455667788n });
  getpid();
  assertEquals(prog.seen, 0x1122334455667788n);
  assertEquals(link.type, "PERF_EVENT");
  assertStringIncludes(bpftool("link", "show", "id", String(link.id)), "perf_event");
});

kernelTest("a tracepoint that does not exist is named with its neighbours", { needs: ["tracefs"] }, () => {
  using prog = new CountingProgram("tracepoint/syscalls/sys_enter_opena");
  const error = assertThrows(() => attachFromSection(prog), NotFoundError) as NotFoundError;
  assertEquals(error.nearest.includes("syscalls:sys_enter_openat"), true);
  assertThrows(() => attachProgram(prog, { category: "syscall" }), NotFoundError, 'did you mean "syscalls"');
  assertThrows(() => attachProgram(prog, { category: "../..", name: "x" }), TypeError);
});

kernelTest("a raw tracepoint program runs while its link is open", {}, () => {
  using prog = new CountingProgram("raw_tp/sys_enter");
  const link = attachFromSection(prog)!;
  assertEquals(prog.during(getpid) >= 1, true);
  assertEquals(link.type, "RAW_TRACEPOINT");
  link.close();
  assertEquals(prog.during(getpid), 0);
  const wrong = assertThrows(() => attachProgram(prog, { name: "sys_entr" }), NotFoundError) as NotFoundError;
  assertEquals(wrong.nearest[0], "sys_enter");
});

kernelTest("a raw tracepoint has a cookie since Linux 6.9", {}, () => {
  using prog = new CountingProgram("raw_tp/sys_enter", kernelAtLeast("6.10") ? { before: storeCookie } : {});
  if (!kernelAtLeast("6.9")) {
    assertThrows(() => attachProgram(prog, { cookie: 7 }), NotSupportedError, "needs Linux 6.9");
    return;
  }
  using _link = attachProgram(prog, { cookie: 7 });
  getpid();
  if (kernelAtLeast("6.10")) assertEquals(prog.seen, 7n);
});

kernelTest("a tp_btf program runs while its link is open", { needs: ["btf"] }, () => {
  using prog = new CountingProgram("tp_btf/sys_enter", { attachBtfId: kernelTypeId("btf_trace_sys_enter", "TYPEDEF") });
  const link = attachFromSection(prog)!;
  assertEquals(prog.during(getpid) >= 1, true);
  link.close();
  assertEquals(prog.during(getpid), 0);
});

for (
  const [name, since] of [
    ["fentry/do_sys_openat2", "5.5"],
    ["fexit/do_sys_openat2", "5.5"],
    ["fmod_ret/security_file_open", "5.7"],
    ["fsession/do_sys_openat2", "7.0"],
  ] as const
) {
  kernelTest(`a ${name} program runs while its link is open`, { needs: ["fentry", `kernel:${since}`] }, () => {
    using prog = new CountingProgram(name, { attachBtfId: kernelTypeId(name.split("/")[1]!, "FUNC") });
    const link = attachFromSection(prog)!;
    assertEquals(prog.during(getpid) >= 1, true);
    assertEquals(link.type, "TRACING");
    link.close();
    assertEquals(prog.during(getpid), 0);
  });
}

kernelTest("a fentry program has a cookie since Linux 5.19", { needs: ["fentry"] }, () => {
  const attachBtfId = kernelTypeId("do_sys_openat2", "FUNC");
  const supported = kernelAtLeast("5.19");
  using prog = new CountingProgram(
    "fentry/do_sys_openat2",
    supported ? { attachBtfId, before: storeCookie } : { attachBtfId },
  );
  if (!supported) {
    return void assertThrows(() => attachProgram(prog, { cookie: 7 }), NotSupportedError, "needs Linux 5.19");
  }
  using _link = attachProgram(prog, { cookie: 7 });
  getpid();
  assertEquals(prog.seen, 7n);
});

kernelTest("an lsm program runs while its link is open", { needs: ["fentry", "lsm"] }, () => {
  using prog = new CountingProgram("lsm/file_open", { attachBtfId: kernelTypeId("bpf_lsm_file_open", "FUNC") });
  const link = attachFromSection(prog)!;
  assertEquals(prog.during(getpid) >= 1, true);
  link.close();
  assertEquals(prog.during(getpid), 0);
});

/** Writes "x\n" for every object: bpf_seq_write(ctx->meta->seq, "x\n", 2). */
function writeLine(builder: Builder): void {
  builder.mov(r6, r1).load(64, r7, r6, 0).load(64, r1, r7, 0)
    .store(16, r10, -2, 0x0a78).mov(r2, r10).alu("add", r2, -2).mov(r3, 2).call("seq_write");
}

kernelTest("an iterator's link is read as text, any number of times", { needs: ["btf", "kernel:5.8"] }, () => {
  using prog = new CountingProgram("iter/bpf_map", {
    attachBtfId: kernelTypeId("bpf_iter_bpf_map", "FUNC"),
    before: writeLine,
  });
  using link = attachFromSection(prog)!;
  assertInstanceOf(link, IterLink);
  const lines = (link as IterLink).text().split("\n");
  // One line for each map (this program's own is one), and one at the end.
  assertEquals(lines.length > 2 && lines.slice(0, -1).every((line) => line === "x"), true);
  assertEquals((link as IterLink).text().length > 2, true);
  assertEquals(link.type, "ITER");
});

kernelTest("a task iterator goes over one process only", { needs: ["btf", "kernel:6.1"] }, () => {
  using prog = new CountingProgram("iter/task", { attachBtfId: kernelTypeId("bpf_iter_task", "FUNC") });
  const all = attachProgram(prog) as IterLink;
  assertEquals(prog.during(() => all.text()) > 5, true);
  all.close();
  using one = attachProgram(prog, { task: { tid: process.pid } }) as IterLink;
  // Once for the thread, and once without an object at the end.
  assertEquals(prog.during(() => one.text()), 2);
  assertThrows(() => attachProgram(prog, { task: { tid: 1 }, mapFd: 3 }), TypeError, "only one of");
});

kernelTest("a perf_event program samples a clock on every CPU, at a frequency", { needs: ["perf"] }, () => {
  using prog = new CountingProgram("perf_event");
  const spin = () => {
    const end = Date.now() + 300;
    while (Date.now() < end);
  };
  const link = attachProgram(prog, { event: "cpu-clock", frequency: 200 });
  const count = prog.during(spin);
  link.close();
  assertEquals(count >= 10, true, `${count} samples in 0.3 s`);
  assertEquals(prog.during(spin), 0);
});

kernelTest("a perf_event program counts the page faults of one process", { needs: ["perf"] }, () => {
  using prog = new CountingProgram("perf_event");
  const touch = () => void new Uint8Array(32 << 20).fill(1);
  using _link = attachProgram(prog, { event: "page-faults", period: 1, pid: 0 });
  assertEquals(prog.during(touch) > 10, true);
});

kernelTest("a perf_event program runs when watched memory is touched", { needs: ["breakpoints"] }, () => {
  using prog = new CountingProgram("perf_event");
  using memory = Mapping.anonymous(4096);
  const bytes = new Uint8Array(memory.buffer);
  const touch = () => void (bytes[0]! += 1);
  const link = attachProgram(prog, { breakpoint: { address: BigInt(memory.address), length: 8 }, pid: 0 });
  assertEquals(prog.during(touch) >= 1, true);
  assertEquals(prog.during(() => void (bytes[64]! += 1)), 0);
  link.close();
  assertEquals(prog.during(touch), 0);
  const odd = { address: BigInt(memory.address) + 1n, length: 8 } as const;
  assertThrows(() => attachProgram(prog, { breakpoint: odd, pid: 0 }), SyscallError, "a multiple of the length");
});

kernelTest("a perf_event program samples the tasks of one cgroup", { needs: ["perf", "cgroup2"] }, () => {
  using prog = new CountingProgram("perf_event");
  const directory = `${cgroupRoot()}/waggle-perf-${process.pid}`;
  // Guests have no systemd, which does this.
  const [controller] = readFileSync(`${cgroupRoot()}/cgroup.controllers`, "utf8").trim().split(" ");
  if (controller !== "") writeFileSync(`${cgroupRoot()}/cgroup.subtree_control`, `+${controller}`);
  mkdirSync(directory);
  try {
    using _link = attachProgram(prog, { event: "cpu-clock", period: 1_000_000, cgroup: directory });
    const spin = "end=$((SECONDS + 2)); while [ $SECONDS -lt $end ]; do :; done";
    assertEquals(prog.during(() => void spawnSync("bash", ["-c", spin])), 0);
    const inside = `echo $$ >"$0/cgroup.procs"; ${spin}`;
    assertEquals(prog.during(() => void spawnSync("bash", ["-c", inside, directory])) > 10, true);
  } finally {
    rmdirSync(directory);
  }
});

kernelTest("perf_event options are checked before anything is opened", {}, () => {
  using prog = new CountingProgram("perf_event");
  assertThrows(() => attachProgram(prog), TypeError, 'option "event" is missing');
  assertThrows(() => attachProgram(prog, { event: "cpu-clok", period: 1 }), NotFoundError, 'did you mean "cpu-clock"');
  assertThrows(() => attachProgram(prog, { event: "cpu-clock" }), TypeError, 'option "frequency" is missing');
  assertThrows(() => attachProgram(prog, { event: "cpu-clock", period: 1, frequency: 1 }), TypeError, "not both");
  assertThrows(() => attachProgram(prog, { event: "cpu-clock", frequency: 0 }), RangeError, "positive");
  const breakpoint = { address: 0n, length: 3, access: "w" } as never;
  assertThrows(() => attachProgram(prog, { breakpoint }), RangeError, "cannot watch 3 bytes");
  assertThrows(
    () => attachProgram(prog, { event: "sched:sched_switch", period: 1 }),
    NotFoundError,
    "tracepoint:sched",
  );
  assertThrows(() => attachProgram(prog, { event: "faults", period: 1, pid: 0, cgroup: "/" }), TypeError, "not both");
  assertThrows(() => attachProgram(prog, { evnt: "cpu-clock" } as never), TypeError, 'did you mean "event"');
});
