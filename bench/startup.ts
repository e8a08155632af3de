/**
 * CPU time and memory from process start to the first traced event: opensnoop as kernel functions in TypeScript (compiled
 * when the script starts) and as an object made by clang, each as modules from a clone, as the npm package, bundled with
 * the script into one file, and (Bun) compiled to an executable with byte code; the empty runtimes and a C program on
 * libbpf beside them. All take turns in each round, the least of the rounds counts, and what is printed are ratios to the
 * empty runtime and to C of the same run, as machines differ. Needs root, cc, libbpf-dev and npm:
 *
 *     node_modules/.bin/bun bench/startup.ts [ROUNDS]
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { pack } from "../scripts/pack.ts";
import { ROOT } from "../tests/support/script.ts";

const ROUNDS = Number(process.argv[2] ?? 10);
const OBJECT = `${ROOT}examples/object/opensnoop.bpf.o`;
const BIN = `${ROOT}node_modules/.bin`;
const BUN = [`${BIN}/bun`, "run"];
const DENO = [`${BIN}/deno`, "run", "--allow-ffi", "--no-check", "--quiet"];
const folder = mkdtempSync("/tmp/waggle-bench-");

/** At most this many times the empty runtime, and C: 40 ms for Bun's 7, 100 for Deno's 57, where C takes 26. */
const AIMS = { Bun: { empty: 40 / 7, c: 40 / 26 }, Deno: { empty: 100 / 57, c: 100 / 26 } };

const REPORT = `
  const { user, system } = process.cpuUsage();
  console.log((user + system) / 1000, Math.round(process.memoryUsage().rss / 1024));
  process.exit(0);`;

/** The scripts; byte code needs CommonJS, which has no await outside functions. */
const SCRIPTS = {
  compiled: (waggle: string): string => `
import process from "node:process";
import { bpf, hash, i32, ringbuf, str, u32, u64 } from "${waggle}";
async function main() {
  using tracer = bpf({
    maps: { started: hash(u64, { path: u64 }), opens: ringbuf({ pid: u32, ret: i32, comm: str(16), path: str(256) }) },
    programs: {
      "tracepoint:syscalls:sys_enter_openat"(ctx, { started, tid }) {
        started.set(tid(), { path: ctx.filename });
      },
      "tracepoint:syscalls:sys_exit_openat"(ctx, { started, opens, pid, tid, comm, userString }) {
        const s = started.get(tid());
        if (!s) return;
        opens.emit({ pid: pid(), ret: ctx.ret, comm: comm(), path: userString(s.path) });
        started.delete(tid());
      },
    },
  });
  tracer.attach();
  for await (const _event of tracer.maps.opens) {${REPORT}
  }
}
main();
`,
  object: (waggle: string): string => `
import process from "node:process";
import { load } from "${waggle}";
async function main() {
  using bpf = load("${OBJECT}");
  bpf.attach();
  for await (const _event of bpf.ringbuf("events", "event")) {${REPORT}
  }
}
main();
`,
};

interface Row {
  readonly name: string;
  readonly runtime?: keyof typeof AIMS;
  readonly command: readonly string[];
}

/** Something to open files all the while, so that the first event is never far. */
const OPENER = `
const { closeSync, openSync } = require("node:fs");
setInterval(() => closeSync(openSync("/dev/null", "r")), 2);`;

function build(...args: string[]): void {
  execFileSync(`${BIN}/bun`, ["build", "--minify", ...args], { stdio: "ignore" });
}

function prepare(): Row[] {
  writeFileSync(`${folder}/empty.ts`, `import process from "node:process";\n${REPORT}`);
  execFileSync("cc", ["-O2", "-o", `${folder}/peer`, `${ROOT}bench/peer/startup.c`, "-lbpf"]);
  pack(folder);
  mkdirSync(`${folder}/node_modules/@waggle`, { recursive: true });
  cpSync(`${folder}/package`, `${folder}/node_modules/@waggle/waggle`, { recursive: true });
  writeFileSync(`${folder}/package.json`, '{ "type": "module", "dependencies": { "@waggle/waggle": "*" } }');
  // libbpf needs tracefs mounted; waggle does not, so it gets one of its own.
  const c = `mount -t tracefs t /sys/kernel/tracing; exec ${folder}/peer ${OBJECT}`;
  const rows: Row[] = [
    { name: "C on libbpf", command: ["unshare", "-m", "sh", "-c", c] },
    { name: "Bun, empty", runtime: "Bun", command: [...BUN, `${folder}/empty.ts`] },
    { name: "Deno, empty", runtime: "Deno", command: [...DENO, `${folder}/empty.ts`] },
  ];
  for (const [kind, script] of Object.entries(SCRIPTS)) rows.push(...forms(kind, script));
  return rows;
}

/** The ways to run one script. */
function forms(kind: string, script: (waggle: string) => string): Row[] {
  const [modules, packaged] = [`${folder}/${kind}.ts`, `${folder}/${kind}_package.ts`];
  const [bundle, executable] = [`${folder}/${kind}.js`, `${folder}/${kind}`];
  writeFileSync(modules, script(`${ROOT}mod.ts`));
  writeFileSync(packaged, script("@waggle/waggle"));
  build("--target=bun", modules, `--outfile=${bundle}`);
  build("--compile", "--bytecode", "--format=cjs", modules, `--outfile=${executable}`);
  return [
    { name: `Bun, ${kind}, modules`, runtime: "Bun", command: [...BUN, modules] },
    { name: `Bun, ${kind}, package`, runtime: "Bun", command: [...BUN, packaged] },
    { name: `Bun, ${kind}, one file`, runtime: "Bun", command: [...BUN, bundle] },
    { name: `Bun, ${kind}, executable`, runtime: "Bun", command: [executable] },
    { name: `Deno, ${kind}, modules`, runtime: "Deno", command: [...DENO, modules] },
    { name: `Deno, ${kind}, package`, runtime: "Deno", command: [...DENO, packaged] },
    { name: `Deno, ${kind}, one file`, runtime: "Deno", command: [...DENO, bundle] },
  ];
}

interface Cost {
  cpu: number;
  memory: number;
}

/** CPU milliseconds and KiB of one run. Deno shows memory only with --allow-sys, so it is 0 there. */
function run([command, ...args]: readonly string[]): Cost {
  const { stdout, stderr, status } = spawnSync(command!, args, { encoding: "utf8", timeout: 60_000, cwd: folder });
  const match = /^([\d.]+) (\d+)$/m.exec(stdout);
  if (match === null) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stdout}${stderr}`);
  return { cpu: Number(match[1]), memory: Number(match[2]) };
}

function report(rows: readonly Row[], costs: ReadonlyMap<Row, Cost>): void {
  const cost = (name: string): number => costs.get(rows.find((row) => row.name === name)!)!.cpu;
  const c = cost("C on libbpf");
  console.log(`${"".padEnd(26)}  CPU ms   MiB  times empty (aim)  times C (aim)`);
  for (const row of rows) {
    const { cpu, memory } = costs.get(row)!;
    const figures = `${cpu.toFixed(1).padStart(8)}${String(Math.round(memory / 1024)).padStart(6)}`;
    const aims = row.runtime === undefined || row.name.endsWith("empty") ? undefined : AIMS[row.runtime];
    const empty = row.runtime === undefined ? undefined : cpu / cost(`${row.runtime}, empty`);
    console.log(
      row.name.padEnd(26) + figures + ratio(empty, aims?.empty).padStart(19) + ratio(cpu / c, aims?.c).padStart(15),
    );
  }
}

function ratio(value: number | undefined, aim: number | undefined): string {
  if (value === undefined) return "-";
  return aim === undefined ? value.toFixed(2) : `${value.toFixed(2)} (${aim.toFixed(2)})`;
}

const opener = new Worker(OPENER, { eval: true });
try {
  const rows = prepare();
  const least = new Map<Row, Cost>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const row of rows) {
      const { cpu, memory } = run(row.command);
      const best = least.get(row);
      least.set(row, { cpu: Math.min(cpu, best?.cpu ?? cpu), memory: Math.min(memory, best?.memory ?? memory) });
    }
  }
  report(rows, least);
} finally {
  await opener.terminate();
  rmSync(folder, { recursive: true });
}
