/** BPF_PROG_TEST_RUN of every type that has it: the program runs, sees its data or context, and its result comes back. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Builder } from "../../../src/asm/build.ts";
import { r0, r1, r2 } from "../../../src/asm/build.ts";
import { BPF_F_TEST_RUN_ON_CPU, BPF_F_TEST_XDP_LIVE_FRAMES } from "../../../src/abi/defines.ts";
import { NotSupportedError } from "../../../src/errors.ts";
import { runProgram } from "../../../src/load/test_run.ts";
import type { TestRunInput } from "../../../src/syscall/bpf_prog.ts";
import { kernelTest, type Need } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { CountingProgram, kernelTypeId } from "./programs.ts";

/** An Ethernet frame with an IPv4 packet. */
function frame(): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set([8, 0], 12);
  bytes.set([0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 14);
  return bytes;
}

interface Row {
  readonly sec: string;
  readonly since: string;
  readonly result: number;
  readonly input: TestRunInput;
  readonly needs?: readonly Need[];
  /** What comes back where it is not `result`. */
  readonly retval?: number;
}

const skbContext = { ctx: new Uint8Array(192), ctxSizeOut: 192 };

const ROWS: readonly Row[] = [
  { sec: "socket", since: "4.12", result: 5, input: { data: frame() } },
  { sec: "tc", since: "4.12", result: 3, input: { data: frame(), ...skbContext } },
  { sec: "action", since: "4.12", result: 3, input: { data: frame() } },
  { sec: "xdp", since: "4.12", result: 2, input: { data: frame() } },
  { sec: "xdp", since: "5.18", result: 2, input: { data: frame(), ctx: xdpContext(64), ctxSizeOut: 24 } },
  { sec: "cgroup_skb/egress", since: "4.12", result: 1, input: { data: frame() } },
  { sec: "lwt_in", since: "4.12", result: 2, input: { data: frame() } },
  { sec: "lwt_out", since: "4.12", result: 2, input: { data: frame() } },
  { sec: "lwt_xmit", since: "4.12", result: 2, input: { data: frame() } },
  // The result of a run was a boolean at first: 5.10 has that, 6.1 the program's own.
  { sec: "flow_dissector", since: "5.0", result: 0, input: { data: frame() }, retval: kernelAtLeast("6.1") ? 0 : 1 },
  { sec: "sk_lookup", since: "5.13", result: 1, input: { ctx: lookupContext() } },
  { sec: "raw_tp/sys_enter", since: "5.10", result: 9, input: { ctx: new Uint8Array(16) } },
  { sec: "syscall", since: "5.14", result: 11, input: { ctx: new Uint8Array(8), ctxSizeOut: undefined } },
  { sec: "netfilter", since: "6.4", result: 1, input: { data: frame() } },
];

function xdpContext(end: number): Uint8Array {
  const bytes = new Uint8Array(24);
  new DataView(bytes.buffer).setUint32(4, end, true);
  return bytes;
}

/** `struct bpf_sk_lookup`: family AF_INET, protocol TCP. */
function lookupContext(): Uint8Array {
  const bytes = new Uint8Array(72);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 2, true);
  view.setUint32(12, 6, true);
  return bytes;
}

for (const { sec, since, result, input, needs = [], retval = result } of ROWS) {
  const name = input.ctx === undefined ? sec : `${sec} with context`;
  kernelTest(`testRun() runs programs of ${name}`, { needs: [`kernel:${since}`, ...needs] }, () => {
    using prog = new CountingProgram(sec, { result });
    const run = runProgram(prog, input);
    assertEquals([run.retval, prog.count], [retval, 1]);
    // The kernel's own context may be shorter: `__sk_buff` had 184 bytes before 5.18.
    const { ctxSizeOut } = input;
    if (ctxSizeOut !== undefined) assert(run.ctx.length >= ctxSizeOut - 8 && run.ctx.length <= ctxSizeOut);
    if (input.ctx !== undefined) return;
    if (sec === "flow_dissector") return;
    assertEquals(runProgram(prog, { ...input, repeat: 10 }).retval, retval);
    assertEquals(prog.count, 11);
  });
}

kernelTest("testRun() runs tracing programs on the kernel's test functions", { needs: ["fentry"] }, () => {
  using prog = new CountingProgram("fentry/bpf_fentry_test1", {
    attachBtfId: kernelTypeId("bpf_fentry_test1", "FUNC"),
  });
  // The test functions run, and the program with them if it is attached; without that nothing but the call succeeds.
  assertEquals(runProgram(prog, {}).retval, 0);
});

/** Stores 0xaa into the first byte of the packet. */
function writePacket(builder: Builder): void {
  builder.load(32, r2, r1, 0).load(32, r1, r1, 4).mov(r0, r2).alu("add", r0, 1);
  builder.jmp("jgt", r0, r1, "out").store(8, r2, 0, 0xaa).label("out");
}

kernelTest("testRun() gives back what the program made of the packet, and how long it took", {}, () => {
  using prog = new CountingProgram("xdp", { result: 2, before: writePacket });
  const run = runProgram(prog, { data: frame(), repeat: 1000 });
  assertEquals([run.data.length, run.data[0], run.data[12]], [64, 0xaa, 8]);
  assert(run.duration >= 0 && run.duration < 1e6);
  assertEquals(prog.count, 1000);
});

kernelTest("testRun() runs XDP programs on live frames", { needs: ["kernel:5.18"] }, () => {
  using prog = new CountingProgram("xdp", { result: 1 }); // XDP_DROP: the frames go nowhere
  const flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  const run = runProgram(prog, { data: frame(), flags, repeat: 100, batchSize: 16, dataSizeOut: 0 });
  assertEquals([run.data.length, prog.count], [0, 100]);
});

kernelTest("testRun() runs raw tracepoint programs on one CPU", { needs: ["kernel:5.10"] }, () => {
  using prog = new CountingProgram("raw_tp/sys_enter", {
    before: (builder, map) => builder.call("get_smp_processor_id").mapValue(r1, map, 8).store(64, r1, 0, r0),
  });
  runProgram(prog, { ctx: new Uint8Array(16), flags: BPF_F_TEST_RUN_ON_CPU, cpu: 0 });
  assertEquals([prog.count, prog.seen], [1, 0n]);
});

kernelTest("testRun() says by name which types cannot", {}, () => {
  for (const sec of ["tracepoint", "perf_event", "sk_msg", "cgroup/sock_create"]) {
    using prog = new CountingProgram(sec, { result: 1 });
    assertThrows(() => runProgram(prog, { data: frame() }), NotSupportedError, "test runs", sec);
  }
});
