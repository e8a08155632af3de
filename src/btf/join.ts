/**
 * Several BTFs in one, on words: what the linker does with thousands of types that deduplication will throw away again.
 * Nothing is decoded; ids and string offsets are moved. Strings are those of all inputs one after the other, equal ones
 * included. `concat.ts` is the same with types as objects.
 */
import type { Endian } from "../bytes/cursor.ts";
import { Writer } from "../bytes/writer.ts";
import { Btf } from "./btf.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_MAX_VLEN, BTF_SHAPE, BTF_TYPE_WORDS, BTF_VERSION } from "./kinds.ts";

const { wordIsType, head, fixedTypes, element, elementType, elementName } = BTF_SHAPE;

/** Collects the types of many BTFs. */
export class BtfJoiner {
  readonly endian: Endian;
  #words = new Uint32Array(1024);
  #length = 0;
  /** Start of each type, by id; id 0 is void. */
  readonly #starts: number[] = [0];
  readonly #strings: Uint8Array[] = [];
  #stringsLength = 0;

  constructor(endian: Endian) {
    this.endian = endian;
  }

  /** The id of the next type. */
  get nextId(): number {
    return this.#starts.length;
  }

  /**
   * Appends the types of `btf` whose new id in `ids` is the next one; `ids` gives the new id of every type. The others
   * are left out. Returns what to add to string offsets of `btf`.
   */
  append(btf: Btf, ids: Uint32Array): number {
    const shift = this.addStrings(btf.strings.bytes);
    const { words, offsets } = btf.raw();
    this.#reserve(words.length);
    const out = this.#words;
    const starts = this.#starts;
    const firstId = btf.firstId;
    const count = offsets.length - 1;
    let length = this.#length;
    for (let i = 0; i < count; i++) {
      if (ids[firstId + i] !== starts.length) continue;
      const end = offsets[i + 1]!;
      starts.push(length);
      const start = length;
      for (let from = offsets[i]!; from < end; from++) out[length++] = words[from]!;
      move(out, start, ids, shift);
    }
    this.#length = length;
    return shift;
  }

  /** Puts a VAR or FUNC of `btf` in the place of an earlier one of that kind. */
  replace(id: number, btf: Btf, sourceId: number, ids: Uint32Array, shift: number): void {
    const { words, offsets } = btf.raw();
    const at = offsets[sourceId - btf.firstId]!;
    const end = offsets[sourceId - btf.firstId + 1]!;
    this.#words.set(words.subarray(at, end), this.#starts[id]!);
    move(this.#words, this.#starts[id]!, ids, shift);
  }

  /** Adds a type as words; names are offsets that `addString` gave. */
  add(words: readonly number[]): number {
    this.#reserve(words.length);
    this.#words.set(words, this.#length);
    this.#starts.push(this.#length);
    this.#length += words.length;
    return this.#starts.length - 1;
  }

  addString(text: string): number {
    return this.addStrings(new TextEncoder().encode(`${text}\0`));
  }

  /** Adds bytes of strings; returns the offset of the first. */
  addStrings(bytes: Uint8Array): number {
    // The first byte of all is that of the empty string.
    const offset = this.#stringsLength + 1;
    this.#strings.push(bytes);
    this.#stringsLength += bytes.length;
    return offset;
  }

  /** The i-th word of a type; can be set by `setWord`. */
  word(id: number, i: number): number {
    return this.#words[this.#starts[id]! + i]!;
  }

  setWord(id: number, i: number, value: number): void {
    this.#words[this.#starts[id]! + i] = value;
  }

  build(path?: string): Btf {
    const typeBytes = this.#length * 4;
    const writer = new Writer({ endian: this.endian, capacity: BTF_HEADER_SIZE + typeBytes + this.#stringsLength + 1 });
    writer.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(BTF_HEADER_SIZE);
    writer.u32(0).u32(typeBytes).u32(typeBytes).u32(this.#stringsLength + 1);
    const words = this.#words.subarray(0, this.#length);
    if (this.endian === "big") { for (const word of words) writer.u32(word); }
    else writer.raw(new Uint8Array(words.buffer, words.byteOffset, typeBytes));
    writer.u8(0);
    for (const strings of this.#strings) writer.raw(strings);
    return Btf.parse(writer.toBytes(), { path });
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#words.length) return;
    const words = new Uint32Array(Math.max(this.#length + count, this.#words.length * 2));
    words.set(this.#words.subarray(0, this.#length));
    this.#words = words;
  }
}

/** Gives a type that was copied its new ids and string offsets. */
function move(words: Uint32Array, at: number, ids: Uint32Array, shift: number): void {
  const info = words[at + 1]!;
  const kind = (info >>> 24) & 0x7f;
  if (words[at] !== 0) words[at] = words[at]! + shift;
  if (wordIsType[kind] === 1) words[at + 2] = ids[words[at + 2]!]!;
  for (let i = 0; i < fixedTypes[kind]!; i++) words[at + BTF_TYPE_WORDS + i] = ids[words[at + BTF_TYPE_WORDS + i]!]!;
  const typeAt = elementType[kind]! - 1;
  const nameAt = elementName[kind]! - 1;
  if (typeAt < 0 && nameAt < 0) return;
  const stride = element[kind]!;
  let slot = at + head[kind]!;
  for (let left = info & BTF_MAX_VLEN; left > 0; left--, slot += stride) {
    if (typeAt >= 0) words[slot + typeAt] = ids[words[slot + typeAt]!]!;
    if (nameAt >= 0 && words[slot + nameAt] !== 0) words[slot + nameAt] = words[slot + nameAt]! + shift;
  }
}
