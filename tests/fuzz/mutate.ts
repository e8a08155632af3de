/**
 * Mutations of binary files for fuzzing: bit flips, lengths and offsets set to what breaks parsers, cuts, copies. The
 * generator is seeded, so a failing input is known by its number.
 */

/** xorshift32: small, fast, the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Zero is its fixed point.
    this.#state = (seed >>> 0) || 0x9e3779b9;
  }

  /** A whole number from 0 up to but not including `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** What lengths, offsets, ids and counts are set to. */
const NUMBERS = [
  0,
  1,
  2,
  3,
  7,
  8,
  0x7f,
  0x80,
  0xff,
  0xffff,
  0x10000,
  0xffffff,
  0x7fffffff,
  0x80000000,
  0xfffffff8,
  0xffffffff,
];

type Mutation = (bytes: Uint8Array<ArrayBuffer>, random: Random, hot: readonly number[]) => Uint8Array<ArrayBuffer>;

/** An offset: mostly a word near a place that matters (headers, tables), sometimes any. */
function place(bytes: Uint8Array, random: Random, hot: readonly number[], align: number): number {
  const near = hot.length > 0 && random.below(4) > 0;
  const at = near ? random.pick(hot) + random.below(64) : random.below(bytes.length);
  return Math.min(at - (at % align), Math.max(0, bytes.length - align));
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random, hot) {
    bytes[place(bytes, random, hot, 1)]! ^= 1 << random.below(8);
    return bytes;
  },
  function setByte(bytes, random, hot) {
    bytes[place(bytes, random, hot, 1)] = random.below(256);
    return bytes;
  },
  function setWord(bytes, random, hot) {
    const value = random.below(3) === 0 ? random.below(bytes.length * 2) : random.pick(NUMBERS);
    new DataView(bytes.buffer).setUint32(place(bytes, random, hot, 4), value, true);
    return bytes;
  },
  function nudgeWord(bytes, random, hot) {
    const at = place(bytes, random, hot, 4);
    const view = new DataView(bytes.buffer);
    view.setUint32(at, view.getUint32(at, true) + random.below(17) - 8, true);
    return bytes;
  },
  function copyRange(bytes, random) {
    const length = 1 + random.below(Math.min(64, bytes.length));
    const from = random.below(bytes.length - length + 1);
    bytes.copyWithin(random.below(bytes.length - length + 1), from, from + length);
    return bytes;
  },
  function cut(bytes, random) {
    return bytes.slice(0, Math.max(4, random.below(bytes.length)));
  },
];

/** A copy of `original` with one to six mutations. `hot` are offsets worth hitting. */
export function mutate(original: Uint8Array, random: Random, hot: readonly number[]): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> = original.slice();
  for (let n = 1 + random.below(6); n > 0; n--) {
    // Cutting ends most parses at once; it is enough to do it rarely.
    const mutation = random.below(20) === 0 ? MUTATIONS.at(-1)! : MUTATIONS[random.below(MUTATIONS.length - 1)]!;
    bytes = mutation(bytes, random, hot);
  }
  return bytes;
}
