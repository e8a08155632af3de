/**
 * Names → ids, on the bytes of the string section, without making a string. The first few lookups walk all names; who
 * asks more often gets a chained hash in two typed arrays. Walking the 15 000 data types of a kernel takes 0.2 ms in a
 * fresh process, hashing them 5 ms. Answers are in ascending order of ids.
 *
 * A BTF has two of these: data types and the rest. Of the 70 000 names in a kernel's BTF 56 000 are functions, and
 * CO-RE never asks for one.
 */
import type { BtfStrings } from "./strings.ts";
import { hashEssential } from "./strings.ts";

const utf8 = new TextEncoder();

/** Lookups that walk before the hash is built. */
const WALKS = 12;

export class BtfNameIndex {
  readonly #strings: BtfStrings;
  /** Ids in ascending order, and the offset of the name of each. */
  readonly #ids: Uint32Array;
  readonly #names: Uint32Array;
  #lookups = 0;
  /** Bucket → 1 + position in `#ids` of the first type; 0 is the end. */
  #heads: Uint32Array | undefined;
  #next: Uint32Array | undefined;

  /** `words[offsets[id - firstId]]` is the name's offset. */
  constructor(strings: BtfStrings, words: Uint32Array, offsets: Uint32Array, ids: Uint32Array, firstId: number) {
    this.#strings = strings;
    this.#ids = ids;
    const names = new Uint32Array(ids.length);
    for (let i = 0; i < ids.length; i++) names[i] = words[offsets[ids[i]! - firstId]!]!;
    this.#names = names;
  }

  /** Ids of the types called `name`. */
  exact(name: string): number[] {
    const wanted = utf8.encode(`${name}\0`);
    return this.#lookup(wanted, (offset) => this.#strings.equals(offset, wanted));
  }

  /** Ids of the types whose name without flavour is `name`. */
  essential(name: string): number[] {
    const wanted = utf8.encode(`${name}\0`);
    return this.#lookup(wanted, (offset) => this.#strings.equalsEssential(offset, wanted));
  }

  #lookup(wanted: Uint8Array, matches: (offset: number) => boolean): number[] {
    if (wanted.length < 3 || this.#lookups++ >= WALKS) return this.#hashed(wanted, matches);
    return this.#walk(wanted[0]!, wanted[1]!, matches);
  }

  #walk(first: number, second: number, matches: (offset: number) => boolean): number[] {
    const [names, strings, found] = [this.#names, this.#strings, [] as number[]];
    const { bytes, start, end } = strings;
    for (let i = 0; i < names.length; i++) {
      const offset = names[i]!;
      if (offset >= start) {
        if (bytes[offset - start] !== first || bytes[offset - start + 1] !== second) continue;
      }
      if (offset < end && matches(offset)) found.push(this.#ids[i]!);
    }
    return found;
  }

  #hashed(wanted: Uint8Array, matches: (offset: number) => boolean): number[] {
    const heads = this.#heads ?? this.#build();
    const [next, names, found] = [this.#next!, this.#names, [] as number[]];
    for (let at = heads[hashEssential(wanted, 0) & (heads.length - 1)]!; at !== 0; at = next[at]!) {
      if (matches(names[at - 1]!)) found.push(this.#ids[at - 1]!);
    }
    return found;
  }

  #build(): Uint32Array {
    const [names, strings] = [this.#names, this.#strings];
    const { bytes, start, end } = strings;
    let buckets = 16;
    while (buckets < names.length) buckets *= 2;
    const heads = new Uint32Array(buckets);
    const next = new Uint32Array(names.length + 1);
    for (let i = names.length; i > 0; i--) {
      const name = names[i - 1]!;
      if (name >= end) continue;
      const hash = name >= start ? hashEssential(bytes, name - start) : strings.hash(name);
      const bucket = hash & (buckets - 1);
      next[i] = heads[bucket]!;
      heads[bucket] = i;
    }
    this.#next = next;
    return this.#heads = heads;
  }
}
