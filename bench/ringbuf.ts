/**
 * Ring buffer drain against libbpf in C, in the same run, on the same ring filled by the same program: CPU nanoseconds
 * per 48-byte event, none and all of its fields decoded. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/deno run -A bench/ringbuf.ts
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Builder, r0, r1, r10, r2, r3, r4 } from "../src/asm/build.ts";
import { str, struct } from "../src/bytes/composites.ts";
import { i32, u32, u64 } from "../src/bytes/scalars.ts";
import { createMap } from "../src/maps/create.ts";
import { progInfo, progLoad, progTestRun } from "../src/syscall/bpf.ts";
import { BPF_PROG_TYPE_SCHED_CLS } from "../src/abi/bpf.gen.ts";

const RING = 16 << 20;
const EVENT = 48;
const FILL = Math.floor(RING / (EVENT + 8)) - 1;
const ROUNDS = Number(process.argv[2] ?? 12);

const event = struct({ seq: u64, ts: u64, pid: u32, cpu: u32, ret: i32, flags: u32, comm: str(16) }, "event");
using ring = createMap({ type: "ringbuf", value: event, maxEntries: RING, name: "bench" });
using prog = progLoad({
  prog_type: BPF_PROG_TYPE_SCHED_CLS,
  insns: producer(ring.fd),
  license: "GPL",
  prog_name: "bench",
});

const { none: cNone, all: cAll, fill } = runPeer();
/** Keeps the loops' results in use. */
const sink = { total: 0 };

const results: Record<string, number> = {
  "scan, nothing decoded": measure(() => {
    let count = 0;
    ring.scan(() => void count++);
    return count;
  }),
  "scan, all fields read": measure(() => {
    let total = 0;
    const count = ring.scan((view, at) => {
      total += view.getUint32(at, true) + view.getUint32(at + 4, true) * 4294967296;
      total += view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 4294967296;
      total += view.getUint32(at + 16, true) + view.getUint32(at + 20, true) + view.getInt32(at + 24, true);
      total += view.getUint32(at + 28, true);
      for (let i = at + 32; i < at + 48 && view.getUint8(i) !== 0; i++) total++;
    });
    sink.total += total;
    return count;
  }),
  "consume, objects of all fields": measure(() => {
    let total = 0;
    const count = ring.consume((e) => {
      total += e.pid + e.cpu + e.ret + e.flags + e.comm.length + (e.seq === e.ts ? 1 : 0);
    });
    sink.total += total;
    return count;
  }),
};
console.log(`runtime\t${"Deno" in globalThis ? "deno" : "bun"}`);
if (sink.total < 0) throw new Error("impossible");
console.log(
  `libbpf\tnone ${cNone.toFixed(1)} ns, all ${cAll.toFixed(1)} ns per event; the program takes ${fill.toFixed(1)} ns`,
);
for (const [name, ns] of Object.entries(results)) {
  const c = name.includes("nothing") ? cNone : cAll;
  const drain = (c / ns).toFixed(2);
  const whole = ((c + fill) / (ns + fill)).toFixed(2);
  console.log(`${name}\t${ns.toFixed(1)} ns\tratio to C: drain ${drain}, program and drain ${whole}`);
}

/** Fills the ring and times one way to drain it: the best of the rounds, ns of CPU per event, all threads. */
function measure(drain: () => number): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    progTestRun(prog.number, { data: new Uint8Array(64), repeat: FILL });
    const start = process.cpuUsage();
    const count = drain();
    const { user, system } = process.cpuUsage(start);
    if (count !== FILL) throw new Error(`drained ${count} of ${FILL}`);
    best = Math.min(best, ((user + system) * 1000) / count);
  }
  return best;
}

/** Fills an event as small tracers do: time, process, CPU, user, command (helpers that tc programs have since 6.10). */
function producer(fd: number): Uint8Array {
  const b = new Builder();
  for (let at = 0; at < EVENT; at += 8) b.store(64, r10, at - EVENT, 0);
  b.call("get_prandom_u32").store(64, r10, -EVENT, r0);
  b.call("ktime_get_ns").store(64, r10, 8 - EVENT, r0);
  b.call("get_current_pid_tgid").alu("rsh", r0, 32).store(32, r10, 16 - EVENT, r0);
  b.call("get_smp_processor_id").store(32, r10, 20 - EVENT, r0);
  b.call("get_current_uid_gid").store(32, r10, 28 - EVENT, r0);
  b.mov(r1, r10).alu("add", r1, 32 - EVENT).mov(r2, 16).call("get_current_comm");
  b.mapFd(r1, fd).mov(r2, r10).alu("add", r2, -EVENT).mov(r3, EVENT).mov(r4, 0).call("ringbuf_output");
  return b.mov(r0, 0).exit().bytes();
}

function runPeer(): { none: number; all: number; fill: number } {
  const dir = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    const source = fileURLToPath(new URL("./peer/ringbuf.c", import.meta.url));
    execFileSync("cc", ["-O2", source, "-o", join(dir, "peer"), "-lbpf"]);
    const args = [ring.id, progInfo(prog.number).id, FILL, ROUNDS].map(String);
    const [none, all, fill] = execFileSync(join(dir, "peer"), args, { encoding: "utf8" }).split(" ").map(Number);
    return { none: none!, all: all!, fill: fill! };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
