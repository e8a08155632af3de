/**
 * A BTF blob, opened for reading: types by id, ids by name. Takes the bytes of a `.BTF` section, of
 * /sys/kernel/btf/* or of BPF_OBJ_GET_INFO_BY_FD, both byte orders, alone or split over a base.
 *
 * Opening is one pass that notes where each type starts; a type becomes an object when it is asked for, a name a string
 * when it is asked for. The kernel's own BTF has 126 000 types in 5.5 MB, of which a program needs a few dozen.
 * Follows Documentation/bpf/btf.rst.
 */
import type { Endian } from "../bytes/cursor.ts";
import { FormatError } from "../errors.ts";
import type { DecodeSource } from "./decode.ts";
import { decodeType } from "./decode.ts";
import { parseBtfHeader } from "./header.ts";
import { isDataKind, kindNumber, kindOfInfo, vlenOfInfo } from "./kinds.ts";
import { BtfNameIndex } from "./name_index.ts";
import { scanTypes, typeIsSound } from "./scan.ts";
import { BtfStrings } from "./strings.ts";
import type { BtfKindName, BtfType } from "./types.ts";

/** How to open a blob. */
export interface BtfOptions {
  /** For split BTF (kernel modules): the BTF whose ids and strings this one continues. */
  base?: Btf | undefined;
  /** Where the bytes come from, as errors print it: `foo.o: .BTF`. */
  path?: string | undefined;
}

const VOID: BtfType = { kind: "UNKN", name: "" };

/** A parsed BTF blob. Immutable. */
export class Btf implements DecodeSource {
  /** The BTF this one continues. */
  readonly base: Btf | undefined;
  /** The first id of its own: 1, or the base's `typeCount`. */
  readonly firstId: number;
  /** Ids below it are valid, those of the base and 0 (`void`) included. */
  readonly typeCount: number;
  readonly endian: Endian;
  /** The blob as given. */
  readonly bytes: Uint8Array;
  /** Where the bytes come from. */
  readonly path: string;
  readonly strings: BtfStrings;
  readonly #words: Uint32Array;
  /** Position of a type in `#words`, by id minus `firstId`; one more entry marks the end. */
  readonly #offsets: Uint32Array;
  readonly #types = new Map<number, BtfType>();
  readonly #dataIds: Uint32Array;
  #dataNames: BtfNameIndex | undefined;
  #otherNames: BtfNameIndex | undefined;

  private constructor(bytes: Uint8Array, options: BtfOptions) {
    this.base = options.base;
    this.path = options.path ?? "BTF";
    this.bytes = bytes;
    const header = parseBtfHeader(bytes, this.path, this.base !== undefined);
    this.endian = header.endian;
    this.strings = new BtfStrings(header.strings, this.base?.strings, this.path);
    this.firstId = this.base?.typeCount ?? 1;
    this.#words = header.words;
    const scan = scanTypes(header.words, header.layout, this.firstId, this.path);
    this.#offsets = scan.offsets;
    this.#dataIds = scan.dataIds;
    this.typeCount = this.firstId + this.#offsets.length - 1;
  }

  /**
   * Opens a blob. Throws `FormatError` if the header, the kinds or the lengths of types are wrong; a wrong type id or
   * string offset shows when the type is asked for, or at once by `validate()`.
   */
  static parse(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    return new Btf(bytes, options);
  }

  /** The type with this id, decoded once. Throws `FormatError` if the id or anything in the type is out of range. */
  type(id: number): BtfType {
    if (id === 0) return VOID;
    if (id < this.firstId && this.base !== undefined) return this.base.type(id);
    let type = this.#types.get(id);
    if (type === undefined) {
      const at = this.#at(id);
      type = decodeType(this, this.#words, at, this.#offsets[id - this.firstId + 1]!, id);
      this.#types.set(id, type);
    }
    return type;
  }

  /** `BTF_KIND_*` number of a type, without decoding it. */
  kindOf(id: number): number {
    if (id === 0) return 0;
    if (id < this.firstId && this.base !== undefined) return this.base.kindOf(id);
    return kindOfInfo(this.#words[this.#at(id) + 1]!);
  }

  /** Its name; empty if it has none. */
  nameOf(id: number): string {
    return this.string(this.nameOffset(id));
  }

  /** Its name's offset in the strings, 0 if it has none. */
  nameOffset(id: number): number {
    if (id === 0) return 0;
    if (id < this.firstId && this.base !== undefined) return this.base.nameOffset(id);
    return this.#words[this.#at(id)]!;
  }

  /** Members, values, parameters or variables of a type; the linkage of a FUNC. */
  vlenOf(id: number): number {
    return vlenOfInfo(this.infoOf(id));
  }

  /** The second word of `struct btf_type`: kind, vlen and kind_flag. */
  infoOf(id: number): number {
    if (id === 0) return 0;
    if (id < this.firstId && this.base !== undefined) return this.base.infoOf(id);
    return this.#words[this.#at(id) + 1]!;
  }

  /** The string at an offset of the string section. */
  string(offset: number): string {
    return this.strings.get(offset);
  }

  /** The first type with this name (and kind); its own types come before those of the base. */
  find(name: string, kind?: BtfKindName | number): number | undefined {
    return this.#own(name, kind)[0] ?? this.base?.find(name, kind);
  }

  /** Every type with this name (and kind), its own first, each part in ascending order. */
  findAll(name: string, kind?: BtfKindName | number): number[] {
    return this.#own(name, kind).concat(this.base?.findAll(name, kind) ?? []);
  }

  /**
   * Ids of the types whose name without `___flavour` is `essentialName`, of any kind that describes data; those of the
   * base first, so in ascending order. Ids from `firstId` on are this blob's own.
   */
  candidates(essentialName: string): number[] {
    return (this.base?.candidates(essentialName) ?? []).concat(...this.#dataIndex().essential(essentialName));
  }

  /** Its own ids (not the base's), all or those of one kind, in ascending order. */
  *ids(kind?: BtfKindName | number): Iterable<number> {
    const number = kind === undefined ? undefined : kindNumber(kind);
    for (let id = this.firstId; id < this.typeCount; id++) {
      if (kind === undefined || this.kindOf(id) === number) yield id;
    }
  }

  /** Checks every own type now, instead of when it is asked for. Throws `FormatError`. */
  validate(): this {
    const count = this.#offsets.length - 1;
    for (let i = 0; i < count; i++) {
      if (!typeIsSound(this.#words, this.#offsets[i]!, this.typeCount, this.strings.end)) this.type(this.firstId + i);
    }
    return this;
  }

  #at(id: number): number {
    const at = this.#offsets[id - this.firstId];
    if (at === undefined || id >= this.typeCount) {
      throw new FormatError(this.path, `type id ${id} is out of range: there are ${this.typeCount}`);
    }
    return at;
  }

  #own(name: string, kind: BtfKindName | number | undefined): number[] {
    const ids: number[] = [];
    if (kind === undefined) {
      ids.push(...this.#dataIndex().exact(name), ...this.#otherIndex().exact(name));
      return ids.sort((a, b) => a - b);
    }
    const number = kindNumber(kind);
    const index = number !== undefined && isDataKind(number) ? this.#dataIndex() : this.#otherIndex();
    for (const id of index.exact(name)) if (number === this.kindOf(id)) ids.push(id);
    return ids;
  }

  #dataIndex(): BtfNameIndex {
    return this.#dataNames ??= new BtfNameIndex(this, this.#dataIds);
  }

  #otherIndex(): BtfNameIndex {
    return this.#otherNames ??= new BtfNameIndex(this, this.#otherIds());
  }

  /** Named types that are no data: functions, variables, sections, tags. */
  #otherIds(): Uint32Array {
    const [words, offsets] = [this.#words, this.#offsets];
    const ids = new Uint32Array(offsets.length);
    let count = 0;
    for (let i = 0; i < offsets.length - 1; i++) {
      const at = offsets[i]!;
      if (words[at] !== 0 && !isDataKind(kindOfInfo(words[at + 1]!))) ids[count++] = this.firstId + i;
    }
    return ids.subarray(0, count);
  }
}
