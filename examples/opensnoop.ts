#!/usr/bin/env -S deno run --allow-ffi
/**
 * Prints every file being opened on the machine, live: who, the descriptor or the error, the path.
 *
 *   examples/opensnoop.ts [-p PID] [-u UID] [-x] [-n NAME] [-d SECONDS] [-T] [-j]
 *   bun run examples/opensnoop.ts
 *
 * needs: root (or CAP_BPF and CAP_PERFMON), Linux 5.8
 */
import { parseArgs } from "node:util";
import { bool, bpf, hash, i32, interrupted, ringbuf, str, u32, u64 } from "../mod.ts";

const USAGE = `usage: opensnoop.ts [options]
  -p, --pid PID            only this process
  -u, --uid UID            only this user
  -x, --failed             only failed opens
  -n, --name NAME          only processes whose name contains NAME
  -d, --duration SECONDS   stop after so many seconds
  -T, --timestamp          print the seconds since the first event
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

const EVERY_UID = 0xffff_ffff;

/** A whole number from the command line, or `otherwise` where it was not given. */
function number(text: string | undefined, option: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+$/.test(text)) throw new TypeError(`--${option} takes a number, not "${text}"`);
  return Number(text);
}

async function main(): Promise<void> {
  const stop = interrupted({ seconds: number(options.duration, "duration", Infinity) });
  using tracer = bpf({
    maps: {
      started: hash(u64, { path: u64 }),
      opens: ringbuf({ time: u64, pid: u32, uid: u32, ret: i32, comm: str(16), path: str(256) }, { bytes: 1 << 20 }),
    },
    globals: { target: u32, user: u32, failedOnly: bool, lost: u64 },
    programs: {
      "tracepoint:syscalls:sys_enter_openat"(ctx, { started, target, user, pid, tid, uid }) {
        if (target && pid() !== target) return;
        if (user !== 0xffff_ffff && uid() !== user) return;
        started.set(tid(), { path: ctx.filename });
      },
      "tracepoint:syscalls:sys_exit_openat"(
        ctx,
        { started, opens, failedOnly, lost, nsecs, pid, tid, uid, comm, userString },
      ) {
        const s = started.get(tid());
        if (!s) return;
        if (!failedOnly || ctx.ret < 0) {
          const sent = opens.emit({
            time: nsecs(),
            pid: pid(),
            uid: uid(),
            ret: ctx.ret,
            comm: comm(),
            path: userString(s.path),
          });
          if (!sent) lost++;
        }
        started.delete(tid());
      },
    },
  });

  tracer.globals.target = number(options.pid, "pid", 0);
  tracer.globals.user = number(options.uid, "uid", EVERY_UID);
  tracer.globals.failedOnly = options.failed;
  tracer.attach();

  let first: bigint | undefined;
  const time = options.timestamp ? "TIME(s)       " : "";
  if (!options.json) console.log(`${time}PID     COMM               FD ERR PATH`);
  for await (const e of tracer.maps.opens.read({ signal: stop })) {
    if (options.name !== undefined && !e.comm.includes(options.name)) continue;
    if (options.json) {
      console.log(JSON.stringify({ ...e, time: String(e.time) }));
      continue;
    }
    first ??= e.time;
    const when = options.timestamp ? (Number(e.time - first) / 1e9).toFixed(6).padEnd(14) : "";
    const [fd, error] = e.ret < 0 ? [-1, -e.ret] : [e.ret, 0];
    const columns = [String(e.pid).padEnd(7), e.comm.padEnd(16), String(fd).padStart(4), String(error).padStart(3)];
    console.log(`${when}${columns.join(" ")} ${e.path}`);
  }
  const { lost } = tracer.globals;
  console.error(lost === 0n ? "no events lost" : `${lost} events lost: the ring buffer was full`);
}

if (options.help) console.log(USAGE);
else await main();
