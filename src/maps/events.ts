/**
 * Events of a buffer as an async iterable: shared by ring and perf buffers. Records are decoded in batches and queued,
 * so that a slow reader holds at most one batch, and the rest stays in the kernel's buffer, where it is counted.
 */
import { waiter, type WaitMode, type WaitSource } from "./waiter.ts";

/** Events taken from the kernel's buffer at once. */
const BATCH = 1024;

/** How long a reader may go on without giving timers and signals their turn. */
const TURN_MS = 25;

/** Pauses, in ms, while the oldest record is still being written: no wake-up is promised for it. */
const BUSY_PAUSES = [0, 1, 2, 5, 10, 25, 50, 100];

/** What the events come from. */
export interface EventOrigin<T> {
  /** Descriptors to wait for, and how they tell. */
  readonly fds: readonly number[];
  readonly mode: WaitMode;
  /** Appends at most `limit` decoded events to `out`; returns how many. */
  drain(out: T[], limit: number): number;
  /** Bytes are there that `drain` could not take yet. */
  busy(): boolean;
}

/** Options of reading events. */
export interface ReadOptions {
  /** Ends the loop without an error when it is aborted. Events not delivered stay for the next reader. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Look for events at least this often, in ms: for programs that write with BPF_RB_NO_WAKEUP, or perf buffers that
   * wake every n-th event. Without it the reader sleeps until the kernel wakes it.
   */
  readonly flushMs?: number | undefined;
}

/** Reads the events of one origin. */
export class EventReader<T> {
  readonly #origin: EventOrigin<T>;
  #source: WaitSource | undefined;
  #queue: T[] = [];
  #at = 0;
  #closed = false;
  #turnStart = 0;

  constructor(origin: EventOrigin<T>) {
    this.#origin = origin;
  }

  /** Events already taken from the kernel's buffer and not delivered. */
  get queued(): number {
    return this.#queue.length - this.#at;
  }

  /** The events, one by one. */
  read(options: ReadOptions = {}): AsyncIterableIterator<T> {
    return new EventIterator<T>(options, this.#wake, async (ended) => {
      while (!ended()) {
        if (this.#at < this.#queue.length) return { value: this.#queue[this.#at++]!, done: false };
        if (!await this.#fill(ended, options.flushMs)) break;
      }
      return { value: undefined, done: true };
    }, () => this.#at < this.#queue.length ? this.#queue[this.#at++] : undefined);
  }

  /** The events in arrays, each of all that were there, at most 1024. */
  batches(options: ReadOptions = {}): AsyncIterableIterator<T[]> {
    return new EventIterator<T[]>(options, this.#wake, async (ended) => {
      if (ended() || (this.queued === 0 && !await this.#fill(ended, options.flushMs))) {
        return { value: undefined, done: true };
      }
      return { value: this.#takeQueue(), done: false };
    });
  }

  /** The next event, or undefined when there was none within `timeoutMs`, or the buffer is closed. */
  async next(timeoutMs?: number): Promise<T | undefined> {
    const end = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    while (this.#at >= this.#queue.length) {
      const left = end - performance.now();
      const expired = () => performance.now() >= end;
      if (await this.#fill(expired, left === Infinity ? undefined : Math.max(0, left))) continue;
      // The last look: records without a wake-up may be there.
      if (this.#closed || !this.#drain()) return undefined;
    }
    return this.#queue[this.#at++];
  }

  /**
   * For synchronous readers: hands over what is queued, which comes before the kernel's buffer. Returns how many, and
   * whether the handler stopped.
   */
  consumeQueued(handler: (event: T) => boolean | void, limit: number): { count: number; stopped: boolean } {
    let count = 0;
    while (this.#at < this.#queue.length && count < limit) {
      count++;
      if (handler(this.#queue[this.#at++]!) === false) return { count, stopped: true };
    }
    return { count, stopped: count >= limit };
  }

  /** Ends all loops, after what they have queued. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source?.close();
  }

  readonly #wake = (): void => this.#source?.wake();

  #takeQueue(): T[] {
    const events = this.#at === 0 ? this.#queue : this.#queue.slice(this.#at);
    this.#queue = [];
    this.#at = 0;
    return events;
  }

  /** Fills the queue, waiting if need be; false if there will be nothing: closed or ended. */
  async #fill(ended: () => boolean, flushMs: number | undefined): Promise<boolean> {
    if (this.#closed) return false;
    // Before the first look: an edge source tells of wake-ups only that came after it was made.
    const source = this.#source ??= waiter().source(this.#origin.fds, this.#origin.mode);
    // A buffer that is never empty must not keep timers and signals waiting for ever.
    if (performance.now() - this.#turnStart > TURN_MS) await this.#pause(0);
    for (let pause = 0; !this.#closed && !ended();) {
      if (this.#drain()) return true;
      if (this.#origin.busy()) await this.#pause(BUSY_PAUSES[Math.min(pause++, BUSY_PAUSES.length - 1)]!);
      else await source.wait(flushMs);
      this.#turnStart = performance.now();
    }
    return false;
  }

  async #pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#turnStart = performance.now();
  }

  #drain(): boolean {
    if (this.#at >= this.#queue.length) {
      this.#queue = [];
      this.#at = 0;
    }
    return this.#origin.drain(this.#queue, BATCH) > 0;
  }
}

/** An iterator whose `next` waits, ended by `return`, by an abort signal, or by the end of the events. */
class EventIterator<T> implements AsyncIterableIterator<T> {
  readonly #next: (ended: () => boolean) => Promise<IteratorResult<T>>;
  readonly #quick: (() => T | undefined) | undefined;
  readonly #wake: () => void;
  readonly #signal: AbortSignal | undefined;
  #ended = false;

  constructor(
    options: ReadOptions,
    wake: () => void,
    next: (ended: () => boolean) => Promise<IteratorResult<T>>,
    quick?: () => T | undefined,
  ) {
    this.#next = next;
    this.#quick = quick;
    this.#wake = wake;
    this.#signal = options.signal;
    if (this.#signal?.aborted) this.#ended = true;
    else this.#signal?.addEventListener("abort", this.#end, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    // The queue's events without an async function's frame: four fifths of the cost of a loop.
    const value = this.#ended ? undefined : this.#quick?.();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    return this.#next(() => this.#ended);
  }

  return(): Promise<IteratorResult<T>> {
    this.#end();
    return Promise.resolve({ value: undefined, done: true });
  }

  readonly #end = (): void => {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#end);
    this.#wake();
  };
}
