#!/usr/bin/env -S deno run --allow-ffi
/**
 * Counts file system calls in the kernel, second by second.
 *
 *   examples/vfsstat.ts
 *   bun run examples/vfsstat.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.5 with kprobes
 */
import { bpf, interrupted, pause, u64 } from "../mod.ts";

using tracer = bpf({
  globals: { read: u64, written: u64, synced: u64, opened: u64, created: u64 },
  programs: {
    "kprobe:vfs_read"(_, { read }) {
      read++;
    },
    "kprobe:vfs_write"(_, { written }) {
      written++;
    },
    "kprobe:vfs_fsync_range"(_, { synced }) {
      synced++;
    },
    "kprobe:vfs_open"(_, { opened }) {
      opened++;
    },
    "kprobe:vfs_create"(_, { created }) {
      created++;
    },
  },
});

tracer.attach();
const columns = ["read", "written", "synced", "opened", "created"] as const;
console.log(columns.map((name) => `${name}/s`.padStart(10)).join(""));
const stop = interrupted();
let before = columns.map(() => 0n);
for (let more = true; more;) {
  more = await pause(1, stop);
  const now = columns.map((name) => tracer.globals[name]);
  console.log(now.map((count, i) => String(count - before[i]!).padStart(10)).join(""));
  before = now;
}
