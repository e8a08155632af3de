/**
 * The names of many BTFs, each string once: equal names have equal offsets, so that everything behind compares numbers.
 * Works on bytes; no string is made.
 */
import type { BtfStrings } from "./strings.ts";

/** Strings by what they are. Offset 0 is the empty string. */
export class NamePool {
  /** NUL-terminated strings; valid up to `length`. */
  bytes: Uint8Array;
  length = 1;
  /** Open addressing: offset of each string and its hash, 0 where there is none. */
  #offsets: Uint32Array;
  #hashes: Int32Array;
  #count = 0;

  /** `expected` are the bytes that will be added; a guess. */
  constructor(expected: number) {
    this.bytes = new Uint8Array(expected + 64);
    let size = 1024;
    // Names have about 12 bytes, and of those of several objects most occur in each.
    while (size * 16 < expected) size *= 2;
    this.#offsets = new Uint32Array(size);
    this.#hashes = new Int32Array(size);
  }

  /**
   * The offset of the string that starts at `from[at]` and ends with a NUL. It is copied behind the others while it is
   * hashed, and stays there if it is new.
   *
   * The hash rotates and never leaves 32 bits: interpreters and the first compilers of engines are slow at everything
   * that might become a double, `Math.imul` included, and linking is over before the last compiler has started.
   */
  add(from: Uint8Array, at: number): number {
    const start = this.length;
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
    const offsets = this.#offsets;
    const hashes = this.#hashes;
    const mask = offsets.length - 1;
    let slot = (hash ^ (hash >> 12) ^ (hash >> 21)) & mask;
    for (let known = offsets[slot]!; known !== 0; known = offsets[slot]!) {
      if (hashes[slot] === hash) {
        let [a, b] = [known, start];
        while (b < end && bytes[a] === bytes[b]) a++, b++;
        if (b === end) return known;
      }
      slot = (slot + 1) & mask;
    }
    offsets[slot] = start;
    hashes[slot] = hash;
    this.length = end;
    if (++this.#count * 2 > mask) this.#growTable();
    return start;
  }

  /** The same for text. */
  addText(text: string): number {
    return this.add(new TextEncoder().encode(`${text}\0`), 0);
  }

  #growBytes(more: number): void {
    const bytes = new Uint8Array((this.length + more) * 2);
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }

  #growTable(): void {
    const [oldOffsets, oldHashes] = [this.#offsets, this.#hashes];
    const mask = oldOffsets.length * 4 - 1;
    const [offsets, hashes] = [new Uint32Array(mask + 1), new Int32Array(mask + 1)];
    for (let i = 0; i < oldOffsets.length; i++) {
      if (oldOffsets[i] === 0) continue;
      const hash = oldHashes[i]!;
      let slot = (hash ^ (hash >> 12) ^ (hash >> 21)) & mask;
      while (offsets[slot] !== 0) slot = (slot + 1) & mask;
      offsets[slot] = oldOffsets[i]!;
      hashes[slot] = hash;
    }
    this.#offsets = offsets;
    this.#hashes = hashes;
  }
}

/** String offsets of one BTF as offsets in a pool, found when they are asked for. */
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

  /** The offset in the pool. Throws `FormatError` if there is no such string. */
  get(offset: number): number {
    if (offset === 0) return 0;
    const { start, end, bytes } = this.strings;
    if (offset < start && this.base !== undefined) return this.base.get(offset);
    if (offset >= end) this.strings.owner(offset); // Throws.
    const at = offset - start;
    return this.known[at] || (this.known[at] = this.#pool.add(bytes, at));
  }
}
