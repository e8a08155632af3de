/**
 * Takes back what lies in a network namespace, there: the thread may have moved to another one since it was made. Holds
 * the namespace open, so that it is still the one that was meant.
 */
import { CLONE_NEWNET } from "../abi/defines.ts";
import type { Fd } from "../syscall/fd.ts";
import { openFile, stat } from "../syscall/files.ts";
import { call, check } from "../syscall/libc.ts";

const OWN = "/proc/thread-self/ns/net";

/** An action in the network namespace that was current when this was made. */
export class NamespaceUndo {
  /** Closed by whoever holds this. */
  readonly namespace: Fd;
  readonly #inode: bigint;
  readonly #action: () => void;

  constructor(action: () => void) {
    this.namespace = openFile(OWN);
    this.#inode = stat(OWN).ino;
    this.#action = action;
  }

  /** Makes what is to be undone; closes the namespace if that throws. */
  closeUnless<T>(make: () => T): T {
    try {
      return make();
    } catch (error) {
      this.namespace.close();
      throw error;
    }
  }

  run(): void {
    if (stat(OWN).ino === this.#inode) return this.#action();
    using here = openFile(OWN);
    check(call("setns", this.namespace.number, CLONE_NEWNET), "setns", "Cannot enter the network namespace");
    try {
      this.#action();
    } finally {
      check(call("setns", here.number, CLONE_NEWNET), "setns", "Cannot return to the network namespace");
    }
  }
}
