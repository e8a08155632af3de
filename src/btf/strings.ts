/**
 * The string section of a BTF blob. Offsets of split BTF continue those of its base. Strings are made only when asked
 * for; comparing and hashing work on the bytes.
 */
import { FormatError } from "../errors.ts";

const utf8 = new TextDecoder();
const UNDERSCORE = 95;

/** One blob's strings, and through `base` those it builds on. */
export class BtfStrings {
  readonly bytes: Uint8Array;
  readonly base: BtfStrings | undefined;
  /** Offset of the first own byte. */
  readonly start: number;
  /** One past the last valid offset. */
  readonly end: number;
  readonly path: string;
  #text: string | undefined;

  constructor(bytes: Uint8Array, base: BtfStrings | undefined, path: string) {
    this.bytes = bytes;
    this.base = base;
    this.start = base?.end ?? 0;
    this.end = this.start + bytes.length;
    this.path = path;
  }

  /** The string at `offset`; throws `FormatError` if the offset is out of range. */
  get(offset: number): string {
    if (offset === 0) return "";
    const owner = this.owner(offset);
    const { bytes, start } = owner;
    const from = offset - start;
    const text = owner.#text ??= smallText(bytes);
    if (text !== "") return text.slice(from, text.indexOf("\0", from));
    let end = from;
    let all = 0;
    for (let c = bytes[end]!; c !== 0; c = bytes[++end]!) all |= c;
    const part = bytes.subarray(from, end);
    if (all >= 0x80 || part.length > 512) return utf8.decode(part);
    return String.fromCharCode.apply(null, part as unknown as number[]);
  }

  /**
   * Hash of the essential name: of `name___flavour` only `name` counts, so that a type and its flavours meet in one
   * bucket.
   */
  hash(offset: number): number {
    const { bytes, start } = this.owner(offset);
    return hashEssential(bytes, offset - start);
  }

  /** Hash of the whole string. */
  wholeHash(offset: number): number {
    const { bytes, start } = this.owner(offset);
    return hashWhole(bytes, offset - start);
  }

  /** Whether the string is exactly `wanted`, which ends with a NUL. */
  equals(offset: number, wanted: Uint8Array): boolean {
    const { bytes, start } = this.owner(offset);
    const from = offset - start;
    for (let i = 0; i < wanted.length; i++) if (bytes[from + i] !== wanted[i]) return false;
    return true;
  }

  /** Whether the string without its `___flavour` is `wanted`, which ends with a NUL. */
  equalsEssential(offset: number, wanted: Uint8Array): boolean {
    const { bytes, start } = this.owner(offset);
    const from = offset - start;
    const length = wanted.length - 1;
    for (let i = 0; i < length; i++) if (bytes[from + i] !== wanted[i]) return false;
    return essentialLength(bytes, from) === length;
  }

  /** Whether two offsets have equal strings. */
  same(a: number, b: number): boolean {
    if (a === b) return true;
    const ownerA = this.owner(a);
    const ownerB = this.owner(b);
    const bytesA = ownerA.bytes;
    const bytesB = ownerB.bytes;
    for (let i = a - ownerA.start, j = b - ownerB.start;; i++, j++) {
      if (bytesA[i] !== bytesB[j]) return false;
      if (bytesA[i] === 0) return true;
    }
  }

  isEmpty(offset: number): boolean {
    const { bytes, start } = this.owner(offset);
    return bytes[offset - start] === 0;
  }

  /** The bytes of a string, without the NUL; a view. */
  bytesOf(offset: number): Uint8Array {
    const { bytes, start } = this.owner(offset);
    return bytes.subarray(offset - start, bytes.indexOf(0, offset - start));
  }

  /** The part, own or of a base, that has this offset; throws `FormatError` if there is none. */
  owner(offset: number): BtfStrings {
    // deno-lint-ignore no-this-alias -- walks down to the base without recursion
    let owner: BtfStrings = this;
    if (!(offset >= 0 && offset < this.end)) {
      throw new FormatError(this.path, `string offset ${offset} is outside of the ${this.end} bytes of strings`);
    }
    while (offset < owner.start && owner.base !== undefined) owner = owner.base;
    return owner;
  }
}

/** Those of an object, not of a kernel. */
const SMALL = 1 << 15;

/** All strings at once, for names to be cut out of; empty if they are too many for that or more than ASCII. */
function smallText(bytes: Uint8Array): string {
  if (bytes.length > SMALL) return "";
  const text = utf8.decode(bytes);
  return text.length === bytes.length && !/[^\0-\x7f]/.test(text) ? text : "";
}

/** `bytes` has a NUL behind the name. See `essentialLength` for what a flavour is. */
export function hashEssential(bytes: Uint8Array, from: number): number {
  let hash = 0;
  let beforeRun = 0;
  let run = 0;
  let cut = -1;
  let i = from;
  for (let c = bytes[i]!; c !== 0; c = bytes[++i]!) {
    if (c === UNDERSCORE) {
      if (run++ === 0) beforeRun = hash;
    } else {
      if (run === 3 && i - from > 3) cut = beforeRun & 0x7fffffff;
      run = 0;
    }
    hash = (Math.imul(hash, 31) + c) | 0;
  }
  return cut >= 0 ? cut : hash & 0x7fffffff;
}

/** The hash of a name that has no flavour to ignore. */
export function hashWhole(bytes: Uint8Array, from: number): number {
  let hash = 0;
  for (let i = from, c = bytes[i]!; c !== 0; c = bytes[++i]!) hash = (Math.imul(hash, 31) + c) | 0;
  return hash & 0x7fffffff;
}

/** Bytes before the last separator: exactly three underscores between characters that are none, as in libbpf. */
function essentialLength(bytes: Uint8Array, from: number): number {
  let run = 0;
  let cut = -1;
  let i = from;
  for (let c = bytes[i]!; c !== 0; c = bytes[++i]!) {
    if (c === UNDERSCORE) run++;
    else {
      if (run === 3 && i - from > 3) cut = i - 3 - from;
      run = 0;
    }
  }
  return cut >= 0 ? cut : i - from;
}
