/**
 * The linker against `bpftool gen object`, and deduplication against libbpf's. Needs clang-19, bpftool, cc, libbpf-dev.
 *
 *   deno run -A bench/link.ts      bun bench/link.ts
 *
 * Linking: 24 objects that use kernel types, a whole process on both sides. Deduplication: the kernel's BTF twice, in a
 * fresh process on both sides, start-up excluded. Medians in milliseconds; a ratio below 1 means waggle is faster.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Btf } from "../src/btf/btf.ts";
import { appendBtf } from "../src/btf/concat.ts";
import { dedupBtf } from "../src/btf/dedup.ts";
import { printC } from "../src/btf/print_c.ts";
import { BtfBuilder } from "../src/btf/write.ts";
import { link } from "../src/object/link.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";
const OBJECTS = 24;
const RUNS = 7;

function makeObjects(folder: string): string[] {
  const header = join(folder, "vmlinux.h");
  writeFileSync(header, printC(Btf.parse(new Uint8Array(readFileSync(VMLINUX))), { header: "vmlinux.h" }));
  return Array.from({ length: OBJECTS }, (_, i) => {
    const [source, output] = [join(folder, `${i}.c`), join(folder, `${i}.o`)];
    writeFileSync(
      source,
      `#include "vmlinux.h"
      #define SEC(n) __attribute__((section(n), used))
      struct { int (*type)[1]; int (*max_entries)[8]; u32 *key; struct task_struct **value; } map${i} SEC(".maps");
      struct sk_buff *skb${i}; struct file *file${i}; static int calls;
      __attribute__((noinline)) int work${i}(struct task_struct *t) { calls += ${i}; return t ? t->pid + calls : 0; }
      SEC("raw_tp/sched_switch") int prog${i}(u64 *ctx) { struct task_struct *t = (void *)ctx[1]; return work${i}(t) + t->prio; }
      char _license[] SEC("license") = "GPL";`,
    );
    execFileSync("clang-19", ["--target=bpf", "-O2", "-g", "-w", "-c", "-o", output, source, `-I${folder}`]);
    return output;
  });
}

function timed(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function print(name: string, ours: number[], theirs: number[], peer: string): void {
  const [a, b] = [median(ours), median(theirs)];
  console.log(
    `${name.padEnd(34)} waggle ${a.toFixed(0).padStart(5)}  ${peer} ${b.toFixed(0).padStart(5)}  ratio ${
      (a / b).toFixed(2)
    }`,
  );
}

const [, script, mode, ...files] = process.argv as [string, string, string?, ...string[]];
if (mode === "--link") {
  const inputs = files.slice(1).map((name) => ({ name, bytes: new Uint8Array(readFileSync(name)) }));
  writeFileSync(files[0]!, link(inputs).bytes);
} else if (mode === "--dedup") {
  const btf = Btf.parse(new Uint8Array(readFileSync(files[0]!)));
  let types = 0;
  const time = timed(() => types = dedupBtf(btf).btf.typeCount);
  console.log(`${time.toFixed(1)} ${types}`);
} else {
  const folder = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    const self = process.versions["bun"] === undefined ? ["run", "-A", "--no-check", script] : [script];
    const child = (...args: string[]): string => execFileSync(process.execPath, [...self, ...args]).toString();
    const objects = makeObjects(folder);
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let i = 0; i < RUNS; i++) {
      ours.push(timed(() => child("--link", join(folder, "ours"), ...objects)));
      theirs.push(timed(() => execFileSync("bpftool", ["gen", "object", join(folder, "theirs"), ...objects])));
    }
    print(`link ${OBJECTS} objects, whole process`, ours, theirs, "bpftool");
    const kernel = Btf.parse(new Uint8Array(readFileSync(VMLINUX)));
    const builder = new BtfBuilder();
    appendBtf(builder, kernel);
    appendBtf(builder, kernel);
    const twice = join(folder, "twice");
    writeFileSync(twice, builder.toBytes());
    const peer = join(folder, "peer");
    execFileSync("cc", ["-O2", "-o", peer, fileURLToPath(new URL("dedup_peer.c", import.meta.url)), "-lbpf"]);
    const rows = Array.from({ length: RUNS }, () => [child("--dedup", twice), execFileSync(peer, [twice]).toString()]);
    const numbers = rows.map((row) => row.map((line) => line.trim().split(" ").map(Number) as [number, number]));
    print("dedup the kernel's BTF twice", numbers.map((n) => n[0]![0]), numbers.map((n) => n[1]![0]), "libbpf ");
    console.log(`types left: ${numbers[0]![0]![1]} and ${numbers[0]![1]![1]}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
