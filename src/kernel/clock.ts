/** From the kernel's clocks, which count nanoseconds since the machine started, to times of day. */
import { boottimeNs, monotonicNs, realtimeNs } from "../syscall/process.ts";

/**
 * The time of a timestamp that a program took: `bpf_ktime_get_ns()` ("monotonic", the default, which stands still while
 * the machine sleeps) or `bpf_ktime_get_boot_ns()` ("boottime"). Exact to a millisecond, as `Date` is; if the clock was
 * set since, by today's setting.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * for await (const event of ring) console.log(kernelTime(event.ts).toISOString(), event.comm);
 * ```
 */
export function kernelTime(ns: bigint, clock: "monotonic" | "boottime" = "monotonic"): Date {
  const read = clock === "monotonic" ? monotonicNs : boottimeNs;
  return new Date(Number((sinceEpoch(read) + ns) / 1_000_000n));
}

/** The time of day at which the clock was 0: of a few tries the one that the scheduler interrupted least. */
function sinceEpoch(read: () => bigint): bigint {
  let best = { spread: 1n << 62n, epoch: 0n };
  for (let tries = 0; tries < 3; tries++) {
    const [before, day, after] = [read(), realtimeNs(), read()];
    const spread = after - before;
    if (spread < best.spread) best = { spread, epoch: day - before - spread / 2n };
  }
  return best.epoch;
}
