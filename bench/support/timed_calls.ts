/**
 * Tells time in system calls from time in user code. Replaces the runtime's `syscall` by one that reads the thread's
 * CPU clock before and after; the rest of the process's CPU time, all threads of it, is user code.
 */
import { SYSCALLS } from "../../src/abi/arch.ts";
import { Mapping } from "../../src/syscall/memory.ts";
import { type Runtime, runtime, setRuntime } from "../../src/syscall/runtime/mod.ts";

const CLOCK_PROCESS_CPUTIME_ID = 2;
const CLOCK_THREAD_CPUTIME_ID = 3;
/** clock_gettime(2) on x86-64 and arm64. */
const CLOCK_GETTIME = { x86_64: 228, aarch64: 113 } as const;
const CALIBRATION = 20000;

/** In force from construction to disposal. */
export class TimedCalls implements Disposable {
  readonly #before: Runtime;
  readonly #memory: Mapping;
  readonly #words: Int32Array;
  readonly #clockGettime: number;
  /** Microseconds that timing costs outside of the timed part, by call. */
  readonly #cost: number;
  #kernel = 0;
  #calls = 0;

  constructor() {
    const before = this.#before = runtime();
    this.#memory = Mapping.anonymous(4096);
    this.#words = new Int32Array(this.#memory.buffer);
    this.#clockGettime = CLOCK_GETTIME[before.arch];
    const timed = <T extends Runtime["syscall"]>(call: T): Runtime["syscall"] => (nr, a, b, c, d, e, f) => {
      const start = this.#now(CLOCK_THREAD_CPUTIME_ID);
      const result = call.call(before, nr, a, b, c, d, e, f);
      this.#kernel += this.#now(CLOCK_THREAD_CPUTIME_ID) - start;
      this.#calls++;
      return result;
    };
    setRuntime(Object.create(before, {
      syscall: { value: timed(before.syscall) },
      syscall64: { value: timed(before.syscall64) },
    }) as Runtime);
    this.#cost = this.#calibrate();
  }

  /** CPU microseconds of `fn`. */
  measure(fn: () => void): { user: number; kernel: number } {
    [this.#kernel, this.#calls] = [0, 0];
    const start = this.#now(CLOCK_PROCESS_CPUTIME_ID);
    fn();
    const total = this.#now(CLOCK_PROCESS_CPUTIME_ID) - start;
    return { user: total - this.#kernel - this.#calls * this.#cost, kernel: this.#kernel };
  }

  [Symbol.dispose](): void {
    setRuntime(this.#before);
    this.#memory.close();
  }

  #calibrate(): number {
    const { close } = SYSCALLS[this.#before.arch];
    const loop = (): void => {
      for (let i = 0; i < CALIBRATION; i++) runtime().syscall(close, 0x7fff_ffff);
    };
    loop(); // Until it is compiled.
    [this.#kernel, this.#calls] = [0, 0];
    const start = this.#now(CLOCK_PROCESS_CPUTIME_ID);
    loop();
    return (this.#now(CLOCK_PROCESS_CPUTIME_ID) - start - this.#kernel) / CALIBRATION;
  }

  #now(clock: number): number {
    this.#before.syscall(this.#clockGettime, clock, this.#memory.address);
    return this.#words[0]! * 1e6 + this.#words[2]! / 1e3;
  }
}
