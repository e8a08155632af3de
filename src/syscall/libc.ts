/**
 * System calls by name, and the one policy for their errors: EINTR is retried (except for `close`, which has closed),
 * EAGAIN is the caller's, everything else becomes a `SyscallError` with a hint where one is known (hints.ts).
 */
import { type Arch, type SyscallName, SYSCALLS } from "../abi/arch.ts";
import { EINTR, ERRNO_NAMES } from "../abi/errno.gen.ts";
import { SyscallError } from "../errors.ts";
import { hintFor } from "./hints.ts";
import { runtime } from "./runtime/mod.ts";

/** Arguments of a system call: integers and addresses. */
export type SyscallArgs = [a?: number, b?: number, c?: number, d?: number, e?: number, f?: number];

/** The machine waggle runs on. Throws `NotSupportedError` where there is none it knows. */
export function arch(): Arch {
  return runtime().arch;
}

/** A system call whose result fits 32 bits; returns it, or `-errno`. EINTR is retried. */
export function call(name: SyscallName, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const rt = runtime();
  const nr = SYSCALLS[rt.arch][name];
  for (;;) {
    const result = rt.syscall(nr, a, b, c, d, e, f);
    if (result !== -EINTR || name === "close") return result;
  }
}

/** A system call whose result is an address or a 64-bit size; returns it, or `-errno`. */
export function call64(name: SyscallName, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const rt = runtime();
  return rt.syscall64(SYSCALLS[rt.arch][name], a, b, c, d, e, f);
}

/** The name of an errno given as a positive or negative number: `EPERM`, or `errno 999` for an unknown one. */
export function errnoName(errno: number): string {
  const positive = Math.abs(errno);
  return ERRNO_NAMES[positive] ?? `errno ${positive}`;
}

/**
 * Returns `result` if it is no error, and throws a `SyscallError` otherwise.
 *
 * `message` says what could not be done ("Cannot open \"/dev/x\"") and may be a function where building it costs;
 * `hint` replaces the one that hints.ts has for this call and errno.
 */
export function check(result: number, callName: string, message: string | (() => string), hint?: string): number {
  if (result < 0) throw syscallError(result, callName, typeof message === "string" ? message : message(), hint);
  return result;
}

/** The error that `check` throws. `errno` may be negative. */
export function syscallError(errno: number, callName: string, message: string, hint?: string): SyscallError {
  const positive = Math.abs(errno);
  return new SyscallError(message, {
    call: callName,
    errno: positive,
    errnoName: errnoName(positive),
    hint: hint ?? hintFor(callName, positive),
  });
}
