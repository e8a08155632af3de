/**
 * Map operations against libbpf in C, in the same run and on the same maps: CPU nanoseconds per element of a hash map
 * of 100 000 entries (u32 to u64), and of one whose values are structs of four fields, which are decoded to objects here
 * and added up in C. "No batch" reads key by key on both sides. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/deno run -A bench/maps.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SYSCALLS } from "../src/abi/arch.ts";
import { BPF_MAP_LOOKUP_BATCH } from "../src/abi/bpf.gen.ts";
import { EINVAL } from "../src/abi/errno.gen.ts";
import { u32, u64 } from "../src/bytes/scalars.ts";
import { possibleCpus } from "../src/kernel/cpus.ts";
import { createMap } from "../src/maps/create.ts";
import { openMap } from "../src/maps/open.ts";
import { buildPeers, startPeer } from "./peers.ts";
import { type Runtime, runtime, withRuntime } from "../src/syscall/runtime/mod.ts";

const ENTRIES = 100_000;
const ROUNDS = Number(process.argv[2] ?? 16);

using map = createMap({ type: "hash", key: u32, value: u64, maxEntries: ENTRIES, name: "bench" });
using perCpu = createMap({ type: "percpu_array", value: u64, maxEntries: ENTRIES / 10, name: "bench_percpu" });
using structs = createMap({
  type: "hash",
  key: u32,
  value: { packets: u64, bytes: u64, last: u32, flags: u32 },
  maxEntries: ENTRIES,
  name: "bench_structs",
});
/** A handle of its own: a map remembers that the kernel has no batches. */
using structsSingle = openMap({ fd: structs.fd }) as unknown as typeof structs;
map.setAll(pairs());
structs.setAll(
  Array.from(pairs(), ([key, value]) => [key, { packets: value, bytes: value, last: key, flags: 1 }] as const),
);

/** Keeps the loops' results in use. */
const sink = { total: 0 };
/** A name, the number of C's test (peer/maps.c), elements, and what is done here. */
const rows: readonly [name: string, c: number, elements: number, run: () => void][] = [
  ["lookup", 0, ENTRIES, lookAll],
  ["update", 1, ENTRIES, updateAll],
  ["whole map, for..of (C: get_next_key)", 2, ENTRIES, () => {
    let total = 0;
    for (const [key] of map) total += key;
    sink.total += total;
  }],
  ["whole map, forEach (C: batch)", 3, ENTRIES, () => {
    let total = 0;
    map.forEach((_value, key) => void (total += key));
    sink.total += total;
  }],
  ["setAll (C: batch)", 4, ENTRIES, () => void map.setAll(pairs())],
  ["per-CPU sum", 5, ENTRIES / 10, () => {
    let total = 0;
    for (let key = 0; key < ENTRIES / 10; key++) if (perCpu.sum(key) === 0n) total++;
    sink.total += total;
  }],
  ["structs decoded, for..of (C: no batch)", 6, ENTRIES, () => addAll(structs)],
  ["structs decoded, for..of (C: batch)", 7, ENTRIES, () => addAll(structs)],
  ["structs decoded, no batch (C: no batch)", 6, ENTRIES, () => withoutBatch(() => addAll(structsSingle))],
];

console.log(
  `runtime ${"Deno" in globalThis ? "deno" : "bun"}, ns of CPU per element, best of ${ROUNDS} rounds in turns`,
);
const built = mkdtempSync(join(tmpdir(), "waggle-bench-"));
try {
  buildPeers("maps", built);
  const c = startPeer(built, "c", [map.id, perCpu.id, structs.id, ENTRIES, possibleCpus()])!;
  for (const [name, test, elements, run] of rows) {
    const best = { ours: Infinity, c: Infinity };
    for (let round = 0; round < ROUNDS; round++) {
      best.ours = Math.min(best.ours, measure(elements, run));
      best.c = Math.min(best.c, (await c.round(test))[0]!);
    }
    console.log(
      `${name.padEnd(40)} ${best.ours.toFixed(1).padStart(7)}  C ${best.c.toFixed(1).padStart(7)}  ` +
        `ratio ${(best.c / best.ours).toFixed(2)}`,
    );
  }
  c.end();
} finally {
  rmSync(built, { recursive: true });
}
if (sink.total === 0) throw new Error("nothing was read");

function lookAll(): void {
  let total = 0;
  for (let key = 0; key < ENTRIES; key++) if (map.get(key) !== undefined) total++;
  sink.total += total;
}

function updateAll(): void {
  for (let key = 0; key < ENTRIES; key++) map.set(key, BigInt(key));
}

function addAll(map: Iterable<[number, { packets: bigint; last: number; flags: number }]>): void {
  let total = 0;
  for (const [key, { packets, last, flags }] of map) total += key + last + flags + (packets > 5n ? 1 : 0);
  sink.total += total;
}

/** As on a kernel without batch commands: the command is refused before it reaches the kernel. */
function withoutBatch(run: () => void): void {
  const real = runtime();
  const nr = SYSCALLS[real.arch].bpf;
  const batches = [BPF_MAP_LOOKUP_BATCH];
  const old: Runtime = Object.create(real, {
    syscall: {
      value: (number: number, command: number, ...rest: number[]) =>
        number === nr && batches.includes(command) ? -EINVAL : real.syscall(number, command, ...rest),
    },
  });
  withRuntime(old, run);
}

function* pairs(): Generator<[number, bigint]> {
  for (let key = 0; key < ENTRIES; key++) yield [key, BigInt(key)];
}

/** ns of CPU per element, all threads. */
function measure(count: number, run: () => void): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / count;
}
