/**
 * Picks the runtime on first use. Importing it does nothing, so waggle can be imported on any system; the first call
 * on a system without BPF throws `NotSupportedError`.
 */
import { SYSCALLS } from "../../abi/arch.ts";
import { NotSupportedError } from "../../errors.ts";
import { bunRuntime } from "./bun.ts";
import { denoRuntime } from "./deno.ts";
import type { Runtime } from "./types.ts";

export type { CommandResult, Host, Runtime } from "./types.ts";

let current: Runtime | undefined;

/** The runtime in use. Throws `NotSupportedError` where it is neither Deno nor Bun. */
export function runtime(): Runtime {
  return current ??= detect();
}

/** Replaces the runtime, for tests; returns the one before (undefined: detected on the next use). */
export function setRuntime(replacement: Runtime | undefined): Runtime | undefined {
  const before = current;
  current = replacement;
  return before;
}

/** Runs `fn` with another runtime and restores the one before, also after a promise that `fn` returns. */
export function withRuntime<T>(replacement: Runtime, fn: () => T): T {
  const before = setRuntime(replacement);
  let result: T;
  try {
    result = fn();
  } catch (error) {
    setRuntime(before);
    throw error;
  }
  if (!(result instanceof Promise)) {
    setRuntime(before);
    return result;
  }
  return result.finally(() => setRuntime(before)) as T;
}

function detect(): Runtime {
  const epollPwait = (arch: Runtime["arch"]): number => SYSCALLS[arch].epoll_pwait;
  if ("Deno" in globalThis) return denoRuntime(epollPwait);
  if ("Bun" in globalThis) return bunRuntime(epollPwait);
  throw new NotSupportedError("this JavaScript runtime", { hint: "run the script with Deno or with Bun" });
}
