/**
 * The CPUs of the machine. Per-CPU map values have one slot per *possible* CPU, also for those that are offline or
 * not plugged in; perf events open on *online* ones.
 */
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";
import { readText } from "../syscall/files.ts";
import { FormatError } from "../errors.ts";

const counts: WeakMap<Runtime, number> = new WeakMap();

/** How many CPUs the kernel can have while it runs: constant, from /sys/devices/system/cpu/possible. */
export function possibleCpus(): number {
  const rt = runtime();
  let count = counts.get(rt);
  if (count === undefined) {
    // The kernel numbers possible CPUs without gaps on both machines; per-CPU values follow the numbers anyway.
    count = Math.max(...parseCpuList(readText("/sys/devices/system/cpu/possible"))) + 1;
    counts.set(rt, count);
  }
  return count;
}

/** The numbers of the CPUs that run now. */
export function onlineCpus(): number[] {
  return parseCpuList(readText("/sys/devices/system/cpu/online"));
}

/** Parses a list such as `0-3,8,10-11`. Throws `FormatError`. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(",")) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (match === null) throw new FormatError("CPU list", `cannot parse ${JSON.stringify(part)}`);
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}
