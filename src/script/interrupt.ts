/** Ending a script: a signal that is aborted by Ctrl-C, and a pause that such a signal cuts short. */
import { onSignal } from "../syscall/signals.ts";

/** When else to stop. */
export interface InterruptOptions {
  /** Stop after so many seconds; 0 stops at once, `Infinity` (the default) never. */
  seconds?: number;
  /** Stop when this signal is aborted. */
  signal?: AbortSignal;
}

/** The longest delay that timers take: 2^31 - 1 ms, 24 days. */
const LONGEST_DELAY = 2 ** 31 - 1;

/**
 * A signal that is aborted by SIGINT (Ctrl-C) or SIGTERM, and after `seconds` if given. The loops of waggle end
 * cleanly on it, so the lines after them run, and `using` gives back what was attached. A second Ctrl-C ends the
 * process the ordinary way.
 *
 * @example
 * ```ts
 * import { interrupted, pause } from "@waggle/waggle";
 *
 * const stop = interrupted({ seconds: 0.01 });
 * while (await pause(0.001, stop)) { // until Ctrl-C, or 10 ms have gone
 * }
 * ```
 */
export function interrupted(options: InterruptOptions = {}): AbortSignal {
  const { seconds = Infinity, signal } = options;
  if (typeof seconds !== "number" || Number.isNaN(seconds) || seconds < 0) {
    throw new RangeError(`Cannot stop after ${seconds} seconds: takes a number from 0`);
  }
  const controller = new AbortController();
  const undo: (() => void)[] = [];
  const stop = () => {
    for (const f of undo.splice(0)) f();
    controller.abort();
  };
  undo.push(onSignal("SIGINT", stop), onSignal("SIGTERM", stop));
  if (seconds * 1000 <= LONGEST_DELAY) {
    const timer = setTimeout(stop, seconds * 1000);
    undo.push(() => clearTimeout(timer));
  }
  if (signal?.aborted === true) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return controller.signal;
}

/**
 * Waits for so many seconds. Resolves to true when they have gone, to false at once when `signal` is aborted: made
 * for `while (await pause(1, stop))`.
 *
 * @example
 * ```ts run
 * import { pause } from "@waggle/waggle";
 *
 * if (!(await pause(0.001))) throw new Error("nothing cut the pause short");
 * if (await pause(10, AbortSignal.abort())) throw new Error("the pause was cut short");
 * ```
 */
export function pause(seconds: number, signal?: AbortSignal): Promise<boolean> {
  if (typeof seconds !== "number" || !(seconds >= 0) || seconds * 1000 > LONGEST_DELAY) {
    throw new RangeError(`Cannot pause for ${seconds} seconds: takes a number from 0 to ${LONGEST_DELAY / 1000}`);
  }
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false);
    const abort = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve(true);
    }, seconds * 1000);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
