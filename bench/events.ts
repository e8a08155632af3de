/**
 * What bench/ringbuf.ts and bench/perfbuf.ts share: events of 16, 48 and 256 bytes, a program that fills them as small
 * tracers do, the ways to read them, and the comparison with libbpf on the same buffer in the same run. Each way runs in
 * a process of its own, as in a script with one reader; the C side is compiled with -O2.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BPF_PROG_TYPE_SCHED_CLS } from "../src/abi/bpf.gen.ts";
import { Builder, r0, r1, r10, r2, r3, r4, r5, r6 } from "../src/asm/build.ts";
import { str, struct } from "../src/bytes/composites.ts";
import type { Schema } from "../src/bytes/layout.ts";
import { i32, u32, u64 } from "../src/bytes/scalars.ts";
import { progInfo, progLoad, progTestRun } from "../src/syscall/bpf.ts";

export const BUFFER_BYTES: number = 16 << 20;
const ROUNDS = 10;

/** The parts of events by size; the smallest has the first three fields only. */
export interface BenchEvent {
  ts: bigint;
  pid: number;
  cpu: number;
  seq: bigint;
  ret: number;
  flags: number;
  comm: string;
  path?: string;
}

const SMALL = { ts: u64, pid: u32, cpu: u32 };
const MIDDLE = { ...SMALL, seq: u64, ret: i32, flags: u32, comm: str(16) };
const SCHEMAS: Readonly<Record<number, Schema>> = {
  16: struct(SMALL, "event"),
  48: struct(MIDDLE, "event"),
  256: struct({ ...MIDDLE, path: str(208) }, "event"),
};

/** A buffer as this bench uses it: what ring and perf buffers have in common. */
export interface EventBuffer {
  scan(visit: (view: DataView, at: number, length: number) => boolean | void): number;
  each(handler: (event: BenchEvent) => boolean | void): number;
  consume(handler: (event: BenchEvent) => boolean | void): number;
}

/** The buffer under test, of `schema`'s events, and what loads and compares with it. */
export interface Subject {
  readonly mapId: number;
  /** Events that one fill writes. */
  readonly fill: number;
  readonly insns: Uint8Array;
  /** Opens the buffer for this side; closed before the C side opens it. */
  open(): EventBuffer & Disposable;
}

/** A typed array: a variable that outgrows small integers would be a new heap number each time. */
const sum = new Float64Array(1);

/** How to read: our side, and the mode of the C side that does the same with the same fields. */
const WAYS: Readonly<Record<string, { c: string; drain: (buffer: EventBuffer, size: number) => number }>> = {
  "scan, nothing read": { c: "none", drain: (buffer) => buffer.scan(() => void sum[0]!++) },
  "scan, integers by offset": {
    c: "integers",
    drain: (buffer, size) =>
      size === 16
        ? buffer.scan((v, at) =>
          void (sum[0]! += v.getUint32(at + 8, true) + v.getUint32(at + 12, true) + early(v, at))
        )
        : buffer.scan((v, at) =>
          void (sum[0]! += v.getUint32(at + 8, true) + v.getUint32(at + 12, true) + v.getInt32(at + 24, true) +
            v.getUint32(at + 28, true) + (v.getBigUint64(at, true) < v.getBigUint64(at + 16, true) ? 1 : 0))
        ),
  },
  "each, integers by name": {
    c: "integers",
    drain: (buffer, size) =>
      size === 16
        ? buffer.each((e) => void (sum[0]! += e.pid + e.cpu + (e.ts < 5n ? 1 : 0)))
        : buffer.each((e) => void (sum[0]! += e.pid + e.cpu + e.ret + e.flags + (e.ts < e.seq ? 1 : 0))),
  },
  "each, all fields by name": {
    c: "all",
    drain: (buffer, size) => buffer.each(size === 16 ? addSmall : size === 48 ? addMiddle : addLarge),
  },
  "consume, objects of all fields": {
    c: "all",
    drain: (buffer, size) => buffer.consume(size === 16 ? addSmall : size === 48 ? addMiddle : addLarge),
  },
};

function early(view: DataView, at: number): number {
  return view.getBigUint64(at, true) < 5n ? 1 : 0;
}

function addSmall(e: BenchEvent): void {
  sum[0]! += e.pid + e.cpu + (e.ts < 5n ? 1 : 0);
}

function addMiddle(e: BenchEvent): void {
  sum[0]! += e.pid + e.cpu + e.ret + e.flags + e.comm.length + (e.ts < e.seq ? 1 : 0);
}

function addLarge(e: BenchEvent): void {
  sum[0]! += e.pid + e.cpu + e.ret + e.flags + e.comm.length + e.path!.length + (e.ts < e.seq ? 1 : 0);
}

/** Runs all ways for all sizes, or, as a child, the one that the arguments name. */
export function benchEvents(script: string, peer: string, make: (size: number, schema: Schema) => Subject): void {
  const [size, way, program] = process.argv.slice(2);
  if (size !== undefined && way !== undefined && program !== undefined) return runOne(+size, way, program, make);
  const dir = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    const source = fileURLToPath(new URL(`./peer/${peer}.c`, import.meta.url));
    execFileSync("cc", ["-O2", source, "-o", join(dir, "peer"), "-lbpf"]);
    console.log(`runtime ${"Deno" in globalThis ? "deno" : "bun"}; ns of CPU per event, best of ${ROUNDS} rounds`);
    const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : ["run"];
    for (const bytes of Object.keys(SCHEMAS)) {
      for (const name of Object.keys(WAYS)) {
        const args = [...flags, fileURLToPath(script), bytes, name, join(dir, "peer")];
        execFileSync(process.execPath, args, { stdio: "inherit" });
      }
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function runOne(size: number, name: string, peer: string, make: (size: number, schema: Schema) => Subject): void {
  const subject = make(size, SCHEMAS[size]!);
  using prog = progLoad({
    prog_type: BPF_PROG_TYPE_SCHED_CLS,
    insns: subject.insns,
    license: "GPL",
    prog_name: "bench",
  });
  const way = WAYS[name]!;
  const ours = measure(subject, prog.number, (buffer) => way.drain(buffer, size));
  const args = [subject.mapId, progInfo(prog.number).id, subject.fill, ROUNDS, size, way.c].map(String);
  const [c = 0, fill = 0] = execFileSync(peer, args, { encoding: "utf8" }).split(" ").map(Number);
  console.log(
    `${String(size).padStart(3)} B  ${name.padEnd(30)} ${ours.toFixed(1).padStart(6)}  C (${way.c}) ` +
      `${c.toFixed(1).padStart(5)}  drain ${(c / ours).toFixed(2)}  with the program (${fill.toFixed(0)} ns) ` +
      `${((c + fill) / (ours + fill)).toFixed(2)}`,
  );
  if (sum[0]! < 0) throw new Error("impossible"); // keeps the sums in use
}

/** Fills the buffer and times the drain: the best round, all threads. */
function measure(subject: Subject, prog: number, drain: (buffer: EventBuffer) => number): number {
  using buffer = subject.open();
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    progTestRun(prog, { data: new Uint8Array(64), repeat: subject.fill });
    const start = process.cpuUsage();
    const count = drain(buffer);
    const { user, system } = process.cpuUsage(start);
    if (count !== subject.fill) throw new Error(`drained ${count} of ${subject.fill}`);
    best = Math.min(best, ((user + system) * 1000) / count);
  }
  return best;
}

/**
 * Code that fills an event as small tracers do: time, process, CPU, user, command (helpers that tc programs have since
 * 6.10). `output` writes `size` bytes at r10-256; the context is in r6.
 */
export function producer(size: number, output: (b: Builder) => Builder): Uint8Array {
  const b = new Builder().mov(r6, r1);
  for (let at = 0; at < size; at += 8) b.store(64, r10, at - 256, 0);
  b.call("ktime_get_ns").store(64, r10, -256, r0);
  b.call("get_current_pid_tgid").alu("rsh", r0, 32).store(32, r10, 8 - 256, r0);
  b.call("get_smp_processor_id").store(32, r10, 12 - 256, r0);
  if (size > 16) {
    b.call("get_prandom_u32").store(64, r10, 16 - 256, r0);
    b.call("get_current_uid_gid").store(32, r10, 28 - 256, r0);
    b.mov(r1, r10).alu("add", r1, 32 - 256).mov(r2, 16).call("get_current_comm");
  }
  if (size > 48) {
    const name = new TextEncoder().encode("/usr/lib/x86_64-linux-gnu/libc.so.6\0\0\0\0\0");
    const words = new BigUint64Array(name.buffer, 0, name.length >> 3);
    for (const [i, word] of words.entries()) b.imm64(r1, word).store(64, r10, 48 - 256 + 8 * i, r1);
  }
  return output(b).mov(r0, 0).exit().bytes();
}

/** Registers for `output`: arguments of helpers, and the context. */
export { r1, r10, r2, r3, r4, r5, r6 };
