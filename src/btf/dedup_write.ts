/** The last step of deduplication: the types that stay, with new ids and only the strings they use, as a BTF. */
import type { Endian } from "../bytes/cursor.ts";
import { Writer } from "../bytes/writer.ts";
import type { DedupGraph } from "./dedup_graph.ts";
import type { BtfExt } from "./ext.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_MAX_VLEN, BTF_SHAPE, BTF_VERSION } from "./kinds.ts";
import type { NamePool, PooledNames } from "./name_pool.ts";

const { head, element, elementName } = BTF_SHAPE;

/** New id of each type: those of the base keep theirs, what is dropped or in `dead` has 0. */
export function newIds(graph: DedupGraph, dead: Uint8Array | undefined): Uint32Array {
  const { typeCount, firstId, parents, kinds } = graph;
  const ids = new Uint32Array(typeCount);
  let next = firstId;
  for (let id = 0; id < firstId; id++) ids[id] = id;
  for (let id = firstId; id < typeCount; id++) {
    if (parents[id] === id && kinds[id] !== 0 && dead?.[id] !== 1) ids[id] = next++;
  }
  for (let id = firstId; id < typeCount; id++) if (parents[id] !== id) ids[id] = ids[graph.find(id)]!;
  return ids;
}

/** The types that have a new id, in words. Those of the graph are not to be used again. */
export function writeTypes(graph: DedupGraph, ids: Uint32Array, strings: UsedStrings): Uint32Array {
  const { words, starts, parents, typeCount, firstId } = graph;
  let length = 0;
  for (let id = firstId; id < typeCount; id++) {
    if (parents[id] !== id || ids[id] === 0) continue;
    const at = starts[id]!;
    const end = starts[id + 1]!;
    const count = graph.childSlots(id);
    const slots = graph.slots;
    for (let i = 0; i < count; i++) words[slots[i]!] = ids[words[slots[i]!]!]!;
    strings.rename(words, at);
    // What was there before it has been moved already.
    for (let from = at; from < end; from++) words[length++] = words[from]!;
  }
  return words.subarray(0, length);
}

/** Gives new offsets to the strings that are used, in order of use. Strings of the base keep theirs. */
export class UsedStrings {
  readonly #pool: NamePool;
  readonly #start: number;
  /** By number: offset, 0 if not used yet. */
  readonly #offsets: Uint32Array;
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(pool: NamePool, base: PooledNames | undefined) {
    this.#pool = pool;
    this.#start = base?.strings.end ?? 0;
    this.#offsets = new Uint32Array(pool.count);
    this.#bytes = new Uint8Array(pool.length);
    if (base === undefined) this.#length = 1;
    else this.#keep(base);
  }

  /** The names that types of the base have. */
  #keep(base: PooledNames): void {
    const { known, strings } = base;
    for (let at = known.length - 1; at >= 0; at--) if (known[at] !== 0) this.#offsets[known[at]!] = strings.start + at;
    if (base.base !== undefined) this.#keep(base.base);
  }

  /** The offset of a name of the pool. */
  offset(number: number): number {
    if (number === 0) return 0;
    const known = this.#offsets[number]!;
    if (known !== 0) return known;
    const to = this.#bytes;
    const from = this.#pool.bytes;
    const offset = this.#start + this.#length;
    let length = this.#length;
    let at = this.#pool.starts[number]!;
    for (let c = from[at]!; c !== 0; c = from[++at]!) to[length++] = c;
    this.#length = length + 1;
    return this.#offsets[number] = offset;
  }

  /** Puts new offsets into the words of a type. */
  rename(words: Uint32Array, at: number): void {
    words[at] = this.offset(words[at]!);
    const info = words[at + 1]!;
    const kind = (info >>> 24) & 0x7f;
    if (elementName[kind] === 0) return;
    const stride = element[kind]!;
    let slot = at + head[kind]! + elementName[kind]! - 1;
    for (let left = info & BTF_MAX_VLEN; left > 0; left--, slot += stride) words[slot] = this.offset(words[slot]!);
  }

  toBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Gives records the new ids and the new offsets of strings, in place. Ids and strings are those of the graph. */
export function remapExt(ext: BtfExt, ids: Uint32Array, strings: UsedStrings): void {
  const types = (column: Uint32Array): void => {
    for (let i = 0; i < column.length; i++) column[i] = ids[column[i]!] ?? 0;
  };
  const texts = (column: Uint32Array): void => {
    for (let i = 0; i < column.length; i++) column[i] = strings.offset(column[i]!);
  };
  for (const { typeId } of ext.funcInfo) types(typeId);
  for (const { fileOff, lineOff } of ext.lineInfo) texts(fileOff), texts(lineOff);
  for (const { typeId, accessOff } of ext.core) types(typeId), texts(accessOff);
}

/** A blob of types and strings. */
export function assemble(endian: Endian, types: Uint32Array, strings: Uint8Array): Uint8Array {
  const typeBytes = types.length * 4;
  const writer = new Writer({ endian, capacity: BTF_HEADER_SIZE + typeBytes + strings.length });
  writer.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(BTF_HEADER_SIZE);
  writer.u32(0).u32(typeBytes).u32(typeBytes).u32(strings.length);
  if (endian === "big") { for (const word of types) writer.u32(word); }
  else writer.raw(new Uint8Array(types.buffer, types.byteOffset, typeBytes));
  return writer.raw(strings).toBytes();
}
