/**
 * The types of a BTF (and of its base) as one array of words that the steps of deduplication work on: names are
 * replaced by the offset of the first equal string, types are joined in a union-find forest whose roots stay.
 */
import type { Btf } from "./btf.ts";
import { BTF_KIND, BTF_KINDS, BTF_TYPE_WORDS, kindOfInfo, vlenOfInfo } from "./kinds.ts";
import { hashWhole } from "./strings.ts";

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
  /** String offset → the first offset asked for that has the same string. */
  readonly canonicalName: (offset: number) => number;
  /** Filled by `childSlots`: positions in `words` that hold type ids. */
  slots: Uint32Array = new Uint32Array(64);
  readonly #parents: Uint32Array;

  constructor(btf: Btf) {
    this.btf = btf;
    this.firstId = btf.firstId;
    this.typeCount = btf.typeCount;
    this.#parents = Uint32Array.from({ length: btf.typeCount }, (_, id) => id);
    this.starts = new Uint32Array(btf.typeCount + 1);
    this.words = this.#flatten();
    this.canonicalName = canonicalOffsets(btf);
    this.#canonicalNames();
  }

  kind(id: number): number {
    return id === 0 ? 0 : kindOfInfo(this.words[this.starts[id]! + 1]!);
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

  /** Fills `slots` with the positions of the type ids of a type; returns how many there are. */
  childSlots(id: number): number {
    const at = this.starts[id]!;
    const info = this.words[at + 1]!;
    const def = BTF_KINDS[kindOfInfo(info)];
    if (def === undefined) return 0;
    let count = 0;
    if (def.word === "type") this.slots[count++] = at + 2;
    for (const i of def.fixedTypes) this.slots[count++] = at + BTF_TYPE_WORDS + i;
    const inElement = def.elementTypes[0];
    if (inElement === undefined) return count;
    const vlen = vlenOfInfo(info);
    if (vlen + count > this.slots.length) this.slots = new Uint32Array(vlen * 2);
    let slot = at + BTF_TYPE_WORDS + def.fixed + inElement;
    if (count > 0) this.slots[0] = at + 2; // Only FUNC_PROTO has both; `slots` may be new.
    for (let i = 0; i < vlen; i++, slot += def.element) this.slots[count++] = slot;
    return count;
  }

  /** Whether a type refers to one other kind of type by more than its structure: everything but data and sections. */
  isReference(id: number): boolean {
    switch (this.kind(id)) {
      case BTF_KIND.PTR:
      case BTF_KIND.ARRAY:
      case BTF_KIND.TYPEDEF:
      case BTF_KIND.VOLATILE:
      case BTF_KIND.CONST:
      case BTF_KIND.RESTRICT:
      case BTF_KIND.FUNC:
      case BTF_KIND.FUNC_PROTO:
      case BTF_KIND.DECL_TAG:
      case BTF_KIND.TYPE_TAG:
        return true;
      default:
        return false;
    }
  }

  /** Hash of the words from `skip` words behind the start of a type on; equal words, equal hash. */
  hashWords(id: number): number {
    let hash = 0;
    for (let i = this.starts[id]!; i < this.starts[id + 1]!; i++) hash = (Math.imul(hash, 31) + this.words[i]!) | 0;
    return hash;
  }

  sameWords(a: number, b: number): boolean {
    const [words, startA, startB] = [this.words, this.starts[a]!, this.starts[b]!];
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
    const [words, canonical] = [this.words, this.canonicalName];
    for (let id = 1; id < this.typeCount; id++) {
      const at = this.starts[id]!;
      words[at] = canonical(words[at]!);
      const info = words[at + 1]!;
      const def = BTF_KINDS[kindOfInfo(info)];
      if (def === undefined || def.elementNames.length === 0) continue;
      let slot = at + BTF_TYPE_WORDS + def.fixed + def.elementNames[0]!;
      for (let left = vlenOfInfo(info); left > 0; left--, slot += def.element) words[slot] = canonical(words[slot]!);
    }
  }
}

/** Maps a string offset to the first offset asked for that has the same string. */
function canonicalOffsets(btf: Btf): (offset: number) => number {
  const { strings } = btf;
  // Offset → 1 + canonical offset, filled as they are asked for.
  const known = new Uint32Array(strings.end + 1);
  let capacity = 1024;
  let table = new Uint32Array(capacity);
  let count = 0;
  const hashAt = (offset: number): number => {
    const { bytes, start } = strings.owner(offset);
    return hashWhole(bytes, offset - start);
  };
  const insert = (offset: number): number => {
    let at = hashAt(offset) & (capacity - 1);
    for (; table[at] !== 0; at = (at + 1) & (capacity - 1)) {
      if (strings.same(table[at]!, offset)) return table[at]!;
    }
    table[at] = offset;
    count++;
    return offset;
  };
  return (offset) => {
    if (offset === 0) return 0;
    const seen = known[offset];
    if (seen !== undefined && seen !== 0) return seen - 1;
    if (count * 2 >= capacity) {
      const old = table;
      capacity *= 4;
      table = new Uint32Array(capacity);
      count = 0;
      for (const entry of old) if (entry !== 0) insert(entry);
    }
    const found = strings.isEmpty(offset) ? 0 : insert(offset);
    known[offset] = found + 1;
    return found;
  };
}
