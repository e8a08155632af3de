/**
 * Kernel BTF: waggle against libbpf on the same questions, reading the file excluded. Needs cc and libbpf-dev.
 *
 *   deno run -A bench/btf.ts [path]      bun bench/btf.ts [path]
 *
 * `fresh` is the median of new processes, which is what a script feels; `warm` the median of rounds in one process.
 * Prints milliseconds and the ratio (below 1: waggle is faster). The peer is bench/btf_peer.c.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Btf } from "../src/btf/btf.ts";

const TYPES = ["task_struct", "sk_buff", "bpf_prog", "trace_event_raw_sys_enter", "no_such_type"];
const CANDIDATES = ["task_struct", "file", "sock", "request", "trace_entry"];
const STEPS = ["parse", "find 5 structs", "candidates of 5", "one pass", "find a function"];
const FRESH_RUNS = 9;
const WARM_ROUNDS = 60;

function round(bytes: Uint8Array): number[] {
  const times = [performance.now()];
  const btf = Btf.parse(bytes);
  times.push(performance.now());
  let sum = 0;
  for (const name of TYPES) sum += btf.find(name, "STRUCT") === undefined ? 0 : 1;
  times.push(performance.now());
  for (const name of CANDIDATES) sum += btf.candidates(name).length;
  times.push(performance.now());
  let words = 0;
  for (let id = 1; id < btf.typeCount; id++) words += btf.infoOf(id) & 0xffff;
  times.push(performance.now());
  const func = btf.find("vfs_read", "FUNC");
  times.push(performance.now());
  if (sum < 9 || words === 0 || func === undefined) throw new Error("the answers are wrong");
  return times.slice(1).map((time, i) => time - times[i]!);
}

function median(rows: number[][]): number[] {
  return STEPS.map((_, i) => rows.map((row) => row[i]!).sort((a, b) => a - b)[rows.length >> 1]!);
}

function parse(text: string): number[][] {
  return text.trim().split("\n").map((line) => line.split(" ").slice(0, STEPS.length).map(Number));
}

function print(title: string, ours: number[], theirs: number[]): void {
  const total = (row: number[]): number => row.reduce((a, b) => a + b, 0);
  const line = (name: string, a: number, b: number): void =>
    console.log(
      `  ${name.padEnd(16)} ${a.toFixed(2).padStart(7)} ${b.toFixed(2).padStart(7)} ${(a / b).toFixed(2).padStart(6)}`,
    );
  console.log(`${title.padEnd(18)}  waggle  libbpf  ratio`);
  STEPS.forEach((step, i) => line(step, ours[i]!, theirs[i]!));
  line("sum", total(ours), total(theirs));
}

const [, script, mode, path = "/sys/kernel/btf/vmlinux"] = process.argv as [string, string, string?, string?];
if (mode === "--child") {
  const bytes = new Uint8Array(readFileSync(path));
  console.log(round(bytes).join(" "));
} else {
  const file = mode ?? path;
  const folder = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    const peer = join(folder, "peer");
    execFileSync("cc", ["-O2", "-o", peer, fileURLToPath(new URL("btf_peer.c", import.meta.url)), "-lbpf"]);
    const runtime = process.versions["bun"] === undefined ? ["run", "-A", "--no-check", script] : [script];
    const [ours, theirs]: number[][][] = [[], []];
    for (let i = 0; i < FRESH_RUNS; i++) {
      ours!.push(...parse(execFileSync(process.execPath, [...runtime, "--child", file]).toString()));
      theirs!.push(...parse(execFileSync(peer, [file, "1"]).toString()));
    }
    print("fresh process, ms", median(ours!), median(theirs!));
    const bytes = new Uint8Array(readFileSync(file));
    const warm = Array.from({ length: WARM_ROUNDS }, () => round(bytes));
    print("warm, ms", median(warm), median(parse(execFileSync(peer, [file, String(WARM_ROUNDS)]).toString())));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
