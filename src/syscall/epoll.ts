/**
 * epoll(7) and eventfd(2): waiting for many descriptors at once, and being woken. Waiting goes through the runtime, so
 * that the event loop goes on meanwhile.
 */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
} from "../abi/defines.ts";
import { EINTR } from "../abi/errno.gen.ts";
import { Fd } from "./fd.ts";
import { arch, call, check } from "./libc.ts";
import { arena, type OwnedBlock, pool } from "./memory.ts";
import { runtime } from "./runtime/mod.ts";

/** A set of descriptors to wait for. `token` is what a wait returns for a ready one: an unsigned 32-bit integer. */
export class Epoll implements Disposable {
  readonly #fd: Fd;
  readonly #events: OwnedBlock;
  readonly #maxEvents: number;
  /** struct epoll_event is packed on x86-64 only: 12 bytes there, 16 elsewhere. */
  readonly #stride: number;
  readonly #dataOffset: number;
  #waiting = false;
  #closed = false;

  constructor(maxEvents = 64) {
    this.#fd = new Fd(check(call("epoll_create1", EPOLL_CLOEXEC), "epoll_create1", "Cannot create an epoll set"));
    this.#maxEvents = maxEvents;
    [this.#stride, this.#dataOffset] = arch() === "x86_64" ? [12, 4] : [16, 8];
    this.#events = pool().alloc(maxEvents * this.#stride);
  }

  /** Waits for `fd` from now on. */
  add(fd: number, token: number, events: number = EPOLLIN): void {
    this.#control(EPOLL_CTL_ADD, fd, token, events);
  }

  /** Changes what is waited for, and asks anew whether it is there: how a one-shot entry is armed again. */
  modify(fd: number, token: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, token, events);
  }

  /** Waits for `fd` no longer. Must come before `fd` is closed: another descriptor may keep its file open. */
  remove(fd: number): void {
    using scope = arena().scope();
    call("epoll_ctl", this.#fd.number, EPOLL_CTL_DEL, fd, scope.alloc(16).address);
  }

  /** The tokens that are ready now. */
  poll(): number[] {
    return this.#tokens(this.#check(
      call("epoll_pwait", this.#fd.number, this.#events.address, this.#maxEvents, 0),
    ));
  }

  /**
   * Resolves with the tokens that are ready, at least one unless `timeoutMs` passed (-1: no limit). Only one wait at a
   * time. A signal handler may make it return early with none.
   */
  async wait(timeoutMs = -1): Promise<number[]> {
    if (this.#waiting) throw new TypeError("Cannot wait for the epoll set: a wait is open already");
    this.#waiting = true;
    try {
      const rt = runtime();
      return this.#tokens(this.#check(
        await rt.epollWait(this.#fd.number, this.#events.address, this.#maxEvents, timeoutMs),
      ));
    } finally {
      this.#waiting = false;
      if (this.#closed) this.#free();
    }
  }

  /** Closes the set; the memory of a wait that is still open goes when the wait ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#waiting) this.#free();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #control(op: number, fd: number, token: number, events: number): void {
    using scope = arena().scope();
    const { address, view } = scope.alloc(16);
    view.setUint32(0, events >>> 0, true);
    view.setUint32(this.#dataOffset, token, true);
    check(call("epoll_ctl", this.#fd.number, op, fd, address), "epoll_ctl", "Cannot wait for the descriptor");
  }

  #free(): void {
    this.#events.close();
    this.#fd.close();
  }

  #check(count: number): number {
    return count === -EINTR ? 0 : check(count, "epoll_pwait", "Cannot wait for events");
  }

  #tokens(count: number): number[] {
    const tokens: number[] = [];
    for (let i = 0; i < count; i++) {
      tokens.push(this.#events.view.getUint32(i * this.#stride + this.#dataOffset, true));
    }
    return tokens;
  }
}

/** eventfd(2): a descriptor that becomes ready when `signal` is called. */
export class EventFd implements Disposable {
  readonly #fd: Fd;

  constructor() {
    this.#fd = new Fd(check(call("eventfd2", 0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd2", "Cannot create an eventfd"));
  }

  get number(): number {
    return this.#fd.number;
  }

  /** Makes it ready. */
  signal(): void {
    using scope = arena().scope();
    const { address, view } = scope.alloc(8);
    view.setUint32(0, 1, true);
    call("write", this.#fd.number, address, 8);
  }

  /** Makes it not ready. */
  reset(): void {
    using scope = arena().scope();
    call("read", this.#fd.number, scope.alloc(8).address, 8);
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
