/** System calls by number and name, for the machine the script runs on. */
import { SYSCALL_NAMES } from "../abi/syscalls.gen.ts";
import { runtime } from "../syscall/runtime/mod.ts";

/**
 * The name of a system call, for example `openat` for 257 on x86-64; undefined for a number without one. Knows the
 * calls of Linux 7.3.
 *
 * @example
 * ```ts run
 * import { systemCallName, systemCallNumber } from "@waggle/waggle";
 *
 * const number = systemCallNumber("openat")!;
 * if (systemCallName(number) !== "openat") throw new Error("the tables disagree");
 * ```
 */
export function systemCallName(number: number): string | undefined {
  return namesByNumber()[number] || undefined;
}

/**
 * The number of a system call on this machine; undefined for a name it does not have.
 *
 * @example
 * ```ts run
 * import { systemCallNumber } from "@waggle/waggle";
 *
 * if (systemCallNumber("no_such_call") !== undefined) throw new Error("there is no such call");
 * ```
 */
export function systemCallNumber(name: string): number | undefined {
  const number = name === "" ? -1 : namesByNumber().indexOf(name);
  return number < 0 ? undefined : number;
}

let cached: readonly string[] | undefined;

function namesByNumber(): readonly string[] {
  cached ??= SYSCALL_NAMES[runtime().arch].split(" ");
  return cached;
}
