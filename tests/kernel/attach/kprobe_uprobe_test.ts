import { assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { attachFromSection, attachProgram } from "../../../src/attach/registry.ts";
import type { ProbeMode } from "../../../src/attach/types.ts";
import { NotFoundError, NotSupportedError, WaggleError } from "../../../src/errors.ts";
import { findBinary } from "../../../src/kernel/binary_path.ts";
import { findFunction, withElf } from "../../../src/kernel/elf_symbols.ts";
import { openTracefs } from "../../../src/kernel/tracefs.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { CountingProgram, storeCookie } from "./programs.ts";

const openFile = () => void readFileSync("/proc/self/stat");
/** A process that uses libc in a known way: the shell's `kill -0` calls kill(3). */
const runShell = () => void spawnSync("/bin/sh", ["-c", "kill -0 $$"]);

/** Probes of ours that tracefs still has. */
function leftovers(kind: "kprobe" | "uprobe"): string[] {
  using tracefs = openTracefs();
  return readFileSync(`${tracefs.root}/${kind}_events`, "utf8").split("\n").filter((l) => l.includes("waggle/"));
}

const MODES: readonly ProbeMode[] = ["auto", "perf", "legacy"];

for (const mode of MODES) {
  for (const sec of ["kprobe", "kretprobe"]) {
    kernelTest(`a ${sec} program runs while its link is open (${mode})`, { needs: ["kprobes"] }, () => {
      using prog = new CountingProgram(sec);
      const link = attachProgram(prog, { symbol: "do_sys_openat2", mode });
      assertEquals(prog.during(openFile) >= 1, true);
      assertEquals(leftovers("kprobe").length, mode === "legacy" ? 1 : 0);
      link.close();
      assertEquals(prog.during(openFile), 0);
      assertEquals(leftovers("kprobe"), []);
    });
  }
}

kernelTest("a kprobe attaches by its section name, and its link has a cookie", { needs: ["kprobes"] }, () => {
  const cookies = kernelAtLeast("5.15");
  using prog = new CountingProgram("kprobe/do_sys_openat2", cookies ? { before: storeCookie } : {});
  {
    using link = attachFromSection(prog)!;
    assertEquals(prog.during(openFile) >= 1, true);
    assertEquals(link.fd === undefined, !cookies);
    if (cookies) assertEquals([prog.seen, link.type], [0n, "PERF_EVENT"]);
  }
  if (!cookies) {
    assertThrows(() => attachProgram(prog, { cookie: 5 }), NotSupportedError, "needs Linux 5.15");
    return;
  }
  using _link = attachProgram(prog, { cookie: 5 });
  openFile();
  assertEquals(prog.seen, 5n);
});

kernelTest("bpftool sees a kprobe's program and function", { needs: ["kprobes", "tool:bpftool"] }, () => {
  using prog = new CountingProgram("kprobe/do_sys_openat2", { name: "seen_by_tool" });
  using _link = attachProgram(prog, { mode: "perf" });
  const shown = spawnSync("bpftool", ["perf", "show"], { encoding: "utf8" }).stdout;
  const line = shown.split("\n").find((l) => l.startsWith(`pid ${process.pid} `) && l.includes("do_sys_openat2"));
  assertNotEquals(line, undefined, shown);
});

kernelTest("a kprobe that cannot be says why", { needs: ["kprobes"] }, () => {
  using prog = new CountingProgram("kprobe/do_sys_openat3");
  const known = assertThrows(() => attachFromSection(prog), NotFoundError) as NotFoundError;
  assertEquals(known.requested, "do_sys_openat3");
  assertEquals(known.nearest.includes("do_sys_openat2"), true);
  assertThrows(() => attachProgram(prog, { symbol: "do_sys_openat3", mode: "legacy" }), Error);
  assertEquals(leftovers("kprobe"), []);
  assertThrows(() => attachProgram(prog, { symbol: "f", offset: 1, retprobe: true }), TypeError, "takes no offset");
});

kernelTest("a kernel without kprobes says so", {}, () => {
  using prog = new CountingProgram("kprobe/do_sys_openat2");
  try {
    attachFromSection(prog)!.close();
  } catch (error) {
    assertStringIncludes((error as Error).message, "kprobes is not supported here");
  }
});

for (const sec of ["ksyscall/openat", "kretsyscall/openat"]) {
  kernelTest(`a ${sec} program runs at that system call`, { needs: ["kprobes"] }, () => {
    using prog = new CountingProgram(sec);
    using _link = attachFromSection(prog)!;
    assertEquals(prog.during(openFile) >= 1, true);
    assertThrows(() => attachProgram(prog, { syscall: "no_such_call" }), NotFoundError, "system call");
  });
}

kernelTest("a kprobe.multi program runs in all functions that match", { needs: ["kprobemulti"] }, () => {
  using prog = new CountingProgram("kprobe.multi/do_sys_openat*");
  const link = attachFromSection(prog)!;
  assertEquals(prog.during(openFile) >= 1, true);
  assertEquals(link.type, "KPROBE_MULTI");
  link.close();
  assertEquals(prog.during(openFile), 0);
  using named = attachProgram(prog, { symbols: ["do_sys_openat2", "vfs_read"], cookies: [1, 2] });
  assertEquals(named.info["kprobe_multi.count"], 2);
  assertThrows(() => attachProgram(prog, { symbols: ["vfs_read"], cookies: [1, 2] }), RangeError, "2 cookies for 1");
  assertThrows(() => attachProgram(prog, { pattern: "no_such_function_*" }), NotFoundError);
  assertThrows(() => attachProgram(prog, { symbols: ["no_such_function"] }), NotFoundError);
});

for (const mode of MODES) {
  for (const sec of ["uprobe", "uretprobe"]) {
    const name = `a ${sec} program runs when another process calls the function (${mode})`;
    kernelTest(name, { needs: ["uprobes", "tracefs"] }, () => {
      using prog = new CountingProgram(sec);
      const link = attachProgram(prog, { path: "libc.so.6", symbol: "kill", mode });
      assertEquals(prog.during(runShell) >= 1, true);
      if (mode === "legacy") assertEquals(leftovers("uprobe").length, 1);
      link.close();
      assertEquals(prog.during(runShell), 0);
      if (mode === "legacy") assertEquals(leftovers("uprobe"), []);
    });
  }
}

kernelTest("a uprobe attaches by its section name with an offset", { needs: ["uprobes"] }, () => {
  using prog = new CountingProgram("uprobe/libc.so.6:kill+0");
  using _link = attachFromSection(prog)!;
  assertEquals(prog.during(runShell) >= 1, true);
});

kernelTest("a uprobe attaches by file offset, version and short name of the library", { needs: ["uprobes"] }, () => {
  using prog = new CountingProgram("uprobe");
  const path = findBinary("libc.so.6");
  const { offset } = withElf(path, (elf) => findFunction(elf, "kill"));
  for (const where of [{ path, offset }, { path, symbol: "kill@@GLIBC_2.2.5" }, { path: "libc", symbol: "kill" }]) {
    if (process.arch !== "x64" && where.symbol?.includes("@")) continue;
    using _link = attachProgram(prog, where);
    assertEquals(prog.during(runShell) >= 1, true, JSON.stringify(where));
  }
});

kernelTest("a uprobe with a pid runs in that process only, and has a cookie", { needs: ["uprobes"] }, async () => {
  const cookies = kernelAtLeast("5.15");
  using prog = new CountingProgram("uprobe", cookies ? { before: storeCookie } : {});
  const shell = spawn("/bin/sh", ["-c", "read x; kill -0 $$; read x"], { stdio: ["pipe", "ignore", "ignore"] });
  try {
    using _link = attachProgram(prog, {
      path: "libc.so.6",
      symbol: "kill",
      pid: shell.pid!,
      ...(cookies && { cookie: 77 }),
    });
    assertEquals(prog.during(runShell), 0);
    shell.stdin.write("\n");
    for (let i = 0; i < 200 && prog.count === 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals(prog.count, 1);
    if (cookies) assertEquals(prog.seen, 77n);
  } finally {
    shell.stdin.end();
    await new Promise((resolve) => shell.on("exit", resolve));
  }
});

kernelTest("a uprobe.multi program runs in several functions", { needs: ["uprobes", "kernel:6.6"] }, () => {
  using prog = new CountingProgram("uprobe.multi/libc.so.6:kil*");
  const link = attachFromSection(prog)!;
  assertEquals(prog.during(runShell) >= 1, true);
  assertEquals(link.type, "UPROBE_MULTI");
  link.close();
  assertEquals(prog.during(runShell), 0);
  using named = attachProgram(prog, { path: "libc.so.6", symbols: ["kill", "getppid"], cookies: [3, 4] });
  assertEquals(named.closed, false);
  // Information on these links came with Linux 6.8.
  if (kernelAtLeast("6.8")) assertEquals(named.info["uprobe_multi.count"], 2);
});

kernelTest("a kprobe.session program runs at entry and at return", { needs: ["kprobemulti", "kernel:6.10"] }, () => {
  using entry = new CountingProgram("kprobe.multi/do_sys_openat2");
  using both = new CountingProgram("kprobe.session/do_sys_openat2");
  using _one = attachFromSection(entry)!;
  using _two = attachFromSection(both)!;
  openFile();
  assertEquals(
    both.count >= 2 * (entry.count - 1) && both.count > entry.count,
    true,
    `${both.count} of ${entry.count}`,
  );
});

kernelTest("a uprobe.session program runs at entry and at return", { needs: ["uprobes", "kernel:6.13"] }, () => {
  using entry = new CountingProgram("uprobe.multi/libc.so.6:kill");
  using both = new CountingProgram("uprobe.session/libc.so.6:kill");
  using _one = attachFromSection(entry)!;
  using _two = attachFromSection(both)!;
  runShell();
  assertEquals([entry.count, both.count], [1, 2]);
});

kernelTest("a uprobe that cannot be says why", { needs: ["uprobes"] }, () => {
  using prog = new CountingProgram("uprobe");
  const attach = (options: Record<string, string>) => () => attachProgram(prog, options);
  assertThrows(attach({}), TypeError, 'option "path" is missing');
  assertThrows(attach({ path: "libc.so.6" }), TypeError, 'option "symbol" is missing');
  assertThrows(attach({ path: "/no/such", symbol: "f" }), NotFoundError, 'file "/no/such"');
  assertThrows(attach({ path: "libnosuch.so.9", symbol: "f" }), NotFoundError, "library");
  assertThrows(attach({ path: "libc.so.6", symbol: "mallocc" }), NotFoundError, "malloc");
  assertThrows(attach({ path: "libc.so.6", symbol: "kill@GLIBC_9.9" }), NotFoundError, "not in that version");
  assertThrows(attach({ path: "/etc/passwd", symbol: "f" }), WaggleError, "not an ELF file");
});
