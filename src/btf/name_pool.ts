/**
 * The names of many BTFs, each once and numbered: equal names have equal numbers, so that everything behind compares
 * those. Works on bytes; no string is made.
 */
import type { BtfStrings } from "./strings.ts";

/** Names by number; 0 is the empty one. */
export class NamePool {
  /** NUL-terminated names, and where each starts by its number. */
  bytes: Uint8Array;
  starts: Uint32Array;
  /** Numbers below it are in use. */
  count = 1;
  /** Bytes in use; the first is that of the empty name. */
  #length = 1;
  /** Open addressing: number of each name and its hash, 0 where there is none. */
  #numbers: Uint32Array;
  #hashes: Int32Array;

  /** `expected` are the bytes that will be added; a guess. */
  constructor(expected: number) {
    this.bytes = new Uint8Array(expected + 64);
    let size = 1024;
    // Names have about 12 bytes, and of those of several objects most occur in each.
    while (size * 16 < expected) size *= 2;
    this.starts = new Uint32Array(size >> 1);
    this.#numbers = new Uint32Array(size);
    this.#hashes = new Int32Array(size);
  }

  /** How many bytes all names have, with a NUL each. */
  get length(): number {
    return this.#length;
  }

  /**
   * The number of the name that starts at `from[at]` and ends with a NUL. It is copied behind the others while it is
   * hashed, and stays there if it is new.
   *
   * The hash rotates and never leaves 32 bits: interpreters and the first compilers of engines are slow at everything
   * that might become a double, `Math.imul` included, and linking is over before the last compiler has started.
   */
  add(from: Uint8Array, at: number): number {
    const start = this.#length;
    if (start + from.length - at > this.bytes.length) this.#growBytes(from.length);
    const bytes = this.bytes;
    let hash = 0;
    let end = start;
    let i = at;
    for (let c = from[i]!; c !== 0; c = from[++i]!) {
      bytes[end++] = c;
      hash = (hash << 7) ^ ((hash >> 25) & 127) ^ c;
    }
    if (end === start) return 0;
    bytes[end++] = 0;
    const { starts } = this;
    const numbers = this.#numbers;
    const hashes = this.#hashes;
    const mask = numbers.length - 1;
    let slot = (hash ^ (hash >> 12) ^ (hash >> 21)) & mask;
    for (let known = numbers[slot]!; known !== 0; known = numbers[slot]!) {
      if (hashes[slot] === hash) {
        let a = starts[known]!;
        let b = start;
        while (b < end && bytes[a] === bytes[b]) a++, b++;
        if (b === end) return known;
      }
      slot = (slot + 1) & mask;
    }
    const number = this.count++;
    numbers[slot] = number;
    hashes[slot] = hash;
    starts[number] = start;
    this.#length = end;
    if (this.count * 2 > mask) this.#growTable();
    return number;
  }

  /** The same for text. */
  addText(text: string): number {
    return this.add(new TextEncoder().encode(`${text}\0`), 0);
  }

  #growBytes(more: number): void {
    const bytes = new Uint8Array((this.#length + more) * 2);
    bytes.set(this.bytes.subarray(0, this.#length));
    this.bytes = bytes;
  }

  #growTable(): void {
    const [oldNumbers, oldHashes] = [this.#numbers, this.#hashes];
    const mask = oldNumbers.length * 4 - 1;
    const [numbers, hashes] = [new Uint32Array(mask + 1), new Int32Array(mask + 1)];
    for (let i = 0; i < oldNumbers.length; i++) {
      if (oldNumbers[i] === 0) continue;
      const hash = oldHashes[i]!;
      let slot = (hash ^ (hash >> 12) ^ (hash >> 21)) & mask;
      while (numbers[slot] !== 0) slot = (slot + 1) & mask;
      numbers[slot] = oldNumbers[i]!;
      hashes[slot] = hash;
    }
    const starts = new Uint32Array((mask + 1) >> 1);
    starts.set(this.starts);
    this.starts = starts;
    this.#numbers = numbers;
    this.#hashes = hashes;
  }
}

/** String offsets of one BTF as numbers of a pool, found when they are asked for. */
export class PooledNames {
  readonly strings: BtfStrings;
  /** By offset from `strings.start`; 0 if not asked for yet. */
  readonly known: Uint32Array;
  /** Names of the BTF that this one continues. */
  readonly base: PooledNames | undefined;
  readonly #pool: NamePool;

  /** `known` is room for as many zeros as there are bytes of strings, to be used again for the next BTF. */
  constructor(
    pool: NamePool,
    strings: BtfStrings,
    base?: PooledNames,
    known: Uint32Array = new Uint32Array(strings.bytes.length),
  ) {
    this.#pool = pool;
    this.strings = strings;
    this.base = base;
    this.known = known;
  }

  /** The number in the pool. Throws `FormatError` if there is no such string. */
  get(offset: number): number {
    if (offset === 0) return 0;
    const { start, end, bytes } = this.strings;
    if (offset < start && this.base !== undefined) return this.base.get(offset);
    if (offset >= end) this.strings.owner(offset); // Throws.
    const at = offset - start;
    return this.known[at] || (this.known[at] = this.#pool.add(bytes, at));
  }
}
