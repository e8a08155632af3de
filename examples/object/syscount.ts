#!/usr/bin/env -S deno run --allow-ffi
/**
 * A table of the busiest system calls or processes, refreshed like top. Loads syscount.bpf.o.
 *
 *   examples/object/syscount.ts [-p PID] [-P] [-L] [-x] [-i SECONDS] [-t ROWS] [-d SECONDS]
 *   bun run examples/object/syscount.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.5
 */
import { parseArgs } from "node:util";
import { type BpfMap, interrupted, load, pause, systemCallName } from "../../mod.ts";

const USAGE = `usage: syscount.ts [options]
  -p, --pid PID            only this process
  -P, --process            count by process, not by system call
  -L, --latency            time spent in the calls too, sorted by it
  -x, --failed             only calls that fail
  -i, --interval SECONDS   refresh every so many seconds (1)
  -t, --top ROWS           so many rows (10)
  -d, --duration SECONDS   stop after so many seconds
  -h, --help               this text`;

const { values: options } = parseArgs({
  options: {
    pid: { type: "string", short: "p" },
    process: { type: "boolean", short: "P", default: false },
    latency: { type: "boolean", short: "L", default: false },
    failed: { type: "boolean", short: "x", default: false },
    interval: { type: "string", short: "i" },
    top: { type: "string", short: "t" },
    duration: { type: "string", short: "d" },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** `struct stats` of syscount.bpf.c. */
interface Stats {
  count: bigint;
  total_ns: bigint;
  comm: string;
}

/** A positive number from the command line, or `otherwise` where it was not given. */
function number(text: string | undefined, option: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+(\.\d+)?$/.test(text)) throw new TypeError(`--${option} takes a number, not "${text}"`);
  return Number(text);
}

/** One refresh: the busiest rows, most first. */
function table(rows: [number, Stats][]): string {
  const weight = (stats: Stats) => options.latency ? stats.total_ns : stats.count;
  rows.sort(([, a], [, b]) => (weight(b) > weight(a) ? 1 : weight(b) < weight(a) ? -1 : 0));
  const lines = rows.slice(0, number(options.top, "top", 10)).map(([key, stats]) => {
    const name = options.process ? `${String(key).padEnd(8)}${stats.comm}` : systemCallName(key) ?? `call ${key}`;
    const time = options.latency ? (Number(stats.total_ns) / 1000).toFixed(3).padStart(16) : "";
    return `${name.padEnd(26)}${String(stats.count).padStart(10)}${time}`;
  });
  const head = options.process ? "PID     COMM" : "SYSCALL";
  return [`${head.padEnd(26)}${"COUNT".padStart(10)}${options.latency ? "TIME (us)".padStart(16) : ""}`, ...lines].join(
    "\n",
  );
}

async function main(): Promise<void> {
  const stop = interrupted({ seconds: number(options.duration, "duration", Infinity) });
  using bpf = load(new URL("./syscount.bpf.o", import.meta.url), {
    globals: {
      target_pid: number(options.pid, "pid", 0),
      by_process: options.process,
      failed_only: options.failed,
      measure_latency: options.latency,
    },
    programs: { enter: { autoload: options.latency } },
  });
  bpf.attach();

  const counts = bpf.map<BpfMap<number, Stats>>("counts");
  while (await pause(number(options.interval, "interval", 1), stop)) {
    console.log(`\n${new Date().toTimeString().slice(0, 8)}\n${table([...counts.drain()])}`);
  }
  console.log(`\ntotal since the last refresh\n${table([...counts.entries()])}`);
}

if (options.help) console.log(USAGE);
else await main();
