/** Several XDP programs on one device through a dispatcher, alone and together with xdp-loader of xdp-tools. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import * as w from "../../../mod.ts";
import { attachProgram } from "../../../src/attach/registry.ts";
import { WaggleError } from "../../../src/errors.ts";
import { listNetPrograms } from "../../../src/kernel/net_programs.ts";
import { kernelTest } from "../../support/harness.ts";
import { inNamespace, received, sendUdp, udpSocket } from "./net.ts";

const PORT = 9;
const NEEDS = ["fentry", "bpffs", "kernel:5.10"] as const;

/** Counts packets, and gives a verdict that can be changed. */
function counting() {
  return w.bpf({
    globals: { packets: w.u32, drop: w.u32 },
    programs: {
      xdp(_ctx, { packets, drop, XDP_DROP, XDP_PASS }) {
        packets += 1;
        return drop ? XDP_DROP : XDP_PASS;
      },
    },
  });
}

type Counting = ReturnType<typeof counting>;

function attach(tracer: Counting, options: w.XdpOptions = {}): w.Link {
  const [link] = tracer.programs.xdp.attach({ device: "lo", mode: "generic", mechanism: "dispatcher", ...options });
  return link!;
}

/** The folders of dispatchers on the loopback device. */
function pinned(): string[] {
  return existsSync("/sys/fs/bpf/xdp")
    ? readdirSync("/sys/fs/bpf/xdp").filter((name) => name.startsWith("dispatch-1-"))
    : [];
}

function dispatched() {
  const [on, ...more] = listNetPrograms().filter((program) => program.hook === "xdp");
  assertEquals(more, []);
  return on?.dispatched?.map(({ runPriority, chainCallActions }) => [runPriority, chainCallActions]);
}

kernelTest("XDP programs share a device through a dispatcher, by their priorities", { needs: NEEDS }, () => {
  const before = pinned();
  using first = counting();
  using second = counting();
  using third = counting();
  inNamespace(() => {
    using socket = udpSocket(PORT);
    const passes = (): boolean => (sendUdp(PORT), received(socket));
    const counts = (): number[] => [first, second, third].map((tracer) => tracer.globals.packets);
    const late = attach(first, { runPriority: 70 });
    assertEquals([dispatched(), passes(), counts()], [[[70, ["pass"]]], true, [1, 0, 0]]);
    const early = attach(second, { runPriority: 20, chainCallActions: ["pass", "drop"] });
    const middle = attach(third);
    assertEquals(dispatched(), [[20, ["drop", "pass"]], [50, ["pass"]], [70, ["pass"]]]);
    assertEquals(pinned().length, before.length + 1);
    assertEquals([passes(), counts()], [true, [2, 1, 1]]);

    // A verdict that is in the list goes on.
    second.globals.drop = 1;
    assertEquals([passes(), counts()], [true, [3, 2, 2]]);
    // One that is not in the list ends it.
    third.globals.drop = 1;
    assertEquals([passes(), counts()], [false, [3, 3, 3]]);
    middle.close();
    assertEquals([passes(), counts()], [true, [4, 4, 3]]);
    assertEquals(dispatched(), [[20, ["drop", "pass"]], [70, ["pass"]]]);
    late.close();
    late.close();
    // What would go on after the last program passes.
    assertEquals([passes(), counts()], [true, [4, 5, 3]]);
    early.close();
    assertEquals([passes(), counts(), dispatched()], [true, [4, 5, 3], undefined]);
  });
  assertEquals(pinned(), before);
});

kernelTest("a dispatcher is made anew when somebody else was faster", { needs: NEEDS }, () => {
  using ours = counting();
  using faster = counting();
  const { program } = ours.programs.xdp;
  const { name, fd, type, expectedAttachType, sectionName, def, target, attachBtfId, object } = program;
  inNamespace(() => {
    let first: w.Link | undefined;
    using link = attachProgram({
      ...{ name, fd, type, expectedAttachType, sectionName, def, target, attachBtfId, object },
      loadAsExtension(where) {
        // After the list of programs was read, and before the dispatcher is put in place.
        first = attach(faster, { runPriority: 60 });
        return program.loadAsExtension(where);
      },
    }, { device: "lo", mode: "generic", mechanism: "dispatcher" });
    assertEquals(dispatched(), [[50, ["pass"]], [60, ["pass"]]]);
    // Without a socket there would be an answer, which is a packet too.
    using _socket = udpSocket(PORT);
    sendUdp(PORT);
    assertEquals([ours.globals.packets, faster.globals.packets], [1, 1]);
    first?.close();
    link.close();
    assertEquals(dispatched(), undefined);
  });
});

kernelTest("a program that is no dispatcher is left alone, and wrong options are told", { needs: NEEDS }, () => {
  using alone = counting();
  using other = counting();
  inNamespace(() => {
    assertThrows(() => attach(other, { chainCallActions: ["past" as never] }), Error, 'did you mean "pass"');
    assertThrows(() => attach(other, { runPriority: -1 }), RangeError, "priority");
    using _link = alone.programs.xdp.attach({ device: "lo", mode: "generic" })[0]!;
    assertThrows(() => attach(other), WaggleError, "no dispatcher");
    assertEquals(other.programs.xdp.program.closed, false);
  });
});

/** Runs xdp-loader in the current network namespace. */
function loader(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("xdp-loader", args, { encoding: "utf8" });
  assertEquals(status, 0, `xdp-loader ${args.join(" ")}: ${stderr}`);
  return stdout;
}

kernelTest("programs of xdp-loader and ours see each other", { needs: [...NEEDS, "tool:xdp-loader"] }, () => {
  const before = pinned();
  const folder = mkdtempSync("/tmp/waggle-xdp-");
  const object = `${folder}/theirs.o`;
  w.compile({
    programs: {
      xdp(_ctx, { XDP_PASS }) {
        return XDP_PASS;
      },
    },
  }).write(object);
  using ours = counting();
  using more = counting();
  try {
    inNamespace(() => {
      using socket = udpSocket(PORT);
      const passes = (): boolean => (sendUdp(PORT), received(socket));
      // Ours first, theirs joins.
      const link = attach(ours, { runPriority: 30 });
      loader("load", "--mode", "skb", "--prio", "40", "lo", object);
      assertEquals(dispatched(), [[30, ["pass"]], [40, ["pass"]]]);
      const status = loader("status", "lo");
      assert(/xdp_dispatcher/.test(status), status);
      assert(/=>\s+30\s+xdp\s/.test(status) && /=>\s+40\s+xdp\s/.test(status), status);
      assertEquals([passes(), ours.globals.packets], [true, 1]);
      // Theirs is there, ours joins and leaves.
      const second = attach(more, { runPriority: 10, chainCallActions: ["pass", "tx"] });
      assert(/=>\s+10\s+xdp\s.*XDP_PASS,XDP_TX/s.test(loader("status", "lo")), loader("status", "lo"));
      assertEquals([passes(), ours.globals.packets, more.globals.packets], [true, 2, 1]);
      link.close();
      assertEquals([passes(), ours.globals.packets, more.globals.packets], [true, 2, 2]);
      assertEquals(dispatched(), [[10, ["pass", "tx"]], [40, ["pass"]]]);
      // They take all away, and closing ours later does nothing.
      loader("unload", "--all", "lo");
      assertEquals([passes(), more.globals.packets], [true, 2]);
      second.close();
    });
    assertEquals(pinned(), before);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
