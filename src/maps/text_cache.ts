/**
 * Text of fixed-size fields, from a cache of contents: names of tasks and paths repeat, and TextDecoder takes
 * 150 to 300 ns a call. bench/ringbuf.ts: a task's name and a path of 35 bytes together take 26 ns in V8 and 47 ns in
 * JavaScriptCore; without the cache 320.
 */
import { decodeString } from "../bytes/composites.ts";

const SLOT_BITS = 10;
const SLOTS = 1 << SLOT_BITS;
/** Longer texts are not kept: 16 words of 4 bytes. */
const MAX_WORDS = 16;

const texts: string[] = new Array<string>(SLOTS).fill("");
/** For each slot the words of the text, the last one with nothing behind the NUL. */
const kept = new Int32Array(SLOTS * MAX_WORDS);
/** How many words each slot has: a field that is full has no NUL to tell it from the start of a longer text. */
const counts = new Uint8Array(SLOTS);
const found = new Int32Array(MAX_WORDS);
/** Which of a pair of slots is given up next: two texts that meet must not drive each other out for ever. */
let turn = 0;

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
    if (zeros !== 0) return lookup(view, at, length, hash, i + 1);
  }
  if (limit << 2 < length) return decode(view, at, length);
  return lookup(view, at, length, hash, limit);
}

/** From one of the two slots of its hash, else decoded and kept in one. */
function lookup(view: DataView, at: number, length: number, hash: number, words: number): string {
  const slot = (Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) >>> (32 - SLOT_BITS)) & ~1;
  if (holds(slot, words)) return texts[slot]!;
  if (holds(slot + 1, words)) return texts[slot + 1]!;
  turn ^= 1;
  const free = slot + turn;
  for (let i = 0; i < words; i++) kept[free * MAX_WORDS + i] = found[i]!;
  counts[free] = words;
  return texts[free] = decode(view, at, length);
}

function holds(slot: number, words: number): boolean {
  if (counts[slot] !== words) return false;
  const base = slot * MAX_WORDS;
  for (let i = 0; i < words; i++) if (kept[base + i] !== found[i]) return false;
  return true;
}

function decode(view: DataView, at: number, length: number): string {
  return decodeString(new Uint8Array(view.buffer, view.byteOffset + at, length));
}
