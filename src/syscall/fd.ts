/**
 * Owned file descriptors: closed once, counted, never inherited by child processes, and never 0 to 2, so that a
 * program that closes its standard streams does not have maps written to.
 */
import { F_DUPFD_CLOEXEC } from "../abi/defines.ts";
import { call, check } from "./libc.ts";

let open = 0;

/** How many descriptors waggle holds open now; tests compare it before and after. */
export function openFdCount(): number {
  return open;
}

/**
 * A file descriptor that this object owns.
 *
 * @example
 * ```ts ignore
 * // ignored: shows the form only
 * using fd = new Fd(rawNumber);
 * use(fd.number);
 * ```
 */
export class Fd implements Disposable {
  #number: number;

  /** Takes ownership of an open descriptor that has CLOEXEC set. */
  constructor(number: number) {
    if (!Number.isInteger(number) || number < 0) throw new RangeError(`Cannot own file descriptor ${number}`);
    this.#number = number > 2 ? number : moveUp(number);
    open++;
  }

  /** Whether it is closed or taken. */
  get closed(): boolean {
    return this.#number < 0;
  }

  /** The number, to pass to calls. Throws `TypeError` once closed or taken. */
  get number(): number {
    if (this.#number < 0) throw new TypeError("Cannot use the file descriptor: it is closed");
    return this.#number;
  }

  /** Another descriptor of the same open file. */
  dup(): Fd {
    return new Fd(check(call("fcntl", this.number, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)", "Cannot duplicate"));
  }

  /** Gives up ownership: the caller closes the returned number. */
  take(): number {
    const number = this.number;
    this.#number = -1;
    open--;
    return number;
  }

  /** Closes it. A second call does nothing. */
  close(): void {
    if (this.#number < 0) return;
    const number = this.take();
    // Linux frees the number whatever close(2) returns; trying again could close someone else's file.
    call("close", number);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Owns a copy of a descriptor that belongs to someone else, who keeps the original. */
export function dupFd(number: number): Fd {
  return new Fd(
    check(
      call("fcntl", number, F_DUPFD_CLOEXEC, 3),
      "fcntl(F_DUPFD_CLOEXEC)",
      `Cannot duplicate file descriptor ${number}`,
    ),
  );
}

function moveUp(number: number): number {
  const moved = call("fcntl", number, F_DUPFD_CLOEXEC, 3);
  call("close", number);
  return check(moved, "fcntl(F_DUPFD_CLOEXEC)", `Cannot move file descriptor ${number}`);
}
