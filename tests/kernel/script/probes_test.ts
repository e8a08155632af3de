/** Probes with arguments and results: kprobes, fentry, uprobes, security hooks, written in TypeScript. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import process from "node:process";
import * as w from "../../../mod.ts";
import { kernelTest } from "../../support/harness.ts";

/** Writes `size` bytes to /dev/null in one system call. */
function write(size: number): void {
  const fd = openSync("/dev/null", "w");
  try {
    assertEquals(writeSync(fd, new Uint8Array(size)), size);
  } finally {
    closeSync(fd);
  }
}

/** Attaches, writes once, and gives what the program said of writes of that size by this process. */
function seen(tracer: w.Tracer<{ sizes: ReturnType<typeof w.counter<typeof w.u64>> }, string, object>): bigint {
  tracer.attach();
  write(54_321);
  tracer.detach();
  return tracer.maps.sizes.get(54_321n) ?? 0n;
}

kernelTest("kprobes have named arguments, also by position", { needs: ["kprobes", "btf", "symbol:vfs_write"] }, () => {
  using tracer = w.bpf({
    maps: { sizes: w.counter(w.u64) },
    globals: { target: w.constant(w.u32, process.pid) },
    programs: {
      "kprobe:vfs_write"(ctx, { sizes, target, pid }) {
        if (pid() === target && ctx.count === ctx.arg2) sizes.count(ctx.count);
      },
    },
  });
  assertEquals(seen(tracer), 1n);
});

kernelTest("kretprobes have the result", { needs: ["kprobes", "btf", "symbol:vfs_write"] }, () => {
  using tracer = w.bpf({
    maps: { sizes: w.counter(w.u64) },
    globals: { target: w.constant(w.u32, process.pid) },
    programs: {
      "kretprobe:vfs_write"(ctx, { sizes, target, pid }) {
        if (pid() === target && ctx.ret > 0) sizes.count(ctx.ret);
      },
    },
  });
  assertEquals(seen(tracer), 1n);
});

kernelTest("fentry and fexit have typed arguments and the result", { needs: ["fentry", "symbol:vfs_write"] }, () => {
  using tracer = w.bpf({
    maps: { sizes: w.counter(w.u64) },
    globals: { target: w.constant(w.u32, process.pid), mode: w.u32 },
    programs: {
      "fentry:vfs_write"(ctx, { target, pid, mode }) {
        if (pid() === target) mode |= ctx.file.f_inode.i_mode;
      },
      "fexit:vfs_write"(ctx, { sizes, target, pid }) {
        if (pid() === target && ctx.ret === ctx.count) sizes.count(ctx.ret);
      },
    },
  });
  assertEquals(seen(tracer), 1n);
  assertEquals(tracer.globals.mode & 0o170000, 0o020000); // a character device
});

kernelTest("uprobes see calls of a library, uretprobes their results", { needs: ["uprobes"] }, () => {
  using tracer = w.bpf({
    globals: { calls: w.u64, result: w.i32 },
    programs: {
      "uprobe:libc.so.6:getppid"(_, { calls }) {
        calls++;
      },
      "uretprobe:libc.so.6:getppid"(ctx, { result, i32 }) {
        result |= i32(ctx.ret);
      },
    },
  });
  for (const program of Object.values(tracer.programs)) program.attach({ pid: process.pid });
  const parent = process.ppid;
  tracer.detach();
  assert(tracer.globals.calls >= 1n);
  assertEquals(tracer.globals.result, parent);
});

kernelTest("a security hook refuses what it is told to", { needs: ["lsm"] }, () => {
  const folder = mkdtempSync("/tmp/waggle-test-");
  try {
    writeFileSync(`${folder}/secret`, "x");
    writeFileSync(`${folder}/public`, "x");
    using tracer = w.bpf({
      globals: { inode: w.constant(w.u64, BigInt(statSync(`${folder}/secret`).ino)) },
      programs: {
        "lsm:file_open"(ctx, { inode, EPERM }) {
          if (ctx.ret) return ctx.ret;
          return ctx.file.f_inode.i_ino === inode ? -EPERM : 0;
        },
      },
    });
    tracer.attach();
    closeSync(openSync(`${folder}/public`, "r"));
    assertThrows(() => openSync(`${folder}/secret`, "r"), Error, "EPERM");
    tracer.detach();
    closeSync(openSync(`${folder}/secret`, "r"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

kernelTest("tp_btf has typed arguments that can be followed", { needs: ["btf"] }, async () => {
  using tracer = w.bpf({
    maps: { switches: w.counter({ tgid: w.u32, parent: w.u32, comm: w.str(16) }) },
    globals: { target: w.constant(w.u32, process.pid) },
    programs: {
      "tp_btf:sched_switch"(ctx, { switches, target }) {
        const { prev } = ctx;
        if (prev.tgid !== target) return;
        switches.count({ tgid: prev.tgid, parent: prev.real_parent.tgid, comm: prev.group_leader.comm });
      },
    },
  });
  tracer.attach();
  await w.pause(0.05);
  tracer.detach();
  const [[key, count]] = tracer.maps.switches.entries() as [[{ tgid: number; parent: number; comm: string }, bigint]];
  assertEquals([key.tgid, key.parent], [process.pid, process.ppid]);
  assert(key.comm.length > 0 && count > 0n);
});
