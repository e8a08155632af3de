/**
 * Opening and loading objects against libbpf in C, in the same run: CPU microseconds of user code, and of system calls
 * apart (bench/peer/load.c says how they are told from each other; threads of the runtime that compile and collect
 * count as user code). `warm` is the mean of many loads in one process that loads all objects in turn; libbpf reads the
 * kernel's types anew each time, waggle once per process. `first` is the one load of a new process, the runtime's own
 * start left out. Needs root, cc and libbpf-dev:
 *
 *     deno run -A bench/load.ts [--rounds N] [--first] [FOLDER-OR-OBJECT...]      bun bench/load.ts ...
 *
 * Without arguments: four objects of tests/data. With the kernel's selftests and libbpf 1.8 (CONTRIBUTING.md):
 *
 *     WAGGLE_LIBBPF=$(tests/conformance/libbpf) bun bench/load.ts ~/.cache/waggle-corpus/v3
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { loadObject } from "../src/load/load.ts";
import { parseObject } from "../src/object/parse.ts";
import { readFile } from "../src/syscall/files.ts";
import { TimedCalls } from "./support/timed_calls.ts";

const FRESH_RUNS = 7;
const OBJECTS = ["core_kernel.bpf.o", "object/trace_open.o", "object/subprogs.o", "attach_xdp.bpf.o"];
const PIN_DIRECTORY = "/sys/fs/bpf/waggle_bench";

/** Microseconds of one load. */
interface Cost {
  user: number;
  kernel: number;
}

/** An object and the programs of it that load, as the peer's `plan` prints them. */
interface Planned {
  path: string;
  /** Undefined: all that load by themselves. */
  programs: ReadonlySet<string> | undefined;
}

function readPlan(text: string): Planned[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [path, programs = ""] = line.split("\t");
    return { path: path!, programs: programs === "*" ? undefined : new Set(programs.split(",")) };
  });
}

function loadOnce({ path, programs: wanted }: Planned): void {
  const spec = parseObject(readFile(path), { name: path });
  const programs = wanted === undefined
    ? undefined
    : Object.fromEntries(spec.programs.map((p) => [p.name, { autoload: wanted.has(p.name) }]));
  using _object = loadObject(spec, { programs, pinDirectory: PIN_DIRECTORY });
}

/** The mean of all rounds but the first, if there are several. */
function measure(plan: readonly Planned[], rounds: number): Cost[] {
  using calls = new TimedCalls();
  const costs = plan.map(() => ({ user: 0, kernel: 0 }));
  const counted = Math.max(1, rounds - 1);
  for (let round = 0; round < rounds; round++) {
    for (const [i, planned] of plan.entries()) {
      const { user, kernel } = calls.measure(() => loadOnce(planned));
      if (round === 0 && rounds > 1) continue;
      costs[i]!.user += user / counted;
      costs[i]!.kernel += kernel / counted;
    }
  }
  return costs;
}

class Peer {
  readonly #binary: string;
  readonly #plan: string;

  constructor(folder: string) {
    const libbpf = process.env["WAGGLE_LIBBPF"];
    const library = libbpf === undefined ? ["-lbpf"] : [`-I${libbpf}/headers`, `${libbpf}/libbpf.a`, "-lelf", "-lz"];
    const source = fileURLToPath(new URL("./peer/load.c", import.meta.url));
    this.#binary = join(folder, "load");
    this.#plan = join(folder, "plan");
    execFileSync("cc", ["-O2", "-o", this.#binary, source, ...library]);
  }

  plan(paths: readonly string[]): string {
    return execFileSync(this.#binary, ["plan", ...paths], { maxBuffer: 1 << 26 }).toString();
  }

  run(plan: string, rounds: number): Cost[] {
    writeFileSync(this.#plan, plan);
    return costsOf(execFileSync(this.#binary, ["run", `${rounds}`, this.#plan]).toString());
  }
}

function costsOf(text: string): Cost[] {
  return text.trim().split("\n").map((line) => {
    const [user = 0, kernel = 0] = line.split(" ").map(Number);
    return { user, kernel };
  });
}

/** This program again, in a new process. */
function self(folder: string, plan: string, rounds: number): Cost[] {
  const file = join(folder, "own_plan");
  writeFileSync(file, plan);
  const script = fileURLToPath(import.meta.url);
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
  return costsOf(execFileSync(process.execPath, [...args, "--child", file, `${rounds}`]).toString());
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const quantile = (values: readonly number[], q: number): number => sorted(values)[Math.floor((values.length - 1) * q)]!;

function report(title: string, plan: readonly Planned[], ours: readonly Cost[], theirs: readonly Cost[]): void {
  console.log(`${title}: CPU ms (user + system calls)`.padEnd(60) + "   waggle           libbpf    user ratio");
  const cost = ({ user, kernel }: Cost): string =>
    `${(user / 1000).toFixed(3).padStart(8)} +${(kernel / 1000).toFixed(2).padStart(7)}`;
  const sum = (costs: readonly Cost[]): Cost => ({
    user: costs.reduce((n, c) => n + c.user, 0),
    kernel: costs.reduce((n, c) => n + c.kernel, 0),
  });
  const line = (name: string, mine: Cost, other: Cost): void =>
    console.log(
      `${name.padEnd(54).slice(-54)} ${cost(mine)} ${cost(other)} ${(mine.user / other.user).toFixed(2).padStart(8)}`,
    );
  if (plan.length <= 60) { for (const [i, { path }] of plan.entries()) line(path, ours[i]!, theirs[i]!); }
  line("sum", sum(ours), sum(theirs));
  const ratios = ours.map((c, i) => c.user / theirs[i]!.user);
  const parts = [0.1, 0.25, 0.5, 0.75, 0.9].map((q) => `${q * 100}% ${quantile(ratios, q).toFixed(2)}`);
  console.log(`user ratio by object, quantiles: ${parts.join("  ")}  (${ratios.length} objects)`);
  // libbpf parses the kernel's types for half of all objects, which dwarfs the rest.
  const light = ratios.filter((_, i) => theirs[i]!.user < 3000);
  if (light.length > 0 && light.length < ratios.length) {
    console.log(
      `  of those for which libbpf needs less than 3 ms: ${quantile(light, 0.5).toFixed(2)} (${light.length})`,
    );
  }
}

function main(args: string[]): void {
  const option = (name: string): boolean => args.includes(name) && args.splice(args.indexOf(name), 1).length > 0;
  const first = option("--first");
  const at = args.indexOf("--rounds");
  const rounds = at < 0 ? 10 : Number(args.splice(at, 2)[1]);
  const given = args.length > 0
    ? args
    : OBJECTS.map((o) => fileURLToPath(new URL(`../tests/data/${o}`, import.meta.url)));
  const paths = given.flatMap((path) =>
    statSync(path).isDirectory() ? readdirSync(path).filter((f) => f.endsWith(".o")).map((f) => join(path, f)) : [path]
  );
  const folder = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    const peer = new Peer(folder);
    const plan = peer.plan(paths.sort());
    const planned = readPlan(plan);
    console.log(`${planned.length} of ${paths.length} objects load with libbpf, whole or in part`);
    report("warm", planned, self(folder, plan, rounds), peer.run(plan, rounds));
    if (!first && args.length > 0) return;
    const median = (run: (line: string) => Cost): Cost[] =>
      plan.trim().split("\n").map((line) => {
        const runs = Array.from({ length: FRESH_RUNS }, () => run(`${line}\n`)).sort((a, b) => a.user - b.user);
        return runs[FRESH_RUNS >> 1]!;
      });
    report(
      "first",
      planned,
      median((line) => self(folder, line, 1)[0]!),
      median((line) => peer.run(line, 1)[0]!),
    );
  } finally {
    rmSync(folder, { recursive: true });
    rmSync(PIN_DIRECTORY, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
if (args[0] === "--child") {
  const costs = measure(readPlan(readFileSync(args[1]!, "utf8")), Number(args[2]));
  console.log(costs.map((c) => `${c.user.toFixed(2)} ${c.kernel.toFixed(2)}`).join("\n"));
} else main(args);
