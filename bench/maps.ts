/**
 * Map operations against libbpf in C, in the same run and on the same maps: CPU nanoseconds per element of a hash map
 * of 100 000 entries (u32 to u64), and of one whose values are structs of four fields, which are decoded to objects here
 * and added up in C. "No batch" reads key by key on both sides. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/deno run -A bench/maps.ts
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { SYSCALLS } from "../src/abi/arch.ts";
import { BPF_MAP_LOOKUP_BATCH } from "../src/abi/bpf.gen.ts";
import { EINVAL } from "../src/abi/errno.gen.ts";
import { u32, u64 } from "../src/bytes/scalars.ts";
import { possibleCpus } from "../src/kernel/cpus.ts";
import { createMap } from "../src/maps/create.ts";
import { type Runtime, runtime, withRuntime } from "../src/syscall/runtime/mod.ts";

const ENTRIES = 100_000;
const ROUNDS = Number(process.argv[2] ?? 8);

using map = createMap({ type: "hash", key: u32, value: u64, maxEntries: ENTRIES, name: "bench" });
using perCpu = createMap({ type: "percpu_array", value: u64, maxEntries: ENTRIES / 10, name: "bench_percpu" });
using structs = createMap({
  type: "hash",
  key: u32,
  value: { packets: u64, bytes: u64, last: u32, flags: u32 },
  maxEntries: ENTRIES,
  name: "bench_structs",
});
map.setAll(pairs());
structs.setAll(
  Array.from(pairs(), ([key, value]) => [key, { packets: value, bytes: value, last: key, flags: 1 }] as const),
);

const [lookup, update, iterate, batch, updateBatch, sums, structsSingle, structsBatch] = runPeer() as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
/** Keeps the loops' results in use. */
const sink = { total: 0 };
const rows: [name: string, ours: number, c: number][] = [
  [
    "lookup",
    measure(ENTRIES, () => {
      let total = 0;
      for (let key = 0; key < ENTRIES; key++) if (map.get(key) !== undefined) total++;
      sink.total += total;
    }),
    lookup,
  ],
  [
    "update",
    measure(ENTRIES, () => {
      for (let key = 0; key < ENTRIES; key++) map.set(key, BigInt(key));
    }),
    update,
  ],
  [
    "whole map, for..of (C: get_next_key)",
    measure(ENTRIES, () => {
      let total = 0;
      for (const [key] of map) total += key;
      sink.total += total;
    }),
    iterate,
  ],
  [
    "whole map, forEach (C: batch)",
    measure(ENTRIES, () => {
      let total = 0;
      map.forEach((_value, key) => void (total += key));
      sink.total += total;
    }),
    batch,
  ],
  ["setAll (C: batch)", measure(ENTRIES, () => void map.setAll(pairs())), updateBatch],
  [
    "per-CPU sum",
    measure(ENTRIES / 10, () => {
      let total = 0;
      for (let key = 0; key < ENTRIES / 10; key++) if (perCpu.sum(key) === 0n) total++;
      sink.total += total;
    }),
    sums,
  ],
  ["structs decoded, for..of (C: no batch)", measure(ENTRIES, () => addAll(structs)), structsSingle],
  ["structs decoded, for..of (C: batch)", measure(ENTRIES, () => addAll(structs)), structsBatch],
  [
    "structs decoded, no batch (C: no batch)",
    withoutBatch(() => measure(ENTRIES, () => addAll(structs))),
    structsSingle,
  ],
];
if (sink.total === 0) throw new Error("nothing was read");
console.log(`runtime ${"Deno" in globalThis ? "deno" : "bun"}, ns per element`);
for (const [name, ours, c] of rows) {
  console.log(
    `${name.padEnd(40)} ${ours.toFixed(1).padStart(7)}  C ${c.toFixed(1).padStart(7)}  ratio ${(c / ours).toFixed(2)}`,
  );
}

function addAll(map: Iterable<[number, { packets: bigint; last: number; flags: number }]>): void {
  let total = 0;
  for (const [key, { packets, last, flags }] of map) total += key + last + flags + (packets > 5n ? 1 : 0);
  sink.total += total;
}

/** As on a kernel without batch commands: the command is refused before it reaches the kernel. */
function withoutBatch(run: () => number): number {
  const real = runtime();
  const nr = SYSCALLS[real.arch].bpf;
  const batches = [BPF_MAP_LOOKUP_BATCH];
  const old: Runtime = Object.create(real, {
    syscall: {
      value: (number: number, command: number, ...rest: number[]) =>
        number === nr && batches.includes(command) ? -EINVAL : real.syscall(number, command, ...rest),
    },
  });
  return withRuntime(old, run);
}

function* pairs(): Generator<[number, bigint]> {
  for (let key = 0; key < ENTRIES; key++) yield [key, BigInt(key)];
}

/** The best of the rounds: ns of CPU per element, all threads. */
function measure(count: number, run: () => void): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, ((user + system) * 1000) / count);
  }
  return best;
}

function runPeer(): number[] {
  const dir = mkdtempSync(join(tmpdir(), "waggle-bench-"));
  try {
    const source = fileURLToPath(new URL("./peer/maps.c", import.meta.url));
    execFileSync("cc", ["-O2", source, "-o", join(dir, "peer"), "-lbpf"]);
    const args = [map.id, perCpu.id, structs.id, ENTRIES, possibleCpus(), ROUNDS].map(String);
    return execFileSync(join(dir, "peer"), args, { encoding: "utf8" }).trim().split("\n").map(Number);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
