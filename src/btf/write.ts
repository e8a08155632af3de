/**
 * Makes BTF blobs: types are added as plain data and get their ids in order; strings are interned. The result is the
 * content of a `.BTF` section or of BPF_BTF_LOAD. Strings appear in the order in which `addString` and the types in
 * ascending order of ids first use them, so equal input gives equal bytes.
 */
import type { Endian } from "../bytes/cursor.ts";
import { Writer } from "../bytes/writer.ts";
import { Btf } from "./btf.ts";
import { encodeType } from "./encode.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_VERSION } from "./kinds.ts";
import type { BtfType } from "./types.ts";

/** How to build. */
export interface BtfBuilderOptions {
  /** Byte order of the result; little if not given. */
  endian?: Endian | undefined;
  /** Continue this BTF: ids and string offsets start where it ends. */
  base?: Btf | undefined;
  /** Start with the string section of this BTF, so that string offsets into it (`.BTF.ext`) stay right. */
  stringsOf?: Btf | undefined;
}

/** Collects types and strings, then writes them. */
export class BtfBuilder {
  readonly endian: Endian;
  readonly base: Btf | undefined;
  /** Id of the first added type. */
  readonly firstId: number;
  readonly #types: BtfType[] = [];
  readonly #strings: StringTable;

  constructor(options: BtfBuilderOptions = {}) {
    this.endian = options.endian ?? "little";
    this.base = options.base;
    this.firstId = options.base?.typeCount ?? 1;
    this.#strings = new StringTable(options.base?.strings.end ?? 0, options.stringsOf?.strings.bytes);
  }

  /** The id that the next added type gets. */
  get nextId(): number {
    return this.firstId + this.#types.length;
  }

  /** Adds a type and returns its id. Ids it refers to may be added later. */
  add(type: BtfType): number {
    if (type.kind === "UNKN") throw new TypeError("Cannot add BTF type void: it is id 0 and always there");
    return this.#types.push(type) - 1 + this.firstId;
  }

  /** Replaces a type added before, for references that were not known then. */
  set(id: number, type: BtfType): void {
    if (id < this.firstId || id >= this.nextId) {
      throw new RangeError(`Cannot set BTF type ${id}: it was not added here`);
    }
    this.#types[id - this.firstId] = type;
  }

  /** A type added before, or one of the base. */
  get(id: number): BtfType {
    const own = this.#types[id - this.firstId];
    if (own !== undefined) return own;
    if (id === 0) return { kind: "UNKN", name: "" };
    if (this.base === undefined || id >= this.firstId) {
      throw new RangeError(`Cannot get BTF type ${id}: it was not added`);
    }
    return this.base.type(id);
  }

  /** Interns a string and returns its offset. Equal strings share one offset. */
  addString(text: string): number {
    return this.#strings.intern(text);
  }

  /** The blob. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const types = new Writer({ endian: this.endian, capacity: 64 * this.#types.length + 64 });
    const target = {
      word: (value: number): void => void types.u32(value >>> 0),
      string: (text: string): number => this.#strings.intern(text),
    };
    for (const type of this.#types) encodeType(target, type);
    return assemble(this.endian, types.toBytes(), this.#strings.toBytes());
  }

  /** The blob, opened. */
  build(path?: string): Btf {
    return Btf.parse(this.toBytes(), { base: this.base, path });
  }
}

/**
 * A copy of `btf` in which each own type is what `map` makes of it; ids and the offsets of present strings stay, so
 * `.BTF.ext` records keep their meaning. `map` may return the type it was given.
 */
export function rewriteBtf(btf: Btf, map: (type: BtfType, id: number) => BtfType): Btf {
  const builder = new BtfBuilder({ endian: btf.endian, base: btf.base, stringsOf: btf });
  for (let id = btf.firstId; id < btf.typeCount; id++) builder.add(map(btf.type(id), id));
  return builder.build(btf.path);
}

/** Adds strings to a BTF as it is; types and the offsets of its strings stay. */
export class StringAppender {
  readonly #btf: Btf;
  readonly #strings: StringTable;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#strings = new StringTable(btf.base?.strings.end ?? 0, btf.strings.bytes);
  }

  /** The offset of a string, present or new. */
  add(text: string): number {
    return this.#strings.intern(text);
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const { words } = this.#btf.raw();
    const types = new Writer({ endian: this.#btf.endian, capacity: words.length * 4 });
    for (const word of words) types.u32(word);
    return assemble(this.#btf.endian, types.toBytes(), this.#strings.toBytes());
  }
}

function assemble(endian: Endian, types: Uint8Array, strings: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new Writer({ endian, capacity: BTF_HEADER_SIZE + types.length + strings.length });
  writer.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(BTF_HEADER_SIZE);
  writer.u32(0).u32(types.length).u32(types.length).u32(strings.length);
  return writer.raw(types).raw(strings).toBytes();
}

/** Interned strings in order of appearance, after those given at the start. */
class StringTable {
  readonly #start: number;
  readonly #writer: Writer;
  readonly #offsets = new Map<string, number>();
  readonly #encoder = new TextEncoder();

  constructor(start: number, seed: Uint8Array | undefined) {
    this.#start = start;
    this.#writer = new Writer({ capacity: 1024 });
    this.#offsets.set("", 0);
    if (seed !== undefined) this.#seed(seed);
    else if (start === 0) this.#writer.u8(0);
  }

  intern(text: string): number {
    let offset = this.#offsets.get(text);
    if (offset !== undefined) return offset;
    if (text.includes("\0")) throw new TypeError(`Cannot write BTF string ${JSON.stringify(text)}: it contains a NUL`);
    offset = this.#start + this.#writer.length;
    this.#offsets.set(text, offset);
    this.#writer.raw(this.#encoder.encode(text)).u8(0);
    return offset;
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#writer.toBytes();
  }

  #seed(bytes: Uint8Array): void {
    const decoder = new TextDecoder();
    let from = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, from)) {
      const text = decoder.decode(bytes.subarray(from, end));
      if (!this.#offsets.has(text)) this.#offsets.set(text, this.#start + from);
      from = end + 1;
    }
    this.#writer.raw(bytes);
  }
}
