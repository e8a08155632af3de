/**
 * Names → ids: a chained hash over the bytes of the string section, in two typed arrays. Built at the first lookup, one
 * pass, without making a string. Chains run in ascending order of ids.
 *
 * A BTF has two of them: data types and the rest. Of the 70 000 names in a kernel's BTF 56 000 are functions, and CO-RE
 * never asks for one.
 */
import type { BtfStrings } from "./strings.ts";
import { hashEssential } from "./strings.ts";

const utf8 = new TextEncoder();

/** What the index reads of the blob. */
export interface NameSource {
  readonly strings: BtfStrings;
  nameOffset(id: number): number;
}

export class BtfNameIndex {
  readonly #source: NameSource;
  /** Ids in ascending order; only they are indexed. */
  readonly #ids: Uint32Array;
  /** Bucket → 1 + position in `#ids` of the first type; 0 is the end. */
  readonly #heads: Uint32Array;
  readonly #next: Uint32Array;
  readonly #mask: number;

  constructor(source: NameSource, ids: Uint32Array) {
    this.#source = source;
    this.#ids = ids;
    let buckets = 16;
    while (buckets < ids.length) buckets *= 2;
    this.#mask = buckets - 1;
    this.#heads = new Uint32Array(buckets);
    this.#next = new Uint32Array(ids.length + 1);
    this.#fill();
  }

  #fill(): void {
    const [source, ids, heads, next, mask] = [this.#source, this.#ids, this.#heads, this.#next, this.#mask];
    const { bytes, start, end } = source.strings;
    for (let i = ids.length; i > 0; i--) {
      const name = source.nameOffset(ids[i - 1]!);
      if (name === 0 || name >= end) continue;
      const bucket = (name >= start ? hashEssential(bytes, name - start) : source.strings.hash(name)) & mask;
      next[i] = heads[bucket]!;
      heads[bucket] = i;
    }
  }

  /** Ids of the types called `name`, in ascending order. */
  *exact(name: string): Iterable<number> {
    const { strings } = this.#source;
    const wanted = utf8.encode(`${name}\0`);
    for (let at = this.#head(wanted); at !== 0; at = this.#next[at]!) {
      const id = this.#ids[at - 1]!;
      if (strings.equals(this.#source.nameOffset(id), wanted)) yield id;
    }
  }

  /** Ids of the types whose name without flavour is `name`, in ascending order. */
  *essential(name: string): Iterable<number> {
    const { strings } = this.#source;
    const wanted = utf8.encode(`${name}\0`);
    for (let at = this.#head(wanted); at !== 0; at = this.#next[at]!) {
      const id = this.#ids[at - 1]!;
      if (strings.equalsEssential(this.#source.nameOffset(id), wanted)) yield id;
    }
  }

  #head(wanted: Uint8Array): number {
    return this.#heads[hashEssential(wanted, 0) & this.#mask]!;
  }
}
