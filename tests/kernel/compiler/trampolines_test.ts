/** Programs at kernel functions through trampolines: what they see of a call that is made, and what they make of it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as w from "../../../mod.ts";
import { kernelTest } from "../../support/harness.ts";

const target = () => w.constant(w.u32, process.pid);

kernelTest("fentry and fexit see arguments and result of a call", { needs: ["fentry"] }, () => {
  using tracer = w.bpf({
    globals: { target: target(), calls: w.u32, result: w.i32 },
    maps: { names: w.hash(w.u32, w.str(64)) },
    programs: {
      "fentry:vfs_rmdir"(ctx, { target, names, pid, kernelString }) {
        if (pid() === target) names.set(1, kernelString(ctx.dentry.d_name.name));
      },
      "fexit:vfs_rmdir"(ctx, $) {
        if ($.pid() !== $.target) return;
        $.calls++;
        $.result = ctx.ret;
        $.names.set(2, $.kernelString(ctx.dentry.d_name.name));
      },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "waggle-fexit-"));
  try {
    mkdirSync(`${folder}/full/inner`, { recursive: true });
    tracer.attach();
    assertThrows(() => rmdirSync(`${folder}/full`), Error, "ENOTEMPTY");
    tracer.detach();
    assertEquals([tracer.maps.names.get(1), tracer.maps.names.get(2)], ["full", "full"]);
    // A file system of layers passes the call on to another one.
    assert(tracer.globals.calls >= 1);
    assertEquals(tracer.globals.result, -39);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

kernelTest("fmod_ret makes a call fail", { needs: ["fentry", "symbol:security_inode_mkdir"] }, () => {
  using tracer = w.bpf({
    globals: { target: target() },
    programs: {
      "fmod_ret:security_inode_mkdir"(ctx, { target, pid, EPERM }) {
        return pid() === target && ctx.mode !== 0 ? -EPERM : 0;
      },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "waggle-fmod-"));
  try {
    tracer.attach();
    assertThrows(() => mkdirSync(`${folder}/a`), Error, "EPERM");
    tracer.detach();
    mkdirSync(`${folder}/a`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

kernelTest("an LSM program denies by the name of a file", { needs: ["lsm"] }, () => {
  using tracer = w.bpf({
    globals: { target: target() },
    maps: { seen: w.counter(w.str(32)) },
    programs: {
      "lsm:inode_mkdir"(ctx, { target, pid, seen, kernelString, EACCES }) {
        if (pid() !== target) return 0;
        const name = kernelString(ctx.dentry.d_name.name, 32);
        seen.count(name);
        return name.endsWith("-denied") ? -EACCES : 0;
      },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "waggle-lsm-"));
  try {
    tracer.attach();
    mkdirSync(`${folder}/one-allowed`);
    assertThrows(() => mkdirSync(`${folder}/one-denied`), Error, "EACCES");
    assertEquals(existsSync(`${folder}/one-denied`), false);
    // Once more for the layer below, where the file system has layers.
    assert((tracer.maps.seen.get("one-allowed") ?? 0n) >= 1n);
    assertEquals(tracer.maps.seen.get("one-denied"), 1n);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
