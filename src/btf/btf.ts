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
import type { BtfNamed, BtfScan } from "./scan.ts";
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
  readonly #scan: BtfScan;
  #dataNames: BtfNameIndex | undefined;
  #otherNames: BtfNameIndex | undefined;

  private constructor(bytes: Uint8Array, options: BtfOptions, known?: BtfScan) {
    this.base = options.base;
    this.path = options.path ?? "BTF";
    this.bytes = bytes;
    const header = parseBtfHeader(bytes, this.path, this.base !== undefined);
    this.endian = header.endian;
    this.strings = new BtfStrings(header.strings, this.base?.strings, this.path);
    this.firstId = this.base?.typeCount ?? 1;
    this.#words = header.words;
    const scan = known ?? scanTypes(header.words, header.layout, this.firstId, this.path);
    this.#offsets = scan.offsets;
    this.#scan = scan;
    this.typeCount = this.firstId + this.#offsets.length - 1;
  }

  /**
   * Opens a blob. Throws `FormatError` if the header, the kinds or the lengths of types are wrong; a wrong type id or
   * string offset shows when the type is asked for, or at once by `validate()`.
   */
  static parse(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    return new Btf(bytes, options);
  }

  /** This blob with other contents of types, but of the same kinds, names and lengths: nothing is looked through again. */
  withBytes(bytes: Uint8Array): Btf {
    return new Btf(bytes, { base: this.base, path: this.path }, this.#scan);
  }

  /** The type with this id, decoded once. Throws `FormatError` if the id or anything in the type is out of range. */
  type(id: number): BtfType {
    if (id === 0) return VOID;
    if (id < this.firstId && this.base !== undefined) return this.base.type(id);
    let type = this.#types.get(id);
    if (type === undefined) {
      this.infoOf(id); // Throws if there is no such type.
      const [at, end] = [this.#offsets[id - this.firstId]!, this.#offsets[id - this.firstId + 1]!];
      type = decodeType(this, this.#words, at, end, id);
      this.#types.set(id, type);
    }
    return type;
  }

  /** `BTF_KIND_*` number of a type, without decoding it. */
  kindOf(id: number): number {
    return kindOfInfo(this.infoOf(id));
  }

  /** Its name; empty if it has none. */
  nameOf(id: number): string {
    return this.string(this.nameOffset(id));
  }

  /** Members, values, parameters or variables of a type; the linkage of a FUNC. */
  vlenOf(id: number): number {
    return vlenOfInfo(this.infoOf(id));
  }

  /** Its name's offset in the strings, 0 if it has none. */
  nameOffset(id: number): number {
    if (id < this.firstId) return id === 0 || this.base === undefined ? 0 : this.base.nameOffset(id);
    return this.#words[this.#offsets[id - this.firstId]!] ?? this.#noType(id);
  }

  /** The second word of `struct btf_type`: kind, vlen and kind_flag. 0 for `void`. */
  infoOf(id: number): number {
    if (id < this.firstId) return id === 0 || this.base === undefined ? 0 : this.base.infoOf(id);
    // The entry behind the last type points behind the words, so every id that is too large ends at undefined.
    return this.#words[this.#offsets[id - this.firstId]! + 1] ?? this.#noType(id);
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
    return (this.base?.candidates(essentialName) ?? []).concat(this.#dataIndex().essential(essentialName));
  }

  /** Its own ids (not the base's), all or those of one kind, in ascending order. */
  ids(kind?: BtfKindName | number): Iterable<number> {
    if (kind === undefined) return this.#allIds();
    const number = kindNumber(kind);
    const found: number[] = [];
    const words = this.#words;
    const offsets = this.#offsets;
    const count = offsets.length - 1;
    for (let i = 0; i < count; i++) {
      if (((words[offsets[i]! + 1]! >>> 24) & 0x7f) === number) found.push(this.firstId + i);
    }
    return found;
  }

  *#allIds(): Iterable<number> {
    for (let id = this.firstId; id < this.typeCount; id++) yield id;
  }

  /** Its own ids of what has a name and is no data (functions, variables, sections, tags), in ascending order. */
  symbolic(): Uint32Array {
    return this.#scan.others.positions.map((position) => position + this.firstId);
  }

  /** Checks every own type now, instead of when it is asked for. Throws `FormatError`. */
  validate(): this {
    const count = this.#offsets.length - 1;
    for (let i = 0; i < count; i++) {
      if (!typeIsSound(this.#words, this.#offsets[i]!, this.typeCount, this.strings.end)) this.type(this.firstId + i);
    }
    return this;
  }

  /** Its own types as words in the machine's byte order, and where each starts; the last entry marks the end. Read only. */
  raw(): { readonly words: Uint32Array; readonly offsets: Uint32Array } {
    return { words: this.#words, offsets: this.#offsets };
  }

  #noType(id: number): never {
    throw new FormatError(this.path, `type id ${id} is out of range: there are ${this.typeCount}`);
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
    return this.#dataNames ??= this.#indexOf(this.#scan.data);
  }

  #otherIndex(): BtfNameIndex {
    return this.#otherNames ??= this.#indexOf(this.#scan.others);
  }

  #indexOf(named: BtfNamed): BtfNameIndex {
    return new BtfNameIndex(this.strings, named, this.firstId);
  }
}
