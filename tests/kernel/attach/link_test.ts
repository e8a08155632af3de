import { assertEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { Link } from "../../../src/attach/link.ts";
import { attachFromSection, attachProgram } from "../../../src/attach/registry.ts";
import { NotSupportedError, SyscallError } from "../../../src/errors.ts";
import { openTracefs } from "../../../src/kernel/tracefs.ts";
import { openFdCount } from "../../../src/syscall/fd.ts";
import { kernelTest } from "../../support/harness.ts";
import { inNamespace } from "./net.ts";
import { CountingProgram } from "./programs.ts";

spawnSync("modprobe", ["-a", "sch_ingress", "cls_bpf"]);

const openFile = () => void readFileSync("/proc/self/stat");
const PIN = `/sys/fs/bpf/waggle-link-${process.pid}`;

kernelTest(
  "a pinned link outlives its object, is opened again, and ends when it is unpinned",
  { needs: ["bpffs"] },
  async () => {
    using prog = new CountingProgram("raw_tp/sys_enter");
    const link = attachFromSection(prog)!;
    link.pin(PIN);
    try {
      assertThrows(() => link.pin(PIN), SyscallError, "unpin it first");
      const { id } = link;
      link.close();
      assertEquals(prog.during(openFile) >= 1, true);
      using again = Link.open(PIN);
      assertEquals([again.id, again.type], [id, "RAW_TRACEPOINT"]);
      again.unpin(PIN);
      assertEquals(prog.during(openFile) >= 1, true);
    } finally {
      if (existsSync(PIN)) spawnSync("rm", [PIN]);
    }
    // The kernel lets go of a removed pin after a grace period.
    let count = 1;
    for (let tries = 0; tries < 100 && count > 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      count = prog.during(openFile);
    }
    assertEquals(count, 0);
  },
);

kernelTest("a closed link says so", {}, () => {
  using prog = new CountingProgram("raw_tp/sys_enter");
  const link = attachFromSection(prog)!;
  link.close();
  link.close();
  link.detach();
  assertEquals([link.closed, link.fd], [true, undefined]);
  assertThrows(() => link.id, TypeError, "the link is closed");
  assertThrows(() => link.pin(PIN), TypeError, "the link is closed");
});

kernelTest("an attachment that is no link cannot be pinned, and detach takes it back", {}, () => {
  using prog = new CountingProgram("xdp", { result: 2 });
  inNamespace(() => {
    using link = attachProgram(prog, { device: "lo", mechanism: "netlink" });
    assertThrows(() => link.pin(PIN), NotSupportedError, "it is no BPF link");
    link.detach();
    assertEquals(link.closed, true);
  });
});

kernelTest("attaching that fails half way leaves nothing behind", { needs: ["tool:tc"] }, () => {
  // An XDP program is no classifier: the kernel refuses the filter after the qdisc was made.
  using prog = new CountingProgram("xdp", { result: 2 });
  inNamespace(() => {
    const before = openFdCount();
    const options = { kind: "tc", device: "lo", direction: "ingress", mechanism: "netlink" } as const;
    assertThrows(() => attachProgram(prog, options), SyscallError, 'tc ingress of device "lo"');
    const { stdout } = spawnSync("tc", ["qdisc", "show", "dev", "lo"], { encoding: "utf8" });
    assertEquals(stdout.includes("clsact"), false);
    assertEquals(openFdCount(), before);
  });
});

kernelTest("attaching to many places and closing leaves no descriptor", { needs: ["tracefs"] }, () => {
  using prog = new CountingProgram("tp");
  using tracefs = openTracefs();
  const names = tracefs.events("syscalls").filter((name) => name.startsWith("sys_enter_")).slice(0, 30);
  const before = openFdCount();
  const links = names.map((name) => attachProgram(prog, { category: "syscalls", name }));
  assertEquals(links.length, 30);
  for (const link of links) link.close();
  assertEquals(openFdCount(), before);
});

kernelTest("a program that is at a tracepoint already is refused with that reason", { needs: ["tracefs"] }, () => {
  using prog = new CountingProgram("tp/syscalls/sys_enter_openat");
  using _link = attachFromSection(prog)!;
  const error = assertThrows(() => attachFromSection(prog), SyscallError) as SyscallError;
  assertEquals([error.errnoName, error.hint], ["EEXIST", "this program is attached there already"]);
});
