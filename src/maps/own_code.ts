/**
 * Loops of one's own. Engines note for each place in the code what is called from there, and inline it while it is always
 * the same. A loop that all buffers share calls many visitors, and each call costs 2 to 4 ns, as much as walking a record
 * (bench/ringbuf.ts). A copy of the loop's source is other code with places of its own.
 */

/** Records after which making a copy (about 0.1 ms) pays. */
const WARM = 500;

/** A function that is replaced by a copy of its own after enough use. `fn` uses its parameters and nothing else. */
export class OwnCode<F extends (...args: never[]) => unknown> {
  /** Take it anew for each loop: it changes. */
  code: F;
  #count = 0;

  constructor(fn: F) {
    this.code = fn;
  }

  /** Tells for how many records it was used. */
  warm(count: number): void {
    if (this.#count >= WARM) return;
    this.#count += count;
    if (this.#count >= WARM) this.code = copyOf(this.code);
  }
}

function copyOf<F extends (...args: never[]) => unknown>(fn: F): F {
  try {
    return new Function(`return ${fn.toString()};`)() as F;
  } catch (error) {
    if (error instanceof EvalError) return fn; // code generation may be forbidden
    throw error;
  }
}
