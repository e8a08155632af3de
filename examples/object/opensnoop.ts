#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every file being opened on the machine, live. Loads opensnoop.bpf.o, which clang made from opensnoop.bpf.c.
 *
 *   examples/object/opensnoop.ts [-p PID] [-u UID] [-x] [-n NAME] [-d SECONDS] [-T] [-j]
 *   bun run examples/object/opensnoop.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { parseArgs } from "node:util";
import { interrupted, load, probes } from "../../mod.ts";

const USAGE = `usage: opensnoop.ts [options]
  -p, --pid PID            only this process
  -u, --uid UID            only this user
  -x, --failed             only failed opens
  -n, --name NAME          only processes whose name contains NAME
  -d, --duration SECONDS   stop after so many seconds
  -T, --timestamp          print the seconds since the start
  -j, --json               one JSON object a line
  -h, --help               this text`;

const { values: options } = parseArgs({
  options: {
    pid: { type: "string", short: "p" },
    uid: { type: "string", short: "u" },
    failed: { type: "boolean", short: "x", default: false },
    name: { type: "string", short: "n" },
    duration: { type: "string", short: "d" },
    timestamp: { type: "boolean", short: "T", default: false },
    json: { type: "boolean", short: "j", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** `struct event` of opensnoop.bpf.c. */
interface OpenEvent {
  time_ns: bigint;
  pid: number;
  uid: number;
  ret: number;
  flags: number;
  comm: string;
  path: string;
}

/** A whole number from the command line, or `otherwise` where it was not given. */
function number(text: string | undefined, option: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+$/.test(text)) throw new TypeError(`--${option} takes a number, not "${text}"`);
  return Number(text);
}

/** Loads the programs of this call only where the kernel has it: arm64 has no open(2). */
function where(call: string): Record<string, { autoload: boolean }> {
  const autoload = probes(`tracepoint:syscalls:sys_enter_${call}`).length > 0;
  return { [`enter_${call}`]: { autoload }, [`exit_${call}`]: { autoload } };
}

async function main(): Promise<void> {
  const stop = interrupted({ seconds: number(options.duration, "duration", Infinity) });
  using bpf = load(new URL("./opensnoop.bpf.o", import.meta.url), {
    globals: {
      target_pid: number(options.pid, "pid", 0),
      target_uid: number(options.uid, "uid", 0xffff_ffff),
      failed_only: options.failed,
    },
    programs: { ...where("open"), ...where("openat2") },
  });
  bpf.attach();

  let start: bigint | undefined;
  const time = options.timestamp ? "TIME(s)       " : "";
  if (!options.json) console.log(`${time}${"PID".padEnd(8)}${"COMM".padEnd(17)}${"FD".padStart(4)} ERR PATH`);
  for await (const e of bpf.ringbuf<OpenEvent>("events", "event").read({ signal: stop })) {
    if (options.name !== undefined && !e.comm.includes(options.name)) continue;
    start ??= e.time_ns;
    const seconds = Number(e.time_ns - start) / 1e9;
    if (options.json) {
      console.log(JSON.stringify({ ...e, time_ns: String(e.time_ns) }));
      continue;
    }
    const fd = String(e.ret < 0 ? -1 : e.ret).padStart(4);
    const error = String(e.ret < 0 ? -e.ret : 0).padStart(3);
    const when = options.timestamp ? seconds.toFixed(6).padEnd(14) : "";
    console.log(`${when}${String(e.pid).padEnd(8)}${e.comm.padEnd(17)}${fd} ${error} ${e.path}`);
  }

  const lost = bpf.globals["lost"];
  console.error(lost === 0n ? "no events lost" : `${lost} events lost: the ring buffer was full`);
}

if (options.help) console.log(USAGE);
else await main();
