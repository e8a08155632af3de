/**
 * LZMA2, as .xz files hold it: chunks that are stored or compressed, over one growing window. After the LZMA
 * specification of Igor Pavlov (lzma-specification.txt) and section 5.3.1 of "The .xz File Format". Takes bytes, returns
 * bytes; the whole output is the window, so a dictionary size is not needed.
 */
import { FormatError } from "../errors.ts";

/** Results beyond this are refused: a small input can claim to expand without end. */
const MAX_OUTPUT = 256 << 20;
const HALF = 1024;
const TOP = 0x0100_0000;
const STATES = 12;
const POSITIONS = 16;
const MATCH_MIN = 2;
const END_OF_MATCHES = 0xffff_ffff;

/** Probabilities of one kind of length: short, middle, long, with the choices between them. */
class Lengths {
  readonly choice = new Uint16Array(2).fill(HALF);
  readonly low = new Uint16Array(POSITIONS << 3).fill(HALF);
  readonly middle = new Uint16Array(POSITIONS << 3).fill(HALF);
  readonly high = new Uint16Array(256).fill(HALF);
}

/** Everything that a reset of the state forgets. */
class Model {
  readonly literals: Uint16Array;
  readonly isMatch = new Uint16Array(STATES << 4).fill(HALF);
  readonly isRepeat = new Uint16Array(STATES).fill(HALF);
  readonly isRepeat0 = new Uint16Array(STATES).fill(HALF);
  readonly isRepeat1 = new Uint16Array(STATES).fill(HALF);
  readonly isRepeat2 = new Uint16Array(STATES).fill(HALF);
  readonly isRepeat0Long = new Uint16Array(STATES << 4).fill(HALF);
  readonly slots = new Uint16Array(4 << 6).fill(HALF);
  readonly distances = new Uint16Array(115).fill(HALF);
  readonly align = new Uint16Array(16).fill(HALF);
  readonly lengths = new Lengths();
  readonly repeatLengths = new Lengths();
  readonly repeats: [number, number, number, number] = [0, 0, 0, 0];
  state = 0;

  constructor(literalBits: number) {
    this.literals = new Uint16Array(0x300 << literalBits).fill(HALF);
  }
}

/** Decompresses LZMA2 chunks; also says where they end. Throws `FormatError`. */
export function decodeLzma2(input: Uint8Array, start: number, path: string): { bytes: Uint8Array; end: number } {
  const decoder = new Decoder(input, start, path);
  const end = decoder.run();
  return { bytes: decoder.output.slice(0, decoder.size), end };
}

class Decoder {
  output: Uint8Array = new Uint8Array(1 << 16);
  size = 0;
  readonly #input: Uint8Array;
  readonly #path: string;
  #at: number;
  #model: Model | undefined;
  #literalContext = 0;
  #literalMask = 0;
  #positionMask = 0;
  #properties = -1;
  #range = 0;
  #code = 0;

  constructor(input: Uint8Array, start: number, path: string) {
    this.#input = input;
    this.#at = start;
    this.#path = path;
  }

  run(): number {
    for (;;) {
      const control = this.#byte();
      if (control === 0) return this.#at;
      if (control >= 0x80) this.#compressed(control);
      else if (control <= 2) this.#stored();
      else this.#fail(`chunk of kind ${control} is not known`);
    }
  }

  #fail(problem: string): never {
    throw new FormatError(this.#path, problem, { offset: this.#at });
  }

  #byte(): number {
    const value = this.#input[this.#at++];
    return value === undefined ? this.#fail("is cut off") : value;
  }

  #word(): number {
    const high = this.#byte();
    return (high << 8) | this.#byte();
  }

  /** Room for `more` bytes. */
  #grow(more: number): void {
    const needed = this.size + more;
    if (needed > MAX_OUTPUT) this.#fail(`expands to more than ${MAX_OUTPUT} bytes`);
    if (needed <= this.output.length) return;
    const larger = new Uint8Array(Math.max(needed, this.output.length * 2));
    larger.set(this.output.subarray(0, this.size));
    this.output = larger;
  }

  #stored(): void {
    const length = this.#word() + 1;
    if (this.#at + length > this.#input.length) this.#fail("is cut off");
    this.#grow(length);
    this.output.set(this.#input.subarray(this.#at, this.#at + length), this.size);
    this.size += length;
    this.#at += length;
  }

  #compressed(control: number): void {
    const size = ((control & 31) << 16) + this.#word() + 1;
    const packed = this.#word() + 1;
    const reset = (control >> 5) & 3;
    if (reset >= 2) this.#setProperties(this.#byte());
    if (this.#properties < 0) this.#fail("the first chunk has no properties");
    if (reset >= 1) this.#model = new Model(this.#literalContext + Math.log2(this.#literalMask + 1));
    if (this.#model === undefined) this.#fail("the first chunk has no state");
    const end = this.#at + packed;
    this.#byte(); // always 0
    this.#range = 0xffff_ffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#byte()) >>> 0;
    this.#grow(size);
    this.#decode(this.#model, this.size + size);
    this.#normalize();
    if (this.#at !== end) this.#fail("a chunk is longer or shorter than it says");
  }

  #setProperties(value: number): void {
    const [lc, lp, pb] = [value % 9, Math.floor(value / 9) % 5, Math.floor(value / 45)];
    if (pb > 4 || lc + lp > 4) this.#fail(`properties ${value} are out of range`);
    this.#properties = value;
    this.#literalContext = lc;
    this.#literalMask = (1 << lp) - 1;
    this.#positionMask = (1 << pb) - 1;
  }

  // The range coder

  #normalize(): void {
    if (this.#range >= TOP) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#byte()) >>> 0;
  }

  #bit(probabilities: Uint16Array, index: number): 0 | 1 {
    this.#normalize();
    const probability = probabilities[index]!;
    const bound = (this.#range >>> 11) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      probabilities[index] = probability + ((2048 - probability) >> 5);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    probabilities[index] = probability - (probability >> 5);
    return 1;
  }

  /** Bits without a model, highest first. */
  #direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#normalize();
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      value = value * 2 + bit;
    }
    return value;
  }

  #tree(probabilities: Uint16Array, base: number, bits: number): number {
    let index = 1;
    for (let i = 0; i < bits; i++) index = (index << 1) | this.#bit(probabilities, base + index);
    return index - (1 << bits);
  }

  #reverseTree(probabilities: Uint16Array, base: number, bits: number): number {
    let [index, value] = [1, 0];
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(probabilities, base + index);
      index = (index << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  // Literals and matches

  #decode(model: Model, end: number): void {
    const { repeats } = model;
    while (this.size < end) {
      const position = this.size & this.#positionMask;
      if (this.#bit(model.isMatch, (model.state << 4) + position) === 0) {
        this.#literal(model);
        continue;
      }
      let length: number;
      if (this.#bit(model.isRepeat, model.state) === 0) {
        repeats.unshift(0);
        repeats.length = 4;
        length = this.#length(model.lengths, position);
        model.state = model.state < 7 ? 7 : 10;
        repeats[0] = this.#distance(model, length);
        if (repeats[0] === END_OF_MATCHES) this.#fail("an end marker is where none may be");
      } else if (this.#isShortRepeat(model, position)) {
        model.state = model.state < 7 ? 9 : 11;
        this.#copy(repeats[0], 1, end);
        continue;
      } else {
        length = this.#length(model.repeatLengths, position);
        model.state = model.state < 7 ? 8 : 11;
      }
      this.#copy(repeats[0], length + MATCH_MIN, end);
    }
  }

  /** Brings the repeated distance to the front; true for a single byte at the last distance. */
  #isShortRepeat(model: Model, position: number): boolean {
    const { state, repeats } = model;
    if (this.#bit(model.isRepeat0, state) === 0) {
      return this.#bit(model.isRepeat0Long, (state << 4) + position) === 0;
    }
    const which = this.#bit(model.isRepeat1, state) === 0 ? 1 : 2 + this.#bit(model.isRepeat2, state);
    const [distance = 0] = repeats.splice(which, 1);
    repeats.unshift(distance);
    return false;
  }

  #literal(model: Model): void {
    const previous = this.size === 0 ? 0 : this.output[this.size - 1]!;
    const context = ((this.size & this.#literalMask) << this.#literalContext) +
      (previous >> (8 - this.#literalContext));
    const base = 0x300 * context;
    let symbol = 1;
    if (model.state >= 7) {
      let match = this.#at0(model.repeats[0]);
      do {
        const matchBit = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#bit(model.literals, base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (matchBit !== bit) break;
      } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(model.literals, base + symbol);
    this.output[this.size++] = symbol & 255;
    model.state = model.state < 4 ? 0 : model.state < 10 ? model.state - 3 : model.state - 6;
  }

  #at0(distance: number): number {
    if (distance >= this.size) this.#fail("a match begins before the data");
    return this.output[this.size - distance - 1]!;
  }

  #length(lengths: Lengths, position: number): number {
    if (this.#bit(lengths.choice, 0) === 0) return this.#tree(lengths.low, position << 3, 3);
    if (this.#bit(lengths.choice, 1) === 0) return 8 + this.#tree(lengths.middle, position << 3, 3);
    return 16 + this.#tree(lengths.high, 0, 8);
  }

  #distance(model: Model, length: number): number {
    const slot = this.#tree(model.slots, Math.min(length, 3) << 6, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < 14) return base + this.#reverseTree(model.distances, base - slot, bits);
    return (base + this.#direct(bits - 4) * 16 + this.#reverseTree(model.align, 0, 4)) >>> 0;
  }

  #copy(distance: number, length: number, end: number): void {
    if (distance >= this.size) this.#fail("a match begins before the data");
    if (this.size + length > end) this.#fail("a match is longer than its chunk");
    const { output } = this;
    for (let i = 0; i < length; i++) {
      output[this.size] = output[this.size - distance - 1]!;
      this.size++;
    }
  }
}
