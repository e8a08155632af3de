/** Tracers: attaching, detaching, printed lines, programs, errors; and that nothing stays behind. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import * as w from "../../../mod.ts";
import { kernelTest } from "../../support/harness.ts";

/** Makes the current process call getppid(2) some times. */
function callGetppid(times: number): void {
  for (let i = 0; i < times; i++) void process.ppid;
}

kernelTest("print gives lines in order, formatted on the host", { needs: ["tracefs"] }, async () => {
  using tracer = w.bpf({
    globals: { n: w.u32 },
    programs: {
      "raw_tp:sys_enter"(ctx, { print, comm, pid, n, i64, probe }) {
        n++;
        print(`${n}: ${comm()} is ${pid()}, ${i64(ctx.id) - 5} ${n > 1}`);
        print("plain");
        print(n, -3, probe);
        return 0;
      },
    },
  });
  const { program } = tracer.programs["raw_tp:sys_enter"];
  const ctx = new Uint8Array(16);
  program.testRun({ ctx });
  program.testRun({ ctx });
  const lines: string[] = [];
  for await (const line of tracer.lines()) if (lines.push(line) === 6) break;
  assertEquals(lines[0]?.replace(/: .* is/, ": X is"), `1: X is ${process.pid}, -5 false`);
  assertEquals(lines.slice(1, 3), ["plain", "1 -3 raw_tp:sys_enter"]);
  assertEquals(lines[3]?.replace(/: .* is/, ": X is"), `2: X is ${process.pid}, -5 true`);
  assertEquals(lines[5], "2 -3 raw_tp:sys_enter");
});

kernelTest("exit() ends the loops that listen to `exited`", { needs: ["tracefs"] }, async () => {
  using tracer = w.bpf({
    maps: { events: w.ringbuf({ n: w.u32 }) },
    programs: {
      "raw_tp:sys_enter"(ctx, { events, exit, u32 }) {
        const n = u32(ctx.id);
        if (n === 7) exit(42);
        else events.emit({ n });
      },
    },
  });
  const run = (id: bigint) =>
    tracer.programs["raw_tp:sys_enter"].program.testRun({ ctx: new Uint8Array(new BigUint64Array([0n, id]).buffer) });
  const { exited } = tracer;
  run(1n);
  run(2n);
  const seen: number[] = [];
  for await (const { n } of tracer.maps.events.read({ signal: exited })) {
    seen.push(n);
    if (seen.length === 2) run(7n);
  }
  assertEquals(seen, [1, 2]);
  assertEquals(exited.reason, 42);
  using silent = w.bpf({ programs: { "raw_tp:sys_enter"() {} } });
  assertThrows(() => silent.exited, TypeError, "no program calls it");
});

kernelTest("lines() says when no program prints", {}, () => {
  using tracer = w.bpf({ programs: { "raw_tp:sys_enter"() {} } });
  assertThrows(() => tracer.lines(), TypeError, "no program prints");
});

kernelTest("attach() and detach() start and stop counting", { needs: ["tracefs"] }, () => {
  using tracer = w.bpf({
    maps: { calls: w.counter() },
    globals: { target: w.constant(w.u32, process.pid) },
    programs: {
      "tracepoint:syscalls:sys_enter_getppid"(_, { calls, target, pid }) {
        if (pid() === target) calls.count();
      },
    },
  });
  const { calls } = tracer.maps;
  callGetppid(5);
  assertEquals(calls.read(), 0n);
  tracer.attach();
  callGetppid(5);
  assertEquals(calls.read(), 5n);
  assertThrows(() => tracer.attach(), w.WaggleError, "attached already");
  tracer.detach();
  callGetppid(5);
  assertEquals(calls.read(), 5n);
  const [link] = tracer.programs["tracepoint:syscalls:sys_enter_getppid"].attach();
  callGetppid(1);
  link!.close();
  callGetppid(1);
  assertEquals(calls.read(), 6n);
});

kernelTest("one key may name several hooks", { needs: ["tracefs"] }, () => {
  using tracer = w.bpf({
    maps: { calls: w.counter() },
    globals: { target: w.constant(w.u32, process.pid) },
    programs: {
      "tracepoint:syscalls:sys_enter_getppid, tracepoint:syscalls:sys_exit_getppid"(_, { calls, target, pid }) {
        if (pid() === target) calls.count();
      },
    },
  });
  tracer.attach();
  callGetppid(3);
  assertEquals(tracer.maps.calls.read(), 6n);
  const [program] = Object.values(tracer.programs);
  assertEquals(program!.all.length, 2);
});

kernelTest("tail calls jump to programs by key", {}, () => {
  using tracer = w.bpf({
    maps: { parsers: w.progArray({ 0: "xdp:first", 2: "xdp:second" }) },
    programs: {
      xdp(ctx, { parsers }) {
        parsers.call(ctx.rx_queue_index + 2);
        return 100;
      },
      "xdp:first": () => 1,
      "xdp:second": () => 2,
    },
  });
  assertEquals(tracer.programs.xdp.program.testRun({ data: new Uint8Array(64) }).retval, 2);
});

kernelTest("programs whose key does not say where need options", {}, () => {
  using tracer = w.bpf({ programs: { "xdp": (_: unknown, { XDP_PASS }: { XDP_PASS: number }) => XDP_PASS } });
  const error = assertThrows(() => tracer.attach(), w.WaggleError, `Cannot attach program "xdp"`);
  assertStringIncludes(String(error), `attach({ device: "eth0" })`);
  assertThrows(() => tracer.attach({ device: "no-such-device" }), w.NotFoundError);
});

kernelTest("compile errors show the script's own line", {}, () => {
  const error = assertThrows(
    () =>
      w.bpf({
        maps: { seen: w.hash(w.u32, w.u32) },
        programs: {
          "raw_tp:sys_enter"(_, { seen }) {
            // @ts-expect-error: on purpose
            seen.sett(1, 2);
          },
        },
      }),
    w.CompileError,
  );
  const [diagnostic] = (error as w.CompileError).diagnostics;
  assert(diagnostic !== undefined);
  assertStringIncludes(diagnostic.loc?.file ?? "", "tracer_test.ts");
  assertEquals(diagnostic.loc?.lineText.trim(), "seen.sett(1, 2);");
  assertStringIncludes(String(error), "did you mean");
});

kernelTest("hooks that are not there say so, and leave nothing", { needs: ["tracefs"] }, () => {
  assertThrows(
    () => w.bpf({ programs: { "tracepont:sched:sched_switch"() {} } }),
    w.NotFoundError,
    `did you mean "tracepoint"`,
  );
  const run = () => {
    using tracer = w.bpf({
      programs: { "raw_tp:sys_enter"() {}, "tracepoint:sched:sched_swich"() {} },
    });
    tracer.attach();
  };
  assertThrows(run, w.WaggleError, "sched_swich");
});

kernelTest("verifier errors show the script's own line", {}, () => {
  const error = assertThrows(
    () =>
      w.bpf({
        license: "Proprietary",
        programs: {
          "raw_tp:sys_enter"(ctx, { kernelString, print }) {
            print(kernelString(ctx.id));
          },
        },
      }),
    w.VerifierError,
  );
  assertStringIncludes(String(error), "GPL");
});

kernelTest("a key with a pattern has the fields that all its tracepoints share", { needs: ["tracefs"] }, () => {
  using tracer = w.bpf({
    maps: { calls: w.counter({ nr: w.u32, fd: w.u32 }) },
    globals: { target: w.constant(w.u32, process.pid) },
    programs: {
      // close(fd) and close_range(fd, max_fd, flags)
      "tracepoint:syscalls:sys_enter_close*"(ctx, { calls, target, pid }) {
        if (pid() === target) calls.count({ nr: ctx.__syscall_nr, fd: ctx.fd! });
      },
    },
  });
  tracer.attach();
  const fd = openSync("/dev/null", "r");
  const key = { nr: w.systemCallNumber("close")!, fd };
  // Attaching closed descriptors of the same number.
  const before = tracer.maps.calls.get(key) ?? 0n;
  closeSync(fd);
  assertEquals(tracer.maps.calls.get(key), before + 1n);
  assertThrows(
    () =>
      w.bpf({
        programs: {
          "tracepoint:syscalls:sys_enter_close*"(ctx) {
            return ctx.max_fd;
          },
        },
      }),
    w.CompileError,
    "has no `max_fd`",
  );
});
