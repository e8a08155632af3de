/**
 * What bench/ringbuf.ts and bench/perfbuf.ts share: events of 16, 48 and 256 bytes, a program that fills them as small
 * tracers do, the ways to read them, and the comparison with libbpf. Each way runs in a process of its own, as in a script
 * with one reader. The C side, compiled with -O2, has a buffer of the same size filled by the same program; both are opened
 * once, and the sides take turns round by round, so that both meet the same state of the machine. The best round counts.
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
import type { Fd } from "../src/syscall/fd.ts";
import { buildPeers, startPeer } from "./peers.ts";
import { progInfo, progLoad, progTestRun } from "../src/syscall/bpf.ts";

export const BUFFER_BYTES: number = 16 << 20;
const ROUNDS = 24;

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
  /** Opens the buffer for this side. */
  open(): EventBuffer & Disposable;
}

type MakeSubject = (size: number, schema: Schema) => Subject;

/** Like C's counters: a variable that outgrows small integers would be a new heap number each time. */
const sum = new Uint32Array(1);

type Way<F> = Readonly<Record<number, F>>;

/** By the event's size. The same function for each drain, as in a script: engines take a new one for another. */
const INTEGERS_AT: Way<(view: DataView, at: number) => void> = {
  16: (v, at) => void (sum[0]! += v.getUint32(at + 8, true) + v.getUint32(at + 12, true) + early(v, at)),
  48: addIntegersAt,
  256: addIntegersAt,
};
const INTEGERS: Way<(event: BenchEvent) => void> = {
  16: (e) => void (sum[0]! += e.pid + e.cpu + (e.ts < 5n ? 1 : 0)),
  48: addIntegers,
  256: addIntegers,
};
const FIELDS: Way<(event: BenchEvent) => void> = {
  16: (e) => void (sum[0]! += e.pid + e.cpu + (e.ts < 5n ? 1 : 0)),
  48: (e) => void (sum[0]! += e.pid + e.cpu + e.ret + e.flags + e.comm.length + (e.ts < e.seq ? 1 : 0)),
  256: (e) =>
    void (sum[0]! += e.pid + e.cpu + e.ret + e.flags + e.comm.length + e.path!.length + (e.ts < e.seq ? 1 : 0)),
};

/** How to read: our side, and the mode of the other sides that does the same with the same fields. */
const WAYS: Readonly<Record<string, { peer: string; drain: (buffer: EventBuffer, size: number) => number }>> = {
  "scan, nothing read": { peer: "none", drain: (buffer) => buffer.scan(countOne) },
  "scan, integers by offset": { peer: "integers", drain: (buffer, size) => buffer.scan(INTEGERS_AT[size]!) },
  "each, integers by name": { peer: "integers", drain: (buffer, size) => buffer.each(INTEGERS[size]!) },
  "each, all fields by name": { peer: "all", drain: (buffer, size) => buffer.each(FIELDS[size]!) },
  "consume, objects of all fields": { peer: "all", drain: (buffer, size) => buffer.consume(FIELDS[size]!) },
};

function countOne(): void {
  sum[0]!++;
}

function addIntegers(e: BenchEvent): void {
  sum[0]! += e.pid + e.cpu + e.ret + e.flags + (e.ts < e.seq ? 1 : 0);
}

function addIntegersAt(v: DataView, at: number): void {
  sum[0]! += v.getUint32(at + 8, true) + v.getUint32(at + 12, true) + v.getInt32(at + 24, true) +
    v.getUint32(at + 28, true) + below(v, at, at + 16);
}

function early(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) === 0 && view.getUint32(at, true) < 5 ? 1 : 0;
}

/** Compares 64-bit integers by halves: JavaScriptCore allocates a BigInt for each that is read whole. */
function below(view: DataView, a: number, b: number): number {
  const highA = view.getUint32(a + 4, true);
  const highB = view.getUint32(b + 4, true);
  return highA < highB || (highA === highB && view.getUint32(a, true) < view.getUint32(b, true)) ? 1 : 0;
}

/** Runs all ways for all sizes, or, as a child, the one that the arguments name. */
export async function benchEvents(script: string, peer: string, make: MakeSubject): Promise<void> {
  const [size, way, dir] = process.argv.slice(2);
  if (size !== undefined && way !== undefined && dir !== undefined) return await runOne(+size, way, dir, make);
  const built = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    buildPeers(peer, built);
    console.log(`runtime ${"Deno" in globalThis ? "deno" : "bun"}; ns of CPU per event, best of ${ROUNDS} rounds`);
    const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : ["run"];
    for (const bytes of Object.keys(SCHEMAS)) {
      for (const name of Object.keys(WAYS)) {
        const args = [...flags, fileURLToPath(script), bytes, name, built];
        execFileSync(process.execPath, args, { stdio: "inherit" });
      }
    }
  } finally {
    rmSync(built, { recursive: true });
  }
}

async function runOne(size: number, name: string, dir: string, make: MakeSubject): Promise<void> {
  const way = WAYS[name]!;
  using program = new Filled(make(size, SCHEMAS[size]!));
  using forC = new Filled(make(size, SCHEMAS[size]!));
  using forGo = new Filled(make(size, SCHEMAS[size]!));
  using buffer = program.subject.open();
  const c = startPeer(dir, "c", forC.arguments(size, way.peer))!;
  const go = startPeer(dir, "go", forGo.arguments(size, way.peer));
  const best = { ours: Infinity, c: Infinity, go: Infinity, fill: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    program.fill();
    best.ours = Math.min(best.ours, measure(program.subject.fill, () => way.drain(buffer, size)));
    const [drained = NaN, filled = NaN] = await c.round();
    best.c = Math.min(best.c, drained);
    best.fill = Math.min(best.fill, filled);
    if (go !== undefined) best.go = Math.min(best.go, (await go.round())[0]!);
  }
  c.end();
  go?.end();
  report(size, name, way.peer, best);
}

type Best = Readonly<Record<"ours" | "c" | "go" | "fill", number>>;

function report(size: number, name: string, peer: string, { ours, c, go, fill }: Best): void {
  console.log(
    `${String(size).padStart(3)} B  ${name.padEnd(30)} ${ours.toFixed(1).padStart(6)}  C (${peer}) ` +
      `${c.toFixed(1).padStart(5)}  drain ${(c / ours).toFixed(2)}  with the program (${fill.toFixed(0)} ns) ` +
      `${((c + fill) / (ours + fill)).toFixed(2)}${go === Infinity ? "" : `  Go ${(go / ours).toFixed(1)}`}`,
  );
}

/** A buffer and the program that fills it. */
class Filled implements Disposable {
  readonly subject: Subject;
  readonly #program: Fd;

  constructor(subject: Subject) {
    this.subject = subject;
    const { insns } = subject;
    this.#program = progLoad({ prog_type: BPF_PROG_TYPE_SCHED_CLS, insns, license: "GPL", prog_name: "bench" });
  }

  fill(): void {
    progTestRun(this.#program.number, { data: new Uint8Array(64), repeat: this.subject.fill });
  }

  /** What a peer has to know. */
  arguments(size: number, way: string): (string | number)[] {
    return [this.subject.mapId, progInfo(this.#program.number).id, this.subject.fill, size, way];
  }

  [Symbol.dispose](): void {
    this.#program.close();
  }
}

/** ns of CPU per event, all threads. */
function measure(events: number, drain: () => number): number {
  const start = process.cpuUsage();
  const count = drain();
  const { user, system } = process.cpuUsage(start);
  if (count !== events) throw new Error(`drained ${count} of ${events}`);
  return ((user + system) * 1000) / count;
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
