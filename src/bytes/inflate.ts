/**
 * Gzip and DEFLATE decompression, synchronous and without help of the runtime: /proc/config.gz is read while an object
 * loads, where nothing can wait for a stream. Follows RFC 1951 and RFC 1952.
 */
import { FormatError } from "../errors.ts";

/** Result sizes beyond this are refused: a small input can claim to expand without end. */
const MAX_OUTPUT = 64 << 20;

/** The contents of a gzip file with one member. Throws `FormatError`. */
export function gunzip(bytes: Uint8Array, path = "gzip data"): Uint8Array {
  if (bytes.length < 18 || bytes[0] !== 0x1f || bytes[1] !== 0x8b) throw new FormatError(path, "is not gzip data");
  if (bytes[2] !== 8) throw new FormatError(path, `compression method ${bytes[2]} is not known`, { offset: 2 });
  const flags = bytes[3]!;
  let at = 10;
  if ((flags & 4) !== 0) at += 2 + (bytes[at]! | (bytes[at + 1]! << 8));
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) throw new FormatError(path, "header is cut off", { offset: at });
    at = end + 1;
  }
  if ((flags & 2) !== 0) at += 2;
  return inflate(bytes.subarray(at), path);
}

/** Decompresses raw DEFLATE data. Throws `FormatError`. */
export function inflate(bytes: Uint8Array, path = "deflate data"): Uint8Array {
  return new Inflater(bytes, path).run();
}

const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LENGTH_BASE = [
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  10,
  11,
  13,
  15,
  17,
  19,
  23,
  27,
  31,
  35,
  43,
  51,
  59,
  67,
  83,
  99,
  115,
  131,
  163,
  195,
  227,
  258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1,
  2,
  3,
  4,
  5,
  7,
  9,
  13,
  17,
  25,
  33,
  49,
  65,
  97,
  129,
  193,
  257,
  385,
  513,
  769,
  1025,
  1537,
  2049,
  3073,
  4097,
  6145,
  8193,
  12289,
  16385,
  24577,
];

/** A canonical Huffman code as two tables: how many codes of each length, and the symbols in order of their codes. */
interface Huffman {
  counts: Uint16Array;
  symbols: Uint16Array;
}

class Inflater {
  readonly #bytes: Uint8Array;
  readonly #path: string;
  #at = 0;
  #bits = 0;
  #bitCount = 0;
  #out: Uint8Array = new Uint8Array(1 << 16);
  #length = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#path = path;
  }

  run(): Uint8Array {
    for (let last = 0; last === 0;) {
      last = this.#take(1);
      const type = this.#take(2);
      if (type === 0) this.#stored();
      else if (type === 1) this.#compressed(...fixedCodes());
      else if (type === 2) this.#compressed(...this.#dynamicCodes());
      else this.#fail("block type 3 does not exist");
    }
    return this.#out.subarray(0, this.#length);
  }

  #stored(): void {
    this.#bits = this.#bitCount = 0;
    const bytes = this.#bytes;
    const length = bytes[this.#at]! | (bytes[this.#at + 1]! << 8);
    const from = this.#at + 4;
    if (from + length > bytes.length) this.#fail("a stored block is cut off");
    this.#room(length);
    this.#out.set(bytes.subarray(from, from + length), this.#length);
    this.#length += length;
    this.#at = from + length;
  }

  #compressed(literals: Huffman, distances: Huffman): void {
    for (;;) {
      const symbol = this.#decode(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.#room(1);
        this.#out[this.#length++] = symbol;
      } else this.#copy(symbol - 257, distances);
    }
  }

  #copy(code: number, distances: Huffman): void {
    const base = LENGTH_BASE[code];
    if (base === undefined) this.#fail(`length code ${code} does not exist`);
    const length = base + this.#take(LENGTH_BITS[code]!);
    const distanceCode = this.#decode(distances);
    const distanceBase = DISTANCE_BASE[distanceCode];
    if (distanceBase === undefined) this.#fail(`distance code ${distanceCode} does not exist`);
    const distance = distanceBase + this.#take(distanceCode < 2 ? 0 : (distanceCode >> 1) - 1);
    if (distance > this.#length) this.#fail(`distance ${distance} reaches before the start`);
    this.#room(length);
    const out = this.#out;
    // Byte by byte: source and destination may overlap, which repeats the pattern.
    for (let i = 0; i < length; i++) out[this.#length] = out[this.#length++ - distance]!;
  }

  #dynamicCodes(): [Huffman, Huffman] {
    const literalCount = this.#take(5) + 257;
    const distanceCount = this.#take(5) + 1;
    const codeCount = this.#take(4) + 4;
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codeCount; i++) codeLengths[CODE_LENGTH_ORDER[i]!] = this.#take(3);
    const codes = huffman(codeLengths);
    const lengths = new Uint8Array(literalCount + distanceCount);
    for (let i = 0; i < lengths.length;) {
      const symbol = this.#decode(codes);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) this.#fail("repeats a code length before the first");
      const value = symbol === 16 ? lengths[i - 1]! : 0;
      const repeat = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (i + repeat > lengths.length) this.#fail("has too many code lengths");
      lengths.fill(value, i, i + repeat);
      i += repeat;
    }
    return [huffman(lengths.subarray(0, literalCount)), huffman(lengths.subarray(literalCount))];
  }

  #decode(code: Huffman): number {
    let value = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= 15; length++) {
      value |= this.#take(1);
      const count = code.counts[length]!;
      if (value - count < first) return code.symbols[index + value - first]!;
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    return this.#fail("holds a code that does not exist");
  }

  #take(count: number): number {
    while (this.#bitCount < count) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) this.#fail("is cut off");
      this.#bits |= byte << this.#bitCount;
      this.#bitCount += 8;
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#bitCount -= count;
    return value;
  }

  #room(count: number): void {
    const needed = this.#length + count;
    if (needed > MAX_OUTPUT) this.#fail(`expands to more than ${MAX_OUTPUT} bytes`);
    if (needed <= this.#out.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#out.length * 2));
    grown.set(this.#out.subarray(0, this.#length));
    this.#out = grown;
  }

  #fail(problem: string): never {
    throw new FormatError(this.#path, problem, { offset: this.#at });
  }
}

function huffman(lengths: Uint8Array): Huffman {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  const offsets = new Uint16Array(16);
  for (let i = 1; i < 15; i++) offsets[i + 1] = offsets[i]! + counts[i]!;
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length !== 0) symbols[offsets[length]!++] = symbol;
  });
  return { counts, symbols };
}

/** RFC 1951, 3.2.6. */
function fixedCodes(): [Huffman, Huffman] {
  const lengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
  return [huffman(lengths), huffman(new Uint8Array(30).fill(5))];
}
