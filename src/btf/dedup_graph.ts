/**
 * The types of one or many BTFs as one array of words that linking and the steps of deduplication work on: ids and names
 * are those of the whole, types are joined in a union-find forest whose roots stay.
 *
 * Passes over it are few and bare: a link is over in a tenth of a second, and until then most code is interpreted.
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import { BTF_KIND, BTF_MAX_VLEN, BTF_SHAPE, BTF_TYPE_WORDS, kindName } from "./kinds.ts";
import { NamePool, PooledNames } from "./name_pool.ts";

const { head, fixedTypes, element, elementType, elementName, wordIsType } = BTF_SHAPE;

/** PTR, ARRAY, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, DECL_TAG, TYPE_TAG, one bit each. */
const REFERENCES = [2, 3, 8, 9, 10, 11, 12, 13, 17, 18].reduce((bits, kind) => bits | (1 << kind), 0);

/** Types as words, and what each of them has been found to be. */
export class DedupGraph {
  /** The first id that may be joined to another; those before belong to the base. */
  firstId = 1;
  /** Ids below it are in use; 0 is void. */
  typeCount = 1;
  /** Words of all types; ids are those of the whole, names are numbers of `names`. */
  words: Uint32Array;
  /** Start of each type in `words`, by id; one more marks the end. Id 0 is empty. */
  starts: Uint32Array;
  /** Kind of each type, by id; 0 for what was dropped. */
  kinds: Uint8Array;
  /** The type that each type was joined to; itself if it stays. */
  parents: Uint32Array;
  readonly names: NamePool;
  /** Filled by `childSlots`: positions in `words` that hold type ids. */
  slots: Uint32Array = new Uint32Array(64);

  /** Room for so many bytes of BTF; it grows. */
  constructor(expected: number) {
    // A type has five words or so.
    const types = (expected >>> 4) + 64;
    this.words = new Uint32Array((expected >>> 2) + 64);
    this.starts = new Uint32Array(types);
    this.kinds = new Uint8Array(types);
    this.parents = new Uint32Array(types);
    this.names = new NamePool(expected >>> 1);
  }

  /**
   * Appends the own types of a BTF; `known` is room for its names, see `PooledNames`. Their ids move by `typeCount - btf.firstId`; those of a base are taken to be here
   * already, with the names `base`. Throws `FormatError` if a type id or a name is out of range, and for types of unknown
   * kind, since what they refer to would be lost.
   */
  append(btf: Btf, options: { base?: PooledNames | undefined; known?: Uint32Array } = {}): PooledNames {
    const pooled = new PooledNames(this.names, btf.strings, options.base, options.known);
    const { words: from, offsets } = btf.raw();
    const count = offsets.length - 1;
    this.#reserve(from.length, count);
    const { words, starts, kinds, parents } = this;
    const { known } = pooled;
    const firstString = btf.strings.start;
    const shift = this.typeCount - btf.firstId;
    const base = starts[this.typeCount]!;
    words.set(from, base);
    let id = this.typeCount;
    let largest = 0;
    let sound = true;
    for (let i = 0; i < count; i++, id++) {
      const at = base + offsets[i]!;
      const info = words[at + 1]!;
      const kind = (info >>> 24) & 0x7f;
      starts[id] = at;
      parents[id] = id;
      kinds[id] = kind;
      const name = words[at]!;
      if (name !== 0) words[at] = known[name - firstString] || pooled.get(name);
      if (wordIsType[kind] === 1) {
        const child = words[at + 2]!;
        if (child > largest) largest = child;
        if (child !== 0) words[at + 2] = child + shift;
      }
      const stride = element[kind]!;
      if (stride === 0) {
        if (fixedTypes[kind] === 2) { // ARRAY
          for (let slot = at + BTF_TYPE_WORDS; slot < at + BTF_TYPE_WORDS + 2; slot++) {
            const child = words[slot]!;
            if (child > largest) largest = child;
            if (child !== 0) words[slot] = child + shift;
          }
        } else if (kind >= BTF_KIND.FUNC && !isSound(kind, info, words[at + BTF_TYPE_WORDS]!)) sound = false;
        continue;
      }
      const typeAt = elementType[kind]! - 1;
      const named = elementName[kind] === 1;
      let slot = at + head[kind]!;
      for (let left = info & BTF_MAX_VLEN; left > 0; left--, slot += stride) {
        if (named) {
          const text = words[slot]!;
          if (text !== 0) words[slot] = known[text - firstString] || pooled.get(text);
        }
        if (typeAt < 0) continue;
        const child = words[slot + typeAt]!;
        if (child > largest) largest = child;
        if (child !== 0) words[slot + typeAt] = child + shift;
      }
    }
    if (!sound || largest >= btf.typeCount) throw unsound(btf);
    starts[id] = base + from.length;
    this.typeCount = id;
    return pooled;
  }

  /** Adds a type as words; ids and names are those of the whole. Returns its id. */
  add(words: readonly number[]): number {
    this.#reserve(words.length, 1);
    const id = this.typeCount++;
    const at = this.starts[id]!;
    this.words.set(words, at);
    this.parents[id] = id;
    this.kinds[id] = (words[1]! >>> 24) & 0x7f;
    this.starts[id + 1] = at + words.length;
    return id;
  }

  /** The i-th word of a type. */
  word(id: number, i: number): number {
    return this.words[this.starts[id]! + i]!;
  }

  setWord(id: number, i: number, value: number): void {
    this.words[this.starts[id]! + i] = value;
  }

  /** Puts the words of a type into the place of another of the same length. */
  replace(id: number, by: number): void {
    this.words.copyWithin(this.starts[id]!, this.starts[by]!, this.starts[by + 1]!);
  }

  /** Leaves a type out of the result. Nothing that stays may refer to it. */
  drop(id: number): void {
    this.kinds[id] = 0;
  }

  kind(id: number): number {
    return this.kinds[id]!;
  }

  /** The type that stands for `id`. */
  find(id: number): number {
    const parents = this.parents;
    let at = id;
    let parent = parents[at]!;
    while (parent !== at) {
      // Halves the way for the next one.
      const next = parents[parent]!;
      parents[at] = next;
      at = next;
      parent = parents[at]!;
    }
    return at;
  }

  /** From now on `root` stands for `id`, which must be a root itself. */
  join(id: number, root: number): void {
    this.parents[id] = root;
  }

  isRoot(id: number): boolean {
    return this.parents[id] === id;
  }

  /** Fills `slots` with the positions of the type ids of a type, in ascending order; returns how many there are. */
  childSlots(id: number): number {
    const at = this.starts[id]!;
    const kind = this.kinds[id]!;
    const vlen = elementType[kind] === 0 ? 0 : this.words[at + 1]! & BTF_MAX_VLEN;
    if (vlen + 2 > this.slots.length) this.slots = new Uint32Array(vlen * 2);
    const slots = this.slots;
    let count = 0;
    if (wordIsType[kind] === 1) slots[count++] = at + 2;
    for (let i = 0; i < fixedTypes[kind]!; i++) slots[count++] = at + BTF_TYPE_WORDS + i;
    const stride = element[kind]!;
    let slot = at + head[kind]! + elementType[kind]! - 1;
    for (let i = 0; i < vlen; i++, slot += stride) slots[count++] = slot;
    return count;
  }

  /** Whether a type is made of references and words: everything but data types, variables and sections. */
  isReference(id: number): boolean {
    return ((REFERENCES >> this.kinds[id]!) & 1) === 1;
  }

  /** Hash of the words of a type; equal words, equal hash. Rotates, as `NamePool.add()` does and for the same reason. */
  hashWords(id: number): number {
    const words = this.words;
    const end = this.starts[id + 1]!;
    let hash = 0;
    for (let i = this.starts[id]!; i < end; i++) hash = (hash << 11) ^ ((hash >> 21) & 2047) ^ words[i]!;
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

  #reserve(wordCount: number, types: number): void {
    const length = this.starts[this.typeCount]! + wordCount;
    if (length > this.words.length) this.words = grown(this.words, length);
    // One more start marks the end.
    const ids = this.typeCount + types + 1;
    if (ids <= this.starts.length) return;
    this.starts = grown(this.starts, ids);
    this.parents = grown(this.parents, ids);
    this.kinds = grown(this.kinds, ids);
  }
}

function grown<A extends Uint32Array | Uint8Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (length: number) => A)(length * 2);
  larger.set(array);
  return larger;
}

/** Whether the kind is known and has a linkage that exists. */
function isSound(kind: number, info: number, next: number): boolean {
  if (kind === BTF_KIND.FUNC) return (info & BTF_MAX_VLEN) <= 2;
  return kind === BTF_KIND.VAR ? next <= 2 : head[kind] !== 0;
}

/** Finds out what is wrong. */
function unsound(btf: Btf): FormatError {
  btf.validate(); // Throws, unless it is a kind that reading takes.
  for (const id of btf.ids()) {
    const kind = btf.kindOf(id);
    if (head[kind] !== 0) continue;
    return new FormatError(`${btf.path}: type ${id}`, `${kindName(kind)} is not known, nor what it refers to`);
  }
  return new FormatError(btf.path, "is not sound");
}
