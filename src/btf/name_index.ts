/**
 * Names of one BTF's own types → ids: a chained hash over the bytes of the string section, in two typed arrays. Built at
 * the first lookup, one pass, without making a string. Chains run in ascending order of ids.
 */
import type { BtfStrings } from "./strings.ts";
import { hashEssential } from "./strings.ts";

const utf8 = new TextEncoder();

export class BtfNameIndex {
  readonly #strings: BtfStrings;
  readonly #words: Uint32Array;
  readonly #offsets: Uint32Array;
  /** Bucket → 1 + position in `offsets` of the first type; 0 is the end. */
  readonly #heads: Uint32Array;
  readonly #next: Uint32Array;
  readonly #mask: number;

  /** `offsets` are word positions of the types in `words`. */
  constructor(words: Uint32Array, offsets: Uint32Array, strings: BtfStrings) {
    this.#words = words;
    this.#offsets = offsets;
    this.#strings = strings;
    let buckets = 16;
    while (buckets < offsets.length) buckets *= 2;
    this.#mask = buckets - 1;
    this.#heads = new Uint32Array(buckets);
    this.#next = new Uint32Array(offsets.length + 1);
    this.#fill();
  }

  #fill(): void {
    const [words, offsets, heads, next, mask] = [this.#words, this.#offsets, this.#heads, this.#next, this.#mask];
    const { bytes, start, end } = this.#strings;
    for (let i = offsets.length - 1; i >= 0; i--) {
      const name = words[offsets[i]!]!;
      if (name === 0 || name >= end) continue;
      const bucket = (name >= start ? hashEssential(bytes, name - start) : this.#strings.hash(name)) & mask;
      next[i + 1] = heads[bucket]!;
      heads[bucket] = i + 1;
    }
  }

  /** Positions (id minus first id) of the types called `name`, in ascending order. */
  *exact(name: string): Iterable<number> {
    const wanted = utf8.encode(`${name}\0`);
    for (let at = this.#head(wanted); at !== 0; at = this.#next[at]!) {
      if (this.#strings.equals(this.#nameAt(at), wanted)) yield at - 1;
    }
  }

  /** Positions of the types whose name without flavour is `name`, in ascending order. */
  *essential(name: string): Iterable<number> {
    const wanted = utf8.encode(`${name}\0`);
    for (let at = this.#head(wanted); at !== 0; at = this.#next[at]!) {
      if (this.#strings.equalsEssential(this.#nameAt(at), wanted)) yield at - 1;
    }
  }

  #head(wanted: Uint8Array): number {
    return this.#heads[hashEssential(wanted, 0) & this.#mask]!;
  }

  #nameAt(at: number): number {
    return this.#words[this.#offsets[at - 1]!]!;
  }
}
