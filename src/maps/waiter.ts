/**
 * One waiter for all ring and perf buffers of a process: one epoll set, one blocked thread. It waits only while somebody
 * reads, so an idle script makes no wake-ups at all and a script that stopped reading can end.
 */
import { EPOLLET, EPOLLIN } from "../abi/defines.ts";
import { Epoll, EventFd } from "../syscall/epoll.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";

const EPOLLONESHOT = 0x4000_0000;
const WAKE_TOKEN = 0xffff_ffff;

/**
 * How a descriptor tells that it is ready. "level": it is ready as long as there is data (BPF ring buffers); armed
 * anew for each wait, which asks the kernel again, so no wake-up between the last read and the wait is lost. "edge": it
 * is ready once per wake-up (perf events, whose poll() clears the mark, so that asking twice would lose it).
 */
export type WaitMode = "level" | "edge";

interface Entry {
  readonly fd: number;
  readonly source: WaitSource;
  /** EPOLLIN or EPOLLOUT. */
  readonly events: number;
  added: boolean;
  armed: boolean;
}

/** What a reader waits for: one descriptor, or one per CPU. */
export class WaitSource {
  readonly #waiter: Waiter;
  readonly mode: WaitMode;
  readonly #tokens: number[];
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #ready = false;
  #closed = false;

  /** For `Waiter`. */
  constructor(waiter: Waiter, fds: readonly number[], mode: WaitMode, events: number) {
    this.#waiter = waiter;
    this.mode = mode;
    this.#tokens = fds.map((fd) => waiter.add(fd, this, events));
  }

  /**
   * Resolves when a descriptor is ready, when `wake` is called, or after `timeoutMs`. Read before waiting: what was
   * there already does not count in edge mode.
   */
  wait(timeoutMs?: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#ready) {
      this.#ready = false;
      return Promise.resolve();
    }
    this.#promise ??= new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#waiter.start(this.#tokens);
    });
    if (timeoutMs === undefined) return this.#promise;
    const timer = setTimeout(() => this.wake(), timeoutMs);
    return this.#promise.finally(() => clearTimeout(timer));
  }

  /** Ends the open wait. */
  wake(): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    this.#promise = undefined;
    this.#waiter.finish();
    resolve();
  }

  /** For `Waiter`: waiting is not possible. */
  fail(error: unknown): void {
    if (this.#resolve === undefined) return;
    const reject = this.#reject;
    this.#resolve = undefined;
    this.#promise = undefined;
    this.#waiter.finish();
    reject?.(error);
  }

  /** For `Waiter`: a descriptor became ready. */
  signal(): void {
    if (this.#resolve === undefined) this.#ready = this.mode === "edge";
    else this.wake();
  }

  /** Ends the open wait and forgets the descriptors; to be called before they are closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.wake();
    for (const token of this.#tokens) this.#waiter.remove(token);
  }
}

/** The epoll set and its loop. */
export class Waiter {
  readonly #entries: Map<number, Entry> = new Map();
  #epoll: Epoll | undefined;
  #wakeUp: EventFd | undefined;
  #nextToken = 1;
  #waits = 0;
  #running = false;

  /** A source over descriptors that stay open until it is closed. */
  source(fds: readonly number[], mode: WaitMode, events: number = EPOLLIN): WaitSource {
    return new WaitSource(this, fds, mode, events);
  }

  /** For `WaitSource`. */
  add(fd: number, source: WaitSource, events: number): number {
    const token = this.#nextToken++;
    const entry: Entry = { fd, source, events, added: false, armed: false };
    this.#entries.set(token, entry);
    if (source.mode === "edge") this.#arm(entry, token);
    return token;
  }

  /** For `WaitSource`: a wait begins. */
  start(tokens: readonly number[]): void {
    for (const token of tokens) {
      const entry = this.#entries.get(token);
      if (entry !== undefined && !entry.armed) this.#arm(entry, token);
    }
    this.#waits++;
    if (!this.#running) void this.#run();
  }

  /** For `WaitSource`: a wait has ended. The blocked thread is called back when nobody waits any more. */
  finish(): void {
    this.#waits--;
    if (this.#waits === 0 && this.#running) this.#wakeUp?.signal();
  }

  /** For `WaitSource`. */
  remove(token: number): void {
    const entry = this.#entries.get(token);
    this.#entries.delete(token);
    if (entry?.added) this.#epoll?.remove(entry.fd);
    this.#closeIfIdle();
  }

  #arm(entry: Entry, token: number): void {
    const epoll = this.#epoll ??= this.#open();
    const events = entry.events | (entry.source.mode === "edge" ? EPOLLET : EPOLLONESHOT);
    if (entry.added) epoll.modify(entry.fd, token, events);
    else epoll.add(entry.fd, token, events);
    entry.added = true;
    entry.armed = true;
  }

  #open(): Epoll {
    const epoll = new Epoll();
    this.#wakeUp = new EventFd();
    epoll.add(this.#wakeUp.number, WAKE_TOKEN);
    return epoll;
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#waits > 0) {
        for (const token of await this.#epoll!.wait()) this.#deliver(token);
      }
    } catch (error) {
      this.#running = false; // nobody is blocked who would have to be called back
      for (const { source } of [...this.#entries.values()]) source.fail(error);
    } finally {
      this.#running = false;
      this.#closeIfIdle();
    }
  }

  #deliver(token: number): void {
    if (token === WAKE_TOKEN) {
      this.#wakeUp?.reset();
      return;
    }
    const entry = this.#entries.get(token);
    if (entry === undefined) return; // removed while the wait was under way
    if (entry.source.mode === "level") entry.armed = false;
    entry.source.signal();
  }

  #closeIfIdle(): void {
    if (this.#entries.size > 0 || this.#running) return;
    this.#epoll?.close();
    this.#wakeUp?.close();
    this.#epoll = undefined;
    this.#wakeUp = undefined;
  }
}

const waiters: WeakMap<Runtime, Waiter> = new WeakMap();

/** The process's waiter. */
export function waiter(): Waiter {
  const rt = runtime();
  let found = waiters.get(rt);
  if (found === undefined) waiters.set(rt, found = new Waiter());
  return found;
}
