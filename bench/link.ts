/**
 * The linker against `bpftool gen object`, and deduplication against libbpf's. Needs clang-19, bpftool, cc, libbpf-dev.
 *
 *   deno run -A bench/link.ts [FOLDER]      bun bench/link.ts [FOLDER]
 *
 * Linking: the whole process on both sides, `waggle link` here, start-up of the runtime included; 24 objects that use
 * kernel types, and all objects of FOLDER that fit into one (by default the kernel's selftests, if
 * tests/conformance/corpus has built them). Deduplication: the kernel's BTF twice, in a fresh process on both sides,
 * the whole process and the work alone. Milliseconds, the fastest of several runs, since the machine may be busy; a ratio below 1 means
 * waggle is faster. The runtime's own start is printed beside it: nothing can be faster than that.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Btf } from "../src/btf/btf.ts";
import { appendBtf } from "../src/btf/concat.ts";
import { dedupBtf } from "../src/btf/dedup.ts";
import { printC } from "../src/btf/print_c.ts";
import { BtfBuilder } from "../src/btf/write.ts";
import { readElf } from "../src/object/elf.ts";
import { link } from "../src/object/link.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";
const OBJECTS = 24;
const RUNS = 9;

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

/** Objects of a folder that define different names, with the same license: as many as fit together, in order of name. */
function fittingObjects(folder: string): string[] {
  const names = new Set<string>();
  const sections = new Map<string, string>();
  return readdirSync(folder).filter((file) => file.endsWith(".o")).sort().map((file) => join(folder, file)).filter(
    (file) => {
      const elf = readElf(new Uint8Array(readFileSync(file)), file);
      const license = elf.section("license");
      if (license === undefined || new TextDecoder().decode(license.bytes) !== "GPL\0") return false;
      const own = [...elf.symbols].filter((s) => s.bind !== 0 && s.section !== license.index).map((s) => s.name);
      const shapes = elf.sections.filter((s) => s.type === 1 || s.type === 8)
        .map((s) => [s.name, `${s.type} ${s.flags} ${s.entrySize}`] as const);
      if (elf.section("version") !== undefined || own.some((name) => names.has(name))) return false;
      if (shapes.some(([name, shape]) => (sections.get(name) ?? shape) !== shape)) return false;
      try {
        link([{ name: file, bytes: elf.bytes }]);
      } catch {
        return false; // The selftests have objects that no linker takes.
      }
      for (const name of own) names.add(name);
      for (const [name, shape] of shapes) sections.set(name, shape);
      return true;
    },
  );
}

function timed(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function print(name: string, ours: readonly number[], theirs: readonly number[], peer: string, start?: number): void {
  const [a, b] = [Math.min(...ours), Math.min(...theirs)];
  const floor = start === undefined ? "" : `  (start of the runtime ${start.toFixed(0)})`;
  console.log(
    `${name.padEnd(36)} waggle ${a.toFixed(0).padStart(5)}  ${peer} ${b.toFixed(0).padStart(5)}  ratio ${
      (a / b).toFixed(2)
    }${floor}`,
  );
}

const [, script, mode, ...files] = process.argv as [string, string, string?, ...string[]];
const self = process.versions["bun"] === undefined ? ["run", "-A", "--no-check"] : [];

function child(...args: string[]): string {
  return execFileSync(process.execPath, [...self, ...args], { stdio: ["ignore", "pipe", "ignore"] }).toString();
}

function benchLink(name: string, folder: string, objects: readonly string[]): void {
  const command = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  const empty = join(folder, "empty.ts");
  writeFileSync(empty, "");
  const [ours, theirs, start]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < RUNS; i++) {
    ours.push(timed(() => child(command, "link", ...objects, "-o", join(folder, "ours"))));
    theirs.push(timed(() => execFileSync("bpftool", ["gen", "object", join(folder, "theirs"), ...objects])));
    start.push(timed(() => child(empty)));
  }
  print(name, ours, theirs, "bpftool", Math.min(...start));
}

function benchDedup(folder: string): void {
  const kernel = Btf.parse(new Uint8Array(readFileSync(VMLINUX)));
  const builder = new BtfBuilder();
  appendBtf(builder, kernel);
  appendBtf(builder, kernel);
  const twice = join(folder, "twice");
  writeFileSync(twice, builder.toBytes());
  const peer = join(folder, "peer");
  execFileSync("cc", ["-O2", "-o", peer, fileURLToPath(new URL("dedup_peer.c", import.meta.url)), "-lbpf"]);
  const whole: [number[], number[]] = [[], []];
  const alone: [number[], number[]] = [[], []];
  const types = new Set<string>();
  for (let i = 0; i < RUNS; i++) {
    [() => child(script, "--dedup", twice), () => execFileSync(peer, [twice]).toString()].forEach((run, side) => {
      let line = "";
      whole[side]!.push(timed(() => line = run()));
      const [time, left] = line.trim().split(" ") as [string, string];
      alone[side]!.push(Number(time));
      types.add(left);
    });
  }
  print("dedup the kernel's BTF twice, whole", ...whole, "libbpf ");
  print("dedup the kernel's BTF twice, alone", ...alone, "libbpf ");
  console.log(`types left: ${[...types].join(" and ")}`);
}

if (mode === "--dedup") {
  const btf = Btf.parse(new Uint8Array(readFileSync(files[0]!)));
  let types = 0;
  const time = timed(() => types = dedupBtf(btf).btf.typeCount);
  console.log(`${time.toFixed(1)} ${types}`);
} else {
  const folder = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    benchLink(`link ${OBJECTS} objects, whole process`, folder, makeObjects(folder));
    const corpus = mode ?? join(homedir(), ".cache/waggle-corpus/v3");
    const fitting = existsSync(corpus) ? fittingObjects(corpus) : [];
    if (fitting.length > 0) benchLink(`link ${fitting.length} objects, whole process`, folder, fitting);
    benchDedup(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
