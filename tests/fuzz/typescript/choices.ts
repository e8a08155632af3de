/**
 * The choices that a random program is made of: drawn from a seed or played again from a list. A list can be made
 * shorter and smaller and played again, which is how a failing program is shrunk without knowing what programs look
 * like: generators let choice 0 be the simplest one, and what a list no longer says is 0.
 */

export class Choices {
  /** What was chosen. */
  readonly taken: number[] = [];
  readonly #list: readonly number[] | undefined;
  #state: number;

  constructor(source: number | readonly number[]) {
    this.#list = typeof source === "number" ? undefined : source;
    this.#state = typeof source === "number" ? source >>> 0 : 0;
  }

  /** A whole number from 0 up to but not including `limit`. */
  below(limit: number): number {
    const value = limit < 2
      ? 0
      : this.#list === undefined
      ? this.#next() % limit
      : Math.min(limit - 1, this.#list[this.taken.length] ?? 0);
    this.taken.push(value);
    return value;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === times - 1;
  }

  /** mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
}

/** The smallest list that was found for which `fails` still holds, in at most `tries` tries. */
export function shrink(taken: readonly number[], fails: (list: readonly number[]) => boolean, tries = 1500): number[] {
  let best = [...taken];
  let left = tries;
  const attempt = (list: number[]): boolean => {
    if (left-- <= 0 || !fails(list)) return false;
    best = list;
    return true;
  };
  for (let before = -1; before !== weight(best) && left > 0;) {
    before = weight(best);
    for (let size = Math.min(64, best.length); size >= 1 && left > 0; size = size >> 1) {
      for (let at = 0; at < best.length && left > 0;) {
        if (!attempt([...best.slice(0, at), ...best.slice(at + size)])) at += size;
      }
    }
    for (let at = 0; at < best.length && left > 0; at++) {
      if (best[at] === 0) continue;
      if (!attempt(best.with(at, 0))) attempt(best.with(at, best[at]! >> 1));
    }
  }
  return best;
}

function weight(list: readonly number[]): number {
  return list.reduce((sum, value) => sum + value + 1, 0);
}
