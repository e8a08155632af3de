/**
 * CPU time and memory from process start to the first traced event, for the object of examples/object/opensnoop: a
 * script on each runtime, the script bundled into one file, the empty runtime, and a C program on libbpf, all in the
 * same run, the least of several. Needs root, cc and libbpf-dev:
 *
 *     node_modules/.bin/bun bench/startup.ts [RUNS]
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { ROOT } from "../tests/support/script.ts";

const RUNS = Number(process.argv[2] ?? 8);
const OBJECT = `${ROOT}examples/object/opensnoop.bpf.o`;
const BIN = `${ROOT}node_modules/.bin`;
const DENO = [`${BIN}/deno`, "run", "--allow-ffi", "--no-check", "--quiet"];
const folder = mkdtempSync("/tmp/waggle-bench-");

const REPORT = `
  const { user, system } = process.cpuUsage();
  console.log((user + system) / 1000, Math.round(process.memoryUsage().rss / 1024));
  process.exit(0);`;

const SCRIPT = `
import process from "node:process";
import { load } from "${ROOT}mod.ts";
using bpf = load("${OBJECT}");
bpf.attach();
for await (const _event of bpf.ringbuf("events", "event")) {${REPORT}
}`;

/** Something to open files all the while, so that the first event is never far. */
const OPENER = `
const { closeSync, openSync } = require("node:fs");
setInterval(() => closeSync(openSync("/dev/null", "r")), 2);`;

function prepare(): [name: string, command: string[]][] {
  writeFileSync(`${folder}/script.ts`, SCRIPT);
  writeFileSync(`${folder}/empty.ts`, `import process from "node:process";\n${REPORT}`);
  execFileSync("cc", ["-O2", "-o", `${folder}/peer`, `${ROOT}bench/peer/startup.c`, "-lbpf"]);
  execFileSync(`${BIN}/bun`, [
    "build",
    "--target=bun",
    "--minify",
    `${folder}/script.ts`,
    `--outfile=${folder}/bundle.js`,
  ]);
  return [
    // libbpf needs tracefs mounted; waggle does not, so it gets one of its own.
    ["C on libbpf", [
      "unshare",
      "-m",
      "sh",
      "-c",
      `mount -t tracefs t /sys/kernel/tracing; exec ${folder}/peer ${OBJECT}`,
    ]],
    ["Bun, empty", [`${BIN}/bun`, `${folder}/empty.ts`]],
    ["Bun, script", [`${BIN}/bun`, `${folder}/script.ts`]],
    ["Bun, bundle", [`${BIN}/bun`, `${folder}/bundle.js`]],
    ["Deno, empty", [...DENO, `${folder}/empty.ts`]],
    ["Deno, script", [...DENO, `${folder}/script.ts`]],
  ];
}

/** CPU milliseconds and KiB of one run. Deno shows memory only with --allow-sys, so it is 0 there. */
function run([command, ...args]: string[]): [cpu: number, memory: number] {
  const { stdout, stderr, status } = spawnSync(command!, args, { encoding: "utf8", timeout: 60_000 });
  const match = /^([\d.]+) (\d+)$/m.exec(stdout);
  if (match === null) throw new Error(`${command} ended with ${status}: ${stdout}${stderr}`);
  return [Number(match[1]), Number(match[2])];
}

const opener = new Worker(OPENER, { eval: true });
try {
  const least = prepare().map(([name, command]) => {
    const results = Array.from({ length: RUNS }, () => run(command));
    return { name, cpu: Math.min(...results.map((r) => r[0])), memory: Math.min(...results.map((r) => r[1])) };
  });
  const peer = least[0]!.cpu;
  for (const { name, cpu, memory } of least) {
    const figures = `${cpu.toFixed(1).padStart(7)} ms CPU ${String(Math.round(memory / 1024)).padStart(4)} MiB`;
    console.log(`${name.padEnd(14)}${figures}  ${(cpu / peer).toFixed(1)} times C`);
  }
} finally {
  await opener.terminate();
  rmSync(folder, { recursive: true });
}
