/**
 * Opening and loading an object against libbpf in C, in the same run: CPU milliseconds of user code and of the kernel
 * apart. `first` is one load in a new process (the runtime's own start left out), `warm` the mean of many in one
 * process; libbpf reads the kernel's types anew each time, waggle once per process. Needs root, cc and libbpf-dev:
 *
 *   deno run -A bench/load.ts [object.o...]      bun bench/load.ts [object.o...]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { loadObject } from "../src/load/load.ts";
import { parseObject } from "../src/object/parse.ts";
import { readFile } from "../src/syscall/files.ts";

const ROUNDS = 40;
const FRESH_RUNS = 7;
const OBJECTS = ["core_kernel.bpf.o", "object/trace_open.o", "object/subprogs.o", "attach_xdp.bpf.o"];

type Cost = [user: number, system: number];

/** Microseconds per round. */
function measure(path: string, rounds: number): Cost {
  const start = process.cpuUsage();
  for (let i = 0; i < rounds; i++) {
    using _object = loadObject(parseObject(readFile(path), { name: path }));
  }
  const { user, system } = process.cpuUsage(start);
  return [user / rounds, system / rounds];
}

function self(path: string, rounds: number): Cost {
  const script = fileURLToPath(import.meta.url);
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
  return JSON.parse(execFileSync(process.execPath, [...args, "--child", path, `${rounds}`]).toString()) as Cost;
}

/** The median by user time of several new processes. */
function median(run: () => Cost): Cost {
  const costs = Array.from({ length: FRESH_RUNS }, run).sort((a, b) => a[0] - b[0]);
  return costs[costs.length >> 1]!;
}

function main(paths: readonly string[]): void {
  const directory = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  const peer = join(directory, "load");
  try {
    execFileSync("cc", ["-O2", "-o", peer, fileURLToPath(new URL("./peer/load.c", import.meta.url)), "-lbpf"]);
    const libbpf = (path: string, rounds: number): Cost =>
      JSON.parse(execFileSync(peer, [path, `${rounds}`]).toString()) as Cost;
    console.log("CPU ms (user + kernel)           waggle             libbpf      user ratio");
    for (const path of paths) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      print(`${name} first`, median(() => self(path, 1)), median(() => libbpf(path, 1)));
      print(`${name} warm`, self(path, ROUNDS), libbpf(path, ROUNDS));
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function print(title: string, ours: Cost, theirs: Cost): void {
  const cost = ([user, system]: Cost): string =>
    `${(user / 1000).toFixed(2).padStart(8)} + ${(system / 1000).toFixed(2).padStart(5)}`;
  console.log(`${title.padEnd(26)} ${cost(ours)}   ${cost(theirs)}   ${(ours[0] / theirs[0]).toFixed(2).padStart(6)}`);
}

const args = process.argv.slice(2);
if (args[0] === "--child") console.log(JSON.stringify(measure(args[1]!, Number(args[2]))));
else main(args.length > 0 ? args : OBJECTS.map((o) => fileURLToPath(new URL(`../tests/data/${o}`, import.meta.url))));
