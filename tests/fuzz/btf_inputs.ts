/**
 * Damaged BTF: real blobs with bits, words, lengths and references changed, from a seed, and everything that reads BTF
 * tried on them. What is expected is an answer or a `FormatError`; anything else, and anything slow, is a finding.
 */
import { FormatError } from "../../src/errors.ts";
import { Btf } from "../../src/btf/btf.ts";
import { btfCodec } from "../../src/btf/codec.ts";
import { dedupBtf } from "../../src/btf/dedup.ts";
import { parseBtfExt, validateBtfExt } from "../../src/btf/ext.ts";
import { printC } from "../../src/btf/print_c.ts";
import { printTs } from "../../src/btf/print_ts.ts";
import { rewriteBtf } from "../../src/btf/write.ts";

/** A blob to start from. */
export interface Seed {
  btf: Uint8Array;
  ext: Uint8Array | undefined;
}

/** Numbers from a seed, the same everywhere (mulberry32). */
export function randomizer(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * below);
  };
}

const INTERESTING = [0, 1, 2, 3, 7, 8, 0xff, 0xffff, 0xffffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x84000002];

/** A copy with one to eight changes. */
export function mutate(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  let copy = bytes.slice();
  for (let changes = 1 + random(8); changes > 0; changes--) {
    const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
    const word = random(Math.max(1, copy.length >> 2)) * 4;
    if (word + 4 > copy.length) continue;
    switch (random(8)) {
      case 0:
        copy[random(copy.length)]! ^= 1 << random(8);
        break;
      case 1:
        view.setUint32(word, INTERESTING[random(INTERESTING.length)]!, true);
        break;
      case 2: // A small number: a type id, a count.
        view.setUint32(word, random(64), true);
        break;
      case 3: // An info word: any kind with few elements.
        view.setUint32(word, ((random(2) << 31) | (random(24) << 24) | random(5)) >>> 0, true);
        break;
      case 4: // A reference to the neighbourhood.
        view.setUint32(word, view.getUint32(word, true) + random(9) - 4, true);
        break;
      case 5:
        view.setUint32(word, view.getUint32(random(copy.length >> 2) * 4, true), true);
        break;
      case 6:
        if (random(20) === 0) copy = copy.slice(0, random(copy.length) + 1);
        break;
      default: // The header.
        view.setUint32(
          random(8) * 4 % (copy.length & ~3),
          random(2) === 0 ? random(copy.length) : INTERESTING[random(INTERESTING.length)]!,
          true,
        );
    }
  }
  return copy;
}

/** Steps that read BTF; each may throw `FormatError`. */
const STEPS: readonly ((btf: Btf) => void)[] = [
  (btf) => void btf.validate(),
  (btf) => {
    for (const id of btf.ids()) attempt(() => btf.type(id));
  },
  (btf) => {
    for (let i = 0; i < 20; i++) {
      btf.find("all");
      btf.candidates("inner");
      btf.findAll("main", "FUNC");
    }
  },
  (btf) => {
    for (const id of btf.ids()) attempt(() => useCodec(btf, id));
  },
  (btf) => void printC(btf),
  (btf) => void printTs(btf),
  (btf) => void rewriteBtf(btf, (type) => type).validate(),
  (btf) => void dedupBtf(btf).btf.validate(),
];

function useCodec(btf: Btf, id: number): void {
  const codec = btfCodec(btf, id);
  if (codec.size > 1 << 16) return;
  const view = new DataView(new ArrayBuffer(codec.size));
  const value = codec.read(view, 0);
  try {
    codec.write(view, 0, value);
  } catch (error) {
    // Unions are read as all of their members, which is too many to write.
    if (!(error instanceof TypeError && error.message.startsWith("Cannot encode"))) throw error;
  }
}

function attempt(step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return false;
  }
}

/** Counts of one run. */
export interface FuzzResult {
  inputs: number;
  opened: number;
  slowest: number;
}

/** Runs `count` damaged inputs. Throws on the first finding, naming the input by seed and number. */
export function fuzzBtf(seeds: readonly Seed[], seed: number, count: number, limitMs = 2000): FuzzResult {
  const result: FuzzResult = { inputs: 0, opened: 0, slowest: 0 };
  for (let i = 0; i < count; i++) {
    const random = randomizer(seed + i * 7919);
    const start = performance.now();
    try {
      if (one(seeds[random(seeds.length)]!, random)) result.opened++;
    } catch (error) {
      throw new Error(`Input ${i} of seed ${seed} is a finding`, { cause: error });
    }
    const time = performance.now() - start;
    if (time > limitMs) throw new Error(`Input ${i} of seed ${seed} took ${Math.round(time)} ms`);
    result.slowest = Math.max(result.slowest, time);
    result.inputs++;
  }
  return result;
}

function one(from: Seed, random: (below: number) => number): boolean {
  let btf: Btf | undefined;
  attempt(() => btf = Btf.parse(mutate(from.btf, random), { path: "fuzz" }));
  if (from.ext !== undefined) {
    const intact = Btf.parse(from.btf);
    const ext = mutate(from.ext, random);
    attempt(() => validateBtfExt(parseBtfExt(ext, intact), intact));
  }
  if (btf === undefined) return false;
  for (const step of STEPS) attempt(() => step(btf!));
  return true;
}
