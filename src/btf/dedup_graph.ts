/**
 * The types of a BTF (and of its base) as one array of words that the steps of deduplication work on: names are
 * replaced by the offset of the first equal string, types are joined in a union-find forest whose roots stay.
 */
import type { Btf } from "./btf.ts";
import { BTF_MAX_VLEN, BTF_SHAPE, BTF_TYPE_WORDS, kindOfInfo } from "./kinds.ts";
import type { BtfStrings } from "./strings.ts";
import { hashWhole } from "./strings.ts";

const shape = BTF_SHAPE;

/** PTR, ARRAY, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, DECL_TAG, TYPE_TAG, one bit each. */
const REFERENCES = [2, 3, 8, 9, 10, 11, 12, 13, 17, 18].reduce((bits, kind) => bits | (1 << kind), 0);

/** Types as words, and what each of them has been found to be. */
export class DedupGraph {
  readonly btf: Btf;
  /** The first id that may be joined to another; those before belong to the base. */
  readonly firstId: number;
  readonly typeCount: number;
  /** Words of all types, base included; names are canonical string offsets. */
  readonly words: Uint32Array;
  /** Start of each type in `words`, by id; one more marks the end. Id 0 is empty. */
  readonly starts: Uint32Array;
  /** Kind of each type, by id. */
  readonly kinds: Uint8Array;
  /** String offset → the first offset asked for that has the same string. */
  readonly canonicalName: (offset: number) => number;
  /** Filled by `childSlots`: positions in `words` that hold type ids. */
  slots: Uint32Array = new Uint32Array(64);
  readonly #parents: Uint32Array;

  constructor(btf: Btf) {
    this.btf = btf;
    this.firstId = btf.firstId;
    this.typeCount = btf.typeCount;
    this.#parents = new Uint32Array(btf.typeCount);
    for (let id = 1; id < btf.typeCount; id++) this.#parents[id] = id;
    this.starts = new Uint32Array(btf.typeCount + 1);
    this.words = this.#flatten();
    this.kinds = new Uint8Array(btf.typeCount);
    for (let id = 1; id < btf.typeCount; id++) this.kinds[id] = kindOfInfo(this.words[this.starts[id]! + 1]!);
    this.canonicalName = canonicalOffsets(btf);
    this.#canonicalNames();
  }

  kind(id: number): number {
    return this.kinds[id]!;
  }

  /** The type that stands for `id`. */
  find(id: number): number {
    const parents = this.#parents;
    let at = id;
    while (parents[at] !== at) {
      // Halves the way for the next one.
      parents[at] = parents[parents[at]!]!;
      at = parents[at]!;
    }
    return at;
  }

  /** From now on `root` stands for `id`, which must be a root itself. */
  join(id: number, root: number): void {
    this.#parents[id] = root;
  }

  isRoot(id: number): boolean {
    return this.#parents[id] === id;
  }

  /** Fills `slots` with the positions of the type ids of a type, in ascending order; returns how many there are. */
  childSlots(id: number): number {
    const at = this.starts[id]!;
    const kind = this.kinds[id]!;
    const vlen = shape.elementType[kind] === 0 ? 0 : this.words[at + 1]! & BTF_MAX_VLEN;
    if (vlen + 2 > this.slots.length) this.slots = new Uint32Array(vlen * 2);
    const slots = this.slots;
    let count = 0;
    if (shape.wordIsType[kind] === 1) slots[count++] = at + 2;
    for (let i = 0; i < shape.fixedTypes[kind]!; i++) slots[count++] = at + BTF_TYPE_WORDS + i;
    const stride = shape.element[kind]!;
    let slot = at + shape.head[kind]! + shape.elementType[kind]! - 1;
    for (let i = 0; i < vlen; i++, slot += stride) slots[count++] = slot;
    return count;
  }

  /** Whether a type is made of references and words: everything but data types, variables and sections. */
  isReference(id: number): boolean {
    return (REFERENCES >>> this.kinds[id]!) % 2 === 1;
  }

  /** Hash of the words from `skip` words behind the start of a type on; equal words, equal hash. */
  hashWords(id: number): number {
    let hash = 0;
    for (let i = this.starts[id]!; i < this.starts[id + 1]!; i++) hash = (Math.imul(hash, 31) + this.words[i]!) | 0;
    return hash;
  }

  sameWords(a: number, b: number): boolean {
    const words = this.words;
    const startA = this.starts[a]!;
    const startB = this.starts[b]!;
    const length = this.starts[a + 1]! - startA;
    if (this.starts[b + 1]! - startB !== length) return false;
    for (let i = 0; i < length; i++) if (words[startA + i] !== words[startB + i]) return false;
    return true;
  }

  #flatten(): Uint32Array {
    const parts: Btf[] = [];
    for (let btf: Btf | undefined = this.btf; btf !== undefined; btf = btf.base) parts.unshift(btf);
    const raws = parts.map((part) => part.raw());
    const words = new Uint32Array(raws.reduce((sum, raw) => sum + raw.words.length, 0));
    let [base, id] = [0, 1];
    for (const { words: own, offsets } of raws) {
      words.set(own, base);
      for (let i = 0; i + 1 < offsets.length; i++) this.starts[id++] = base + offsets[i]!;
      base += own.length;
    }
    this.starts[id] = base;
    return words;
  }

  #canonicalNames(): void {
    const words = this.words;
    const canonical = this.canonicalName;
    for (let id = 1; id < this.typeCount; id++) {
      const at = this.starts[id]!;
      if (words[at] !== 0) words[at] = canonical(words[at]!);
      const kind = this.kinds[id]!;
      const nameAt = shape.elementName[kind]!;
      if (nameAt === 0) continue;
      const stride = shape.element[kind]!;
      let slot = at + shape.head[kind]! + nameAt - 1;
      for (let left = words[at + 1]! & BTF_MAX_VLEN; left > 0; left--, slot += stride) {
        if (words[slot] !== 0) words[slot] = canonical(words[slot]!);
      }
    }
  }
}

/** Maps a string offset to the first offset asked for that has the same string. */
function canonicalOffsets(btf: Btf): (offset: number) => number {
  const { strings } = btf;
  // Offset → 1 + canonical offset, filled as they are asked for.
  const known = new Uint32Array(strings.end + 1);
  const table = new OffsetTable(strings);
  return (offset) => {
    if (offset === 0) return 0;
    const seen = known[offset]!;
    if (seen !== 0) return seen - 1;
    const found = strings.isEmpty(offset) ? 0 : table.intern(offset);
    known[offset] = found + 1;
    return found;
  };
}

/** A set of string offsets by what the strings are; open addressing. */
class OffsetTable {
  readonly #strings: BtfStrings;
  #offsets: Uint32Array;
  #hashes: Uint32Array;
  #count = 0;

  constructor(strings: BtfStrings) {
    this.#strings = strings;
    // Most strings of several objects occur in each; growing costs more than room.
    let size = 1024;
    while (size * 32 < strings.end) size *= 2;
    this.#offsets = new Uint32Array(size);
    this.#hashes = new Uint32Array(size);
  }

  intern(offset: number): number {
    const { bytes, start } = this.#strings;
    const hash = offset >= start ? hashWhole(bytes, offset - start) : this.#strings.wholeHash(offset);
    const offsets = this.#offsets;
    const hashes = this.#hashes;
    const mask = offsets.length - 1;
    let at = hash & mask;
    for (; offsets[at] !== 0; at = (at + 1) & mask) {
      if (hashes[at] === hash && this.#strings.same(offsets[at]!, offset)) return offsets[at]!;
    }
    offsets[at] = offset;
    hashes[at] = hash;
    if (++this.#count * 2 > mask) this.#grow();
    return offset;
  }

  #grow(): void {
    const [oldOffsets, oldHashes] = [this.#offsets, this.#hashes];
    const size = oldOffsets.length * 4;
    const [offsets, hashes] = [new Uint32Array(size), new Uint32Array(size)];
    for (let i = 0; i < oldOffsets.length; i++) {
      if (oldOffsets[i] === 0) continue;
      let at = oldHashes[i]! & (size - 1);
      while (offsets[at] !== 0) at = (at + 1) & (size - 1);
      offsets[at] = oldOffsets[i]!;
      hashes[at] = oldHashes[i]!;
    }
    this.#offsets = offsets;
    this.#hashes = hashes;
  }
}
