#!/usr/bin/env -S bun run
/**
 * Prints every program that is started, with its arguments. Loads execsnoop.bpf.o, made from execsnoop.bpf.c.
 *
 *   examples/object/execsnoop.ts [-x] [-u UID] [-n NAME] [-l TEXT] [-d SECONDS] [-T] [-U] [-j]
 *   deno run --allow-ffi examples/object/execsnoop.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { parseArgs } from "node:util";
import { interrupted, load } from "../../mod.ts";

const USAGE = `usage: execsnoop.ts [options]
  -x, --failed             failed calls too
  -u, --uid UID            only this user
  -n, --name NAME          only commands whose name contains NAME
  -l, --line TEXT          only commands whose arguments contain TEXT
  -d, --duration SECONDS   stop after so many seconds
  -T, --timestamp          print the time of day
  -U, --print-uid          print the user's number
  -j, --json               one JSON object a line
  -h, --help               this text`;

const { values: options } = parseArgs({
  options: {
    failed: { type: "boolean", short: "x", default: false },
    uid: { type: "string", short: "u" },
    name: { type: "string", short: "n" },
    line: { type: "string", short: "l" },
    duration: { type: "string", short: "d" },
    timestamp: { type: "boolean", short: "T", default: false },
    "print-uid": { type: "boolean", short: "U", default: false },
    json: { type: "boolean", short: "j", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** `struct event` of execsnoop.bpf.c. */
interface ExecEvent {
  time_ns: bigint;
  pid: number;
  ppid: number;
  uid: number;
  ret: number;
  argc: number;
  comm: string;
  args: string[];
}

/** A whole number from the command line, or `otherwise` where it was not given. */
function number(text: string | undefined, option: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+$/.test(text)) throw new TypeError(`--${option} takes a number, not "${text}"`);
  return Number(text);
}

/** The arguments as a shell would take them. */
function commandLine(e: ExecEvent): string {
  const words = e.args.slice(0, e.argc).map((arg) => /[\s"'\\]/.test(arg) || arg === "" ? JSON.stringify(arg) : arg);
  return words.join(" ") + (e.argc > e.args.length ? " ..." : "");
}

async function main(): Promise<void> {
  const stop = interrupted({ seconds: number(options.duration, "duration", Infinity) });
  using bpf = load(new URL("./execsnoop.bpf.o", import.meta.url), {
    globals: { include_failed: options.failed, target_uid: number(options.uid, "uid", 0xffff_ffff) },
  });
  bpf.attach();

  const time = options.timestamp ? "TIME     " : "";
  const user = options["print-uid"] ? "UID    " : "";
  if (!options.json) console.log(`${time}${user}${"PCOMM".padEnd(17)}${"PID".padEnd(8)}${"PPID".padEnd(8)}RET ARGS`);
  for await (const e of bpf.ringbuf<ExecEvent>("events", "event").read({ signal: stop })) {
    const line = commandLine(e);
    if (options.name !== undefined && !e.comm.includes(options.name)) continue;
    if (options.line !== undefined && !line.includes(options.line)) continue;
    if (options.json) {
      console.log(JSON.stringify({ ...e, time_ns: String(e.time_ns), args: e.args.slice(0, e.argc) }));
      continue;
    }
    const when = options.timestamp ? `${new Date().toTimeString().slice(0, 8)} ` : "";
    const uid = options["print-uid"] ? String(e.uid).padEnd(7) : "";
    const pids = String(e.pid).padEnd(8) + String(e.ppid).padEnd(8);
    console.log(`${when}${uid}${e.comm.padEnd(17)}${pids}${String(e.ret).padStart(3)} ${line}`);
  }

  const lost = bpf.globals["lost"];
  console.error(lost === 0n ? "no events lost" : `${lost} events lost: the ring buffer was full`);
}

if (options.help) console.log(USAGE);
else await main();
