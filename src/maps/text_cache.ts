/**
 * Text of fixed-size fields, from a cache of contents: names of tasks and paths repeat, and TextDecoder takes
 * 150 to 300 ns a call. bench/ringbuf.ts: a task's name and a path of 35 bytes together take 26 ns in V8 and 47 ns in
 * JavaScriptCore; without the cache 320.
 */
import { decodeString } from "../bytes/composites.ts";

const SLOT_BITS = 9;
/** Longer texts are not kept: 16 words of 4 bytes. */
const MAX_WORDS = 16;

const texts: string[] = new Array<string>(1 << SLOT_BITS).fill("");
/** For each slot the words of the text, the last one with nothing behind the NUL. */
const kept = new Int32Array((1 << SLOT_BITS) * MAX_WORDS);
/** How many words each slot has: a field that is full has no NUL to tell it from the start of a longer text. */
const counts = new Uint8Array(1 << SLOT_BITS);
const found = new Int32Array(MAX_WORDS);

/** The text in `length` bytes up to the first NUL. `length` is a multiple of 4. */
export function cachedText(view: DataView, at: number, length: number): string {
  const limit = Math.min(length >> 2, MAX_WORDS);
  let hash = 0;
  for (let i = 0; i < limit; i++) {
    let word = view.getInt32(at + 4 * i, true);
    const zeros = (word - 0x01010101) & ~word & 0x80808080;
    if (zeros !== 0) word &= ((zeros & -zeros) >>> 7) - 1; // the bytes below the lowest zero byte
    found[i] = word;
    // A rotation takes one cycle where a multiplication takes three, and each word waits for the one before.
    hash = ((hash << 5) | (hash >>> 27)) ^ word;
    if (zeros !== 0) return lookup(view, at, length, slotOf(hash), i + 1);
  }
  if (limit << 2 < length) return decode(view, at, length);
  return lookup(view, at, length, slotOf(hash), limit);
}

function slotOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> (32 - SLOT_BITS);
}

function lookup(view: DataView, at: number, length: number, slot: number, words: number): string {
  if (counts[slot] !== words) return keep(view, at, length, slot, words);
  const base = slot * MAX_WORDS;
  for (let i = 0; i < words; i++) {
    if (kept[base + i] !== found[i]) return keep(view, at, length, slot, words);
  }
  return texts[slot]!;
}

function keep(view: DataView, at: number, length: number, slot: number, words: number): string {
  const text = decode(view, at, length);
  kept.set(words === MAX_WORDS ? found : found.subarray(0, words), slot * MAX_WORDS);
  counts[slot] = words;
  return texts[slot] = text;
}

function decode(view: DataView, at: number, length: number): string {
  return decodeString(new Uint8Array(view.buffer, view.byteOffset + at, length));
}
