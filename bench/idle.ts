/**
 * What a script that waits for events costs: wake-ups (voluntary context switches of all threads) in a minute, against an
 * empty script of the same runtime beside it at the same time. Both settle first: Bun collects garbage once a second until
 * its heap was the same 30 times, then every 30 seconds (its GC timer, BUN_GC_TIMER_INTERVAL). Ends with status 1 if
 * waggle's script wakes up more often than the empty one, beyond the few of chance. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/bun bench/idle.ts [seconds to settle] [seconds to measure]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { u64 } from "../src/bytes/scalars.ts";
import { createMap } from "../src/maps/create.ts";
import { fileURLToPath } from "node:url";

/** Wake-ups that two equal scripts differ by: timers of the runtime that fall into the time of one and not the other. */
const CHANCE = 4;

if (process.argv[2] === "wait") {
  using ring = createMap({ type: "ringbuf", value: { seq: u64 }, maxEntries: 1 << 16, name: "idle" });
  for await (const event of ring) console.log(event);
} else if (process.argv[2] === "empty") {
  await new Promise(() => setTimeout(() => {}, 2 ** 30));
} else {
  await compare(Number(process.argv[2] ?? 45), Number(process.argv[3] ?? 60));
}

async function compare(settle: number, seconds: number): Promise<void> {
  const [empty, waiting] = [start("empty"), start("wait")];
  try {
    await sleep(settle * 1000);
    const before = [switches(empty), switches(waiting)];
    await sleep(seconds * 1000);
    const after = [switches(empty), switches(waiting)];
    const rows = before.map((counts, i) => difference(counts, after[i]!));
    const totals = rows.map((row) => [...row.values()].reduce((sum, count) => sum + count, 0));
    for (const [i, name] of ["empty script", "waggle waiting"].entries()) {
      const minute = (totals[i]! * 60) / seconds;
      const threads = [...rows[i]!].map(([thread, count]) => `${thread} ${count}`).join(", ");
      console.log(`${name.padEnd(16)} ${minute.toFixed(1)} wake-ups a minute  (in ${seconds} s: ${threads || "none"})`);
    }
    if (totals[1]! > totals[0]! + CHANCE) process.exitCode = 1;
  } finally {
    empty.kill("SIGKILL");
    waiting.kill("SIGKILL");
  }
}

function start(what: string): ChildProcess {
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : ["run"];
  const args = [...flags, fileURLToPath(import.meta.url), what];
  return spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
}

/** Thread → its name and voluntary context switches. Fails if the script has ended. */
function switches({ pid }: ChildProcess): Map<string, readonly [name: string, count: number]> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((task) => {
      const text = readFileSync(`/proc/${pid}/task/${task}/status`, "utf8");
      const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)![1]!;
      return [task, [field("Name"), Number(field("voluntary_ctxt_switches"))]];
    }),
  );
}

/** Name of a thread → how many more. */
function difference(before: ReturnType<typeof switches>, after: ReturnType<typeof switches>): Map<string, number> {
  const more = new Map<string, number>();
  for (const [task, [name, count]] of after) {
    const added = count - (before.get(task)?.[1] ?? 0);
    if (added > 0) more.set(name, (more.get(name) ?? 0) + added);
  }
  return more;
}
