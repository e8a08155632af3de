/** Kernel interfaces implemented in TypeScript: a TCP congestion control that carries a connection over loopback. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as w from "../../../mod.ts";
import { tryKernelBtf } from "../../../src/kernel/btf.ts";
import { kernelTest, skippedTest } from "../../support/harness.ts";

/** Sends data over loopback with a congestion control, and prints the one in use. */
const CLIENT = `
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1)
c = socket.socket(); c.setsockopt(socket.IPPROTO_TCP, 13, sys.argv[1].encode())
c.connect(s.getsockname()); a, _ = s.accept()
for _ in range(200):
    c.sendall(b"x" * 4000)
    n = 4000
    while n: n -= len(a.recv(n))
print(c.getsockopt(socket.IPPROTO_TCP, 13, 16).split(b"\\0")[0].decode())
`;

const define = () =>
  w.bpf({
    maps: { calls: w.hash(w.str(16), w.u64) },
    globals: { window: w.u32, port: w.u16 },
    structOps: { tcp_congestion_ops: { name: "waggle_test", flags: 0 } },
    programs: {
      "struct_ops:tcp_congestion_ops:init"(ctx, $) {
        $.calls.add("init");
        $.port = ctx.sk.__sk_common.skc_num;
      },
      "struct_ops:tcp_congestion_ops:ssthresh"(ctx, { as, max, calls }) {
        calls.add("ssthresh");
        return max(as(ctx.sk, "tcp_sock").snd_cwnd >> 1, 2);
      },
      "struct_ops:tcp_congestion_ops:cong_avoid"(ctx, $) {
        const tp = $.as(ctx.sk, "tcp_sock");
        $.calls.add("cong_avoid");
        if (ctx.acked > 0 && tp.snd_cwnd < 50) tp.snd_cwnd = 40;
        $.window = tp.snd_cwnd;
      },
      "struct_ops:tcp_congestion_ops:undo_cwnd"(ctx, { as }) {
        return as(ctx.sk, "tcp_sock").snd_cwnd;
      },
    },
  });

if (tryKernelBtf()?.find("bpf_struct_ops_tcp_congestion_ops", "STRUCT") === undefined) {
  skippedTest("a congestion control in TypeScript", "this kernel has no struct_ops tcp_congestion_ops");
} else {
  kernelTest("a congestion control in TypeScript", { needs: ["tool:python3"] }, () => {
    using tracer = define();
    const run = () => spawnSync("python3", ["-c", CLIENT, "waggle_test"], { encoding: "utf8" });
    assert(run().status !== 0, "it is there before it is attached");
    tracer.attach();
    const { stdout, stderr } = run();
    assertEquals([stdout.trim(), stderr], ["waggle_test", ""]);
    assertEquals(tracer.maps.calls.get("init"), 1n);
    assert((tracer.maps.calls.get("cong_avoid") ?? 0n) > 10n);
    assertEquals(tracer.globals.window, 40);
    assert(tracer.globals.port > 0);
    tracer.detach();
    assert(run().status !== 0, "it is there after it was detached");
  });

  kernelTest("a struct_ops in a written object", {}, () => {
    const object = w.compile({
      structOps: { tcp_congestion_ops: { name: "waggle_object" } },
      programs: {
        "struct_ops:tcp_congestion_ops:ssthresh": () => 2,
        "struct_ops:tcp_congestion_ops:undo_cwnd": () => 5,
        "struct_ops:tcp_congestion_ops:cong_avoid"() {},
      },
    });
    using loaded = w.load(object.elf());
    const available = () => readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8");
    assert(!available().includes("waggle_object"));
    loaded.attach();
    assert(available().includes("waggle_object"));
    loaded.detach();
    assert(!available().includes("waggle_object"));
  });

  kernelTest("mistakes in keys and values of struct_ops have their messages", {}, () => {
    const error = assertThrows(
      () => w.bpf({ programs: { "struct_ops:tcp_congestion_ops:ssthres": () => 0 } }),
      w.CompileError,
    );
    assertStringIncludes(String(error), `"tcp_congestion_ops" has no function "ssthres"`);
    assertStringIncludes(String(error), "did you mean `ssthresh`?");
    assertThrows(
      () => w.bpf({ programs: { "struct_ops:tcp_congestion:ssthresh": () => 0 } }),
      w.CompileError,
      `this kernel has no struct_ops "tcp_congestion"`,
    );
    const values = (tcp_congestion_ops: Record<string, string | number>) => () =>
      w.bpf({ structOps: { tcp_congestion_ops }, programs: { "struct_ops:tcp_congestion_ops:ssthresh": () => 2 } });
    assertThrows(values({ nam: "x" }), TypeError, `has a value for "nam"`);
    assertThrows(values({ name: "x".repeat(16) }), TypeError, "longer than 15 bytes");
    assertThrows(values({ name: 5 }), TypeError, "cannot be a number");
    assertThrows(
      () => w.bpf({ structOps: { tcp_congestion_ops: { name: "x" } }, programs: { xdp: () => 2 } }),
      TypeError,
      "no program has a key struct_ops:tcp_congestion_ops:",
    );
  });
}
