/** Keys and options that stand for many places, and places named in other ways than by a function of the file itself. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { attachFromSection, attachProgram } from "../../../src/attach/registry.ts";
import { NotFoundError, NotSupportedError } from "../../../src/errors.ts";
import { functionOffset } from "../../../src/kernel/file_functions.ts";
import { findDebugFile } from "../../../src/kernel/debug_file.ts";
import { hasKprobeMulti } from "../../../src/kernel/kprobe_multi.ts";
import { withElf } from "../../../src/kernel/elf_symbols.ts";
import { BPF_TRACE_KPROBE_MULTI, BPF_TRACE_UPROBE_MULTI } from "../../../src/abi/bpf.gen.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { bpf, u32 } from "../../../mod.ts";
import { CountingProgram, storeCookie } from "./programs.ts";

const hasRights = process.getuid?.() === 0;
const openFile = () => void readFileSync("/proc/self/stat");

/** Programs for uprobe.multi, and those that older kernels take. */
const UPROBE_WAYS = kernelAtLeast("6.6") ? [BPF_TRACE_UPROBE_MULTI, 0] : [0];

const SOURCE = `
#include <unistd.h>
__attribute__((noinline)) int alpha_one(int x) { asm volatile(""); return x + 1; }
__attribute__((noinline)) int alpha_two(int x) { asm volatile(""); return x + 2; }
__attribute__((noinline)) int beta(int x) { asm volatile(""); return x + 3; }
int main(int argc, char **argv) {
  char c;
  while (read(0, &c, 1) == 1) write(1, &c, alpha_one(argc) + alpha_two(argc) + beta(argc) > 0);
  return 0;
}`;

class Built implements Disposable {
  readonly folder = mkdtempSync("/tmp/waggle-patterns-");
  readonly path = `${this.folder}/program`;

  constructor(flags: readonly string[] = []) {
    writeFileSync(`${this.folder}/program.c`, SOURCE);
    this.tool("cc", "-O1", "-g", "-Wl,--build-id", ...flags, "-o", this.path, `${this.folder}/program.c`);
  }

  tool(name: string, ...args: string[]): void {
    const { status, stderr } = spawnSync(name, args, { encoding: "utf8" });
    assertEquals(status, 0, stderr);
  }

  /** One pass through all functions. */
  run(path = this.path): void {
    assertEquals(spawnSync(path, { input: "x" }).status, 0);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

for (const expectedAttachType of UPROBE_WAYS) {
  kernelTest(
    `a uprobe pattern attaches to all functions that match (attach type ${expectedAttachType})`,
    { needs: ["uprobes", "tool:cc"] },
    () => {
      using built = new Built();
      using prog = new CountingProgram(`uprobe/${built.path}:alpha_*`, { expectedAttachType });
      const link = attachFromSection(prog)!;
      assertEquals(prog.during(() => built.run()), 2);
      link.close();
      assertEquals(prog.during(() => built.run()), 0);
      assertThrows(() => attachProgram(prog, { symbol: "gamma_*" }), NotFoundError, "function");
      assertThrows(() => attachProgram(prog, { symbol: "alpha_*", offset: 4 }), TypeError, "no offset");
    },
  );
}

kernelTest("a uprobe attaches to an address of the file", { needs: ["uprobes", "tool:cc", "tool:nm"] }, () => {
  for (const flags of [["-no-pie"], ["-pie", "-fPIE"]]) {
    using built = new Built(flags);
    const symbols = spawnSync("nm", [built.path], { encoding: "utf8" }).stdout;
    const address = BigInt(`0x${/^([0-9a-f]+) T beta$/m.exec(symbols)![1]}`);
    using prog = new CountingProgram("uprobe");
    using _byOption = attachProgram(prog, { path: built.path, address });
    assertEquals(prog.during(() => built.run()), 1);
    using other = new CountingProgram(`uprobe/${built.path}:0x${address.toString(16)}`);
    using _byName = attachFromSection(other)!;
    assertEquals(other.during(() => built.run()), 1);
  }
});

kernelTest("a uprobe finds functions of stripped files by their debug files", {
  needs: ["uprobes", "tool:cc", "tool:objcopy"],
}, () => {
  using built = new Built();
  const whole = `${built.folder}/whole`;
  copyFileSync(built.path, whole);
  mkdirSync(`${built.folder}/.debug`);
  const debug = `${built.folder}/.debug/program.debug`;
  built.tool("objcopy", "--only-keep-debug", whole, debug);
  built.tool("objcopy", "--strip-all", `--add-gnu-debuglink=${debug}`, whole, built.path);
  assertEquals(functionOffset(built.path, "beta"), functionOffset(whole, "beta"));
  using prog = new CountingProgram(`uprobe/${built.path}:beta`);
  {
    using _link = attachFromSection(prog)!;
    assertEquals(prog.during(() => built.run()), 1);
  }
  using _all = attachProgram(prog, { path: built.path, symbol: "alpha_*" });
  assertEquals(prog.during(() => built.run()), 2);
  // A debug file of another build is not taken: its checksum differs.
  writeFileSync(debug, readFileSync(whole));
  assertEquals(withElf(built.path, (elf) => findDebugFile(built.path, elf)), undefined);
});

kernelTest("a uprobe finds functions of stripped files by the small debug file within", {
  needs: ["uprobes", "tool:cc", "tool:objcopy", "tool:xz"],
}, () => {
  using built = new Built();
  const [whole, symbols] = [`${built.folder}/whole`, `${built.folder}/symbols`];
  copyFileSync(built.path, whole);
  built.tool("objcopy", "--only-keep-debug", "--strip-debug", whole, symbols);
  built.tool("xz", symbols);
  built.tool("objcopy", "--strip-all", "--add-section", `.gnu_debugdata=${symbols}.xz`, whole, built.path);
  assertEquals(functionOffset(built.path, "beta"), functionOffset(whole, "beta"));
  using prog = new CountingProgram(`uprobe/${built.path}:beta`);
  using link = attachFromSection(prog)!;
  assertEquals(prog.during(() => built.run()), 1);
  link.close();
  using _all = attachProgram(prog, { path: built.path, symbol: "alpha_*" });
  assertEquals(prog.during(() => built.run()), 2);
});

kernelTest("a uprobe finds a path in the mount namespace of a process", {
  needs: ["uprobes", "tool:cc", "tool:unshare"],
}, async () => {
  using built = new Built();
  const inside = `${built.folder}/inside`;
  mkdirSync(inside);
  // Only within the namespace is there a file at this path.
  const script = `mount -t tmpfs none ${inside} && cp ${built.path} ${inside}/hidden && exec ${inside}/hidden`;
  const child = spawn("unshare", ["-m", "sh", "-c", script], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    child.stdin.write("x");
    await new Promise((resolve) => child.stdout.once("data", resolve));
    using prog = new CountingProgram("uprobe");
    assertThrows(() => attachProgram(prog, { path: `${inside}/hidden`, symbol: "beta" }), NotFoundError);
    using _link = attachProgram(prog, { path: `${inside}/hidden`, symbol: "beta", pid: child.pid! });
    child.stdin.write("x");
    await new Promise((resolve) => child.stdout.once("data", resolve));
    assertEquals(prog.count, 1);
  } finally {
    child.stdin.end();
    await new Promise((resolve) => child.once("exit", resolve));
  }
});

kernelTest("keys of `bpf()` may be patterns", { needs: ["uprobes", "tracefs"] }, () => {
  using tracer = bpf({
    globals: { calls: u32, opens: u32 },
    programs: {
      "uprobe:libc.so.6:kil?"(_, { calls }) {
        calls++;
      },
      "tracepoint:syscalls:sys_*_openat"(_, { opens }) {
        opens++;
      },
    },
  });
  tracer.attach();
  spawnSync("/bin/sh", ["-c", "kill -0 $$"]);
  assert(tracer.globals.calls >= 1);
  assert(tracer.globals.opens >= 2);
});

kernelTest("a tracepoint pattern attaches to all that match", { needs: ["tracefs"] }, () => {
  using prog = new CountingProgram("tracepoint/syscalls/sys_*_openat");
  const link = attachFromSection(prog)!;
  const runs = prog.during(openFile);
  assert(runs >= 2 && runs % 2 === 0, `${runs} runs`);
  link.close();
  assertEquals(prog.during(openFile), 0);
  assertThrows(() => attachProgram(prog, { category: "syscalls", name: "sys_no_such_*" }), NotFoundError);
});

/** A program that was loaded for links of many kprobes attaches in no other way. */
const KPROBE_WAYS = kernelAtLeast("5.18") && !(hasRights && hasKprobeMulti()) ? [0] : [BPF_TRACE_KPROBE_MULTI, 0];

for (const expectedAttachType of KPROBE_WAYS) {
  kernelTest(
    `a kprobe pattern attaches to all functions that match (attach type ${expectedAttachType})`,
    { needs: ["kprobes"] },
    () => {
      const cookies = kernelAtLeast("5.15");
      using prog = new CountingProgram("kprobe/do_sys_openat*", {
        expectedAttachType,
        ...(cookies && { before: storeCookie }),
      });
      const link = attachProgram(prog, cookies ? { cookie: 9 } : {});
      assert(prog.during(openFile) >= 1);
      if (cookies) assertEquals(prog.seen, 9n);
      link.close();
      assertEquals(prog.during(openFile), 0);
    },
  );
}

kernelTest("kprobe.multi works without such links, by a kprobe for each", { needs: ["kprobes"] }, () => {
  for (const sec of ["kprobe.multi", "kretprobe.multi"]) {
    using prog = new CountingProgram(sec, { expectedAttachType: 0 });
    using _link = attachProgram(prog, { symbols: ["do_sys_openat2", "vfs_read"] });
    assert(prog.during(openFile) >= 2, sec);
  }
  if (kernelAtLeast("6.10")) return;
  using session = new CountingProgram("kprobe.multi/do_sys_openat2", { expectedAttachType: 0 });
  assertThrows(() => attachProgram(session, { session: true }), NotSupportedError, "needs Linux 6.10");
});

kernelTest("fentry.multi and kin attach to many functions", { needs: ["fentry", "kernel:7.2"] }, () => {
  for (const [sec, runs] of [["fentry.multi", 1], ["fexit.multi", 1], ["fsession.multi", 2]] as const) {
    using prog = new CountingProgram(`${sec}/do_sys_openat*`);
    const link = attachFromSection(prog)!;
    assert(prog.during(openFile) >= runs, sec);
    assertEquals(link.type, "TRACING_MULTI");
    link.close();
    assertEquals(prog.during(openFile), 0);
    using _named = attachProgram(prog, { symbols: ["vfs_read", "do_sys_openat2"], cookies: [1, 2] });
    assert(prog.during(openFile) >= 2 * runs, sec);
    assertThrows(() => attachProgram(prog, { symbols: ["no_such"] }), NotFoundError);
    assertThrows(() => attachProgram(prog, { symbols: ["vfs_read"], cookies: [1, 2] }), RangeError);
  }
});
