/** The last step of deduplication: the types that stay, with new ids and only the strings they use, as a BTF. */
import { Writer } from "../bytes/writer.ts";
import { Btf } from "./btf.ts";
import type { BtfStrings } from "./strings.ts";
import type { DedupResult } from "./dedup.ts";
import type { DedupGraph } from "./dedup_graph.ts";
import type { BtfExt, BtfExtBlock } from "./ext.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_SHAPE, BTF_VERSION, kindOfInfo, vlenOfInfo } from "./kinds.ts";

/** `dead` are types that stay out although nothing stands for them; nothing that stays may refer to them. */
export function writeDeduplicated(
  graph: DedupGraph,
  ext: BtfExt | undefined,
  dead: Uint8Array | undefined,
): DedupResult {
  const ids = newIds(graph, dead);
  const strings = new UsedStrings(graph);
  const types = writeTypes(graph, ids, strings);
  const newExt = ext === undefined ? undefined : remapExt(ext, ids, strings);
  const bytes = assemble(graph.btf, types, strings.toBytes());
  return { btf: Btf.parse(bytes, { base: graph.btf.base, path: graph.btf.path }), ids, ext: newExt };
}

/** Old id → new id; those of the base do not change. */
function newIds(graph: DedupGraph, dead: Uint8Array | undefined): Uint32Array {
  const ids = new Uint32Array(graph.typeCount);
  let next = graph.firstId;
  for (let id = 0; id < graph.firstId; id++) ids[id] = id;
  for (let id = graph.firstId; id < graph.typeCount; id++) {
    if (graph.isRoot(id) && dead?.[id] !== 1) ids[id] = next++;
  }
  for (let id = graph.firstId; id < graph.typeCount; id++) if (!graph.isRoot(id)) ids[id] = ids[graph.find(id)]!;
  return ids;
}

function writeTypes(graph: DedupGraph, ids: Uint32Array, strings: UsedStrings): Uint32Array {
  const { words, starts, firstId } = graph;
  const out = new Uint32Array(starts[graph.typeCount]! - starts[firstId]!);
  let length = 0;
  for (let id = firstId; id < graph.typeCount; id++) {
    if (!graph.isRoot(id) || ids[id] === 0) continue;
    const at = starts[id]!;
    const end = starts[id + 1]!;
    const count = graph.childSlots(id);
    // The words of this type are not read again.
    for (let i = 0; i < count; i++) words[graph.slots[i]!] = ids[words[graph.slots[i]!]!]!;
    strings.rename(words, at);
    out.set(words.subarray(at, end), length);
    length += end - at;
  }
  return out.subarray(0, length);
}

/** Gives new offsets to the strings that are used, in order of use. Strings of the base keep theirs. */
class UsedStrings {
  readonly #strings: BtfStrings;
  readonly #start: number;
  readonly #canonical: (offset: number) => number;
  /** Old offset → new offset, 0 if not used yet. */
  readonly #offsets: Uint32Array;
  /** What is used of the old ones cannot be longer than they are. */
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor({ btf, canonicalName }: DedupGraph) {
    this.#strings = btf.strings;
    this.#start = btf.base?.strings.end ?? 0;
    this.#canonical = canonicalName;
    this.#offsets = new Uint32Array(btf.strings.end + 1);
    this.#bytes = new Uint8Array(btf.strings.bytes.length + 1);
    if (this.#start === 0) this.#length = 1;
  }

  offset(old: number): number {
    if (old === 0) return 0;
    const known = this.#offsets[old]!;
    if (known !== 0) return known;
    const canonical = this.#canonical(old);
    if (canonical < this.#start) return canonical;
    if (canonical !== old) return this.#offsets[old] = this.offset(canonical);
    return this.#offsets[old] = this.#append(old);
  }

  #append(old: number): number {
    const { bytes, start } = this.#strings;
    const offset = this.#start + this.#length;
    let from = old - start;
    for (let c = bytes[from]!; c !== 0; c = bytes[++from]!) this.#bytes[this.#length++] = c;
    this.#length++;
    return offset;
  }

  /** Puts new offsets into the words of a type. */
  rename(words: Uint32Array, at: number): void {
    words[at] = this.offset(words[at]!);
    const info = words[at + 1]!;
    const kind = kindOfInfo(info);
    const nameAt = BTF_SHAPE.elementName[kind]!;
    if (nameAt === 0) return;
    const stride = BTF_SHAPE.element[kind]!;
    let slot = at + BTF_SHAPE.head[kind]! + nameAt - 1;
    for (let left = vlenOfInfo(info); left > 0; left--, slot += stride) words[slot] = this.offset(words[slot]!);
  }

  toBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

function remapExt(ext: BtfExt, ids: Uint32Array, strings: UsedStrings): BtfExt {
  const id = (old: number): number => ids[old] ?? 0;
  const string = (old: number): number => strings.offset(old);
  const copy = <B extends BtfExtBlock>(block: B): B => ({ ...block, insnOff: block.insnOff.slice() });
  return {
    endian: ext.endian,
    funcInfo: ext.funcInfo.map((b) => ({ ...copy(b), typeId: b.typeId.map(id) })),
    lineInfo: ext.lineInfo.map((b) => ({ ...copy(b), fileOff: b.fileOff.map(string), lineOff: b.lineOff.map(string) })),
    core: ext.core.map((b) => ({ ...copy(b), typeId: b.typeId.map(id), accessOff: b.accessOff.map(string) })),
  };
}

function assemble(btf: Btf, types: Uint32Array, strings: Uint8Array): Uint8Array {
  const typeBytes = types.length * 4;
  const writer = new Writer({ endian: btf.endian, capacity: BTF_HEADER_SIZE + typeBytes + strings.length });
  writer.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(BTF_HEADER_SIZE);
  writer.u32(0).u32(typeBytes).u32(typeBytes).u32(strings.length);
  if (btf.endian === "big") { for (const word of types) writer.u32(word); }
  else writer.raw(new Uint8Array(types.buffer, types.byteOffset, typeBytes));
  return writer.raw(strings).toBytes();
}
