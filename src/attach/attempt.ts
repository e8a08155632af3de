/** What every attacher needs: links with good errors, fallbacks, and a tidy end when a step fails. */
import { SyscallError } from "../errors.ts";
import { type BpfInput, bpfTry, checkBpf } from "../syscall/bpf.ts";
import { Fd } from "../syscall/fd.ts";
import { errnoName } from "../syscall/libc.ts";
import type { AttachableProgram } from "./types.ts";

/** The action of an error's message: `attach program "x" to kprobe "y"`. */
export function attachAction(prog: AttachableProgram, what: string): string {
  return `attach program "${prog.name}" to ${what}`;
}

/** BPF_LINK_CREATE; returns the link or `-errno`. */
export function tryLink(attr: BpfInput<"BPF_LINK_CREATE">): Fd | number {
  const result = bpfTry("BPF_LINK_CREATE", attr);
  return result < 0 ? result : new Fd(result);
}

/** BPF_LINK_CREATE. Throws `SyscallError`. */
export function createLink(
  prog: AttachableProgram,
  what: string,
  attr: BpfInput<"BPF_LINK_CREATE">,
  hint?: (errno: number) => string | undefined,
): Fd {
  const link = tryLink({ prog_fd: prog.fd, ...attr });
  if (typeof link !== "number") return link;
  return linkError(prog, what, link, hint?.(-link));
}

/** Throws the error of a BPF_LINK_CREATE that returned `result`. */
export function linkError(prog: AttachableProgram, what: string, result: number, hint?: string): never {
  checkBpf(result, "BPF_LINK_CREATE", attachAction(prog, what), hint);
  throw new TypeError(`Cannot ${attachAction(prog, what)}: ${errnoName(result)}`);
}

/** The errno of an error, 0 if it is no failed call. */
export function errnoOf(error: unknown): number {
  return error instanceof SyscallError ? error.errno : 0;
}

/** Runs `make` for every item; closes what was made when one throws. */
export function makeAll<T, R extends { close(): void }>(items: Iterable<T>, make: (item: T) => R): R[] {
  const made: R[] = [];
  try {
    for (const item of items) made.push(make(item));
    return made;
  } catch (error) {
    for (const one of made) one.close();
    throw error;
  }
}

/** A required option that neither the options nor the section name give. */
export function missing(prog: AttachableProgram, option: string, example: string): never {
  throw new TypeError(
    `Cannot attach program "${prog.name}": section "${prog.sectionName}" does not say where, and option "${option}" ` +
      `is missing, for example ${example}`,
  );
}
