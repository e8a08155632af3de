/**
 * Puts stores into the same aligned 8-byte word together: constants become wider immediates, a narrow value with zeros above it
 * one wide store. Only in memory that nothing else sees meanwhile: stack slots and fresh allocations.
 *
 * Stores wait until something may read the word, or the block ends; then the best way to write the bytes takes their place.
 */
import { Constants } from "../ir/edit.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";
import { callMayRead, callMayWrite, mayOverlap, place, placeOf, sameRoot } from "./memory.ts";
import { Escapes } from "./memory.ts";
import type { Place } from "./memory.ts";
import { valueWidths } from "./widths.ts";

/** A store, or the part of a zeroing that lies in one word. */
interface Piece {
  /** From the word's start. */
  readonly offset: number;
  readonly size: number;
  readonly value: Inst;
  /** Where in the output it stands. */
  readonly at: number;
}

/** An 8-byte word that stores wait for. */
interface Word {
  readonly root: Inst;
  /** Offset in the object, a multiple of 8. */
  readonly offset: number;
  pieces: Piece[];
}

/** A store that is wanted. */
interface Chunk {
  readonly offset: number;
  readonly size: number;
  readonly value: Inst;
  readonly at: number;
}

export function mergeStores(fn: IrFunction): void {
  if (!fn.blocks.some((block) => block.insts.some((inst) => inst.op === "store" || inst.op === "zero"))) return;
  const merger = new Merger(fn);
  for (const block of fn.blocks) block.insts = merger.block(block.insts);
  merger.constants.place();
}

class Merger {
  readonly constants: Constants;
  #fn: IrFunction;
  #escapes: Escapes;
  #widths: Uint8Array;
  /** By position: what goes there; a store that waits leaves its place empty. */
  #out: Inst[][] = [];
  #words: Word[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#escapes = new Escapes(fn);
    this.#widths = valueWidths(fn);
    this.constants = new Constants(fn);
  }

  block(insts: readonly Inst[]): Inst[] {
    this.#out = [];
    for (const inst of insts) {
      if ((inst.op === "store" || inst.op === "zero") && this.#wait(inst)) continue;
      this.#flushFor(inst);
      this.#out.push([inst]);
    }
    this.#flush(() => true);
    return this.#out.flat();
  }

  /** Lets a store wait in its words; false if it cannot. */
  #wait(inst: Inst): boolean {
    const { root, offset, size } = placeOf(inst);
    if (offset === undefined || inst.core !== undefined || !this.#escapes.isPrivate(root)) return false;
    if (inst.op === "store" && (offset & 7) + size > 8) return false;
    const { slot } = root;
    if (slot !== undefined && (slot.align < 8 || (offset + size + 7 & ~7) > slot.size)) return false;
    const value = inst.op === "store" ? inst.args[1]! : this.constants.get(0n);
    const at = this.#out.length;
    this.#out.push([]);
    for (let from = offset; from < offset + size;) {
      const start = from & ~7;
      const to = Math.min(offset + size, start + 8);
      this.#word(root, start).pieces.push({ offset: from - start, size: to - from, value, at });
      from = to;
    }
    return true;
  }

  #word(root: Inst, offset: number): Word {
    let word = this.#words.find((w) => w.offset === offset && sameRoot(w.root, root));
    if (word === undefined) this.#words.push(word = { root, offset, pieces: [] });
    return word;
  }

  /** Writes the words that the instruction may read or write. */
  #flushFor(inst: Inst): void {
    if (this.#words.length === 0) return;
    const whole = (word: Word): Place => ({ root: word.root, offset: word.offset, size: 8 });
    switch (inst.op) {
      case "load":
      case "store":
      case "zero":
      case "atomic": {
        const touched = placeOf(inst);
        return this.#flush((word) => mayOverlap(whole(word), touched, this.#escapes));
      }
      case "copy": {
        const read = place(inst.args[1]!, inst.srcOffset, inst.size);
        const written = placeOf(inst);
        return this.#flush((word) =>
          [read, written].some((touched) => mayOverlap(whole(word), touched, this.#escapes))
        );
      }
      case "call":
        return this.#flush((word) =>
          callMayRead(inst, whole(word), this.#escapes) || callMayWrite(inst, whole(word), this.#escapes)
        );
    }
  }

  #flush(which: (word: Word) => boolean): void {
    const kept: Word[] = [];
    for (const word of this.#words) {
      if (which(word)) this.#write(word);
      else kept.push(word);
    }
    this.#words = kept;
  }

  #write(word: Word): void {
    const chunks = this.#cover(word) ?? word.pieces.flatMap((piece) => split(piece));
    for (const { offset, size, value, at } of chunks) {
      const store = this.#fn.inst("store", [word.root, value]);
      store.offset = word.offset + offset;
      store.size = size;
      this.#out[at]!.push(store);
    }
  }

  /** The fewest stores that leave the same bytes; undefined if the pieces cannot be taken apart. */
  #cover(word: Word): Chunk[] | undefined {
    const bytes: (Piece | undefined)[] = new Array(8).fill(undefined);
    for (const piece of word.pieces) bytes.fill(piece, piece.offset, piece.offset + piece.size);
    const chunks: Chunk[] = [];
    for (let offset = 0; offset < 8;) {
      if (bytes[offset] === undefined) {
        offset++;
        continue;
      }
      const chunk = [8, 4, 2, 1].filter((size) => offset % size === 0).map((size) => this.#chunk(bytes, offset, size))
        .find((found) => found !== undefined);
      if (chunk === undefined) return undefined;
      chunks.push(chunk);
      offset += chunk.size;
    }
    return chunks;
  }

  /** One store for the bytes, if there is one. */
  #chunk(bytes: readonly (Piece | undefined)[], offset: number, size: number): Chunk | undefined {
    const part = bytes.slice(offset, offset + size);
    if (part.includes(undefined)) return undefined;
    const pieces = part as Piece[];
    const at = Math.max(...pieces.map((piece) => piece.at));
    if (pieces.every((piece) => piece.value.op === "const")) {
      const value = constantBytes(pieces, offset);
      const signed = BigInt.asIntN(size * 8, value);
      if (signed < -0x80000000n || signed > 0x7fffffffn) return undefined;
      return { offset, size, value: this.constants.get(signed), at };
    }
    const low = pieces[0]!;
    if (low.value.op === "const" || low.offset !== offset) return undefined;
    const own = pieces.filter((piece) => piece === low).length;
    if (own === size) return { offset, size, value: low.value, at: low.at };
    // Zeros above a value that is no wider than its own bytes.
    const above = pieces.slice(own);
    const zeros = above.every((piece) => piece.value.op === "const" && piece.value.imm === 0n);
    if (!zeros || pieces.slice(0, own).some((piece) => piece !== low) || this.#widths[low.value.id]! > own * 8) {
      return undefined;
    }
    return { offset, size, value: low.value, at: low.at };
  }
}

/** The bytes that constant pieces leave from `offset` on, as a little-endian number. */
function constantBytes(pieces: readonly Piece[], offset: number): bigint {
  let value = 0n;
  pieces.forEach((piece, i) => {
    const byte = piece.value.imm >> BigInt(8 * (offset + i - piece.offset)) & 0xffn;
    value |= byte << BigInt(8 * i);
  });
  return value;
}

/** Pieces of zeroing need not have the size of a store. */
function split(piece: Piece): Chunk[] {
  const chunks: Chunk[] = [];
  for (let from = piece.offset; from < piece.offset + piece.size;) {
    let size = 8;
    while (from % size !== 0 || from + size > piece.offset + piece.size) size /= 2;
    chunks.push({ offset: from, size, value: piece.value, at: piece.at });
    from += size;
  }
  return chunks;
}
