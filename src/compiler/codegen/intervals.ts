/**
 * Live ranges of virtual registers: for each a list of [start, end) pairs of positions, ascending, with holes where the
 * value is not needed. The instruction with number i reads at position 2i and writes at 2i + 1; a call's result begins at
 * 2i + 2, after the call has destroyed r0 to r5 at 2i + 1.
 */
import { definesEarly, forEachDef, forEachUse } from "./lir.ts";
import type { LirBlock, LirFunction, LirInst } from "./lir.ts";

export interface Intervals {
  /** By virtual register: start, end, start, end, ... */
  readonly ranges: number[][];
  /** By block: number of its first instruction; one more entry for the end. */
  readonly blockStart: Int32Array;
  /** Number of positions. */
  readonly positions: number;
}

/** What a kind of variable is read and written by. */
export interface Variables {
  readonly count: number;
  readonly uses: (inst: LirInst, visit: (variable: number, when: number) => void) => void;
  readonly defs: (inst: LirInst, visit: (variable: number) => void) => void;
}

/** Live ranges of the virtual registers, or of other variables. */
export function buildIntervals(
  lir: LirFunction,
  variables: Variables = { count: lir.vregs, uses: forEachUse, defs: forEachDef },
): Intervals {
  const blockStart = new Int32Array(lir.blocks.length + 1);
  lir.blocks.forEach((block, i) => blockStart[i + 1] = blockStart[i]! + block.insts.length);
  const liveOut = liveness(lir, variables);
  const ranges: number[][] = Array.from({ length: variables.count }, () => []);
  for (let i = lir.blocks.length - 1; i >= 0; i--) {
    blockRanges(lir.blocks[i]!, 2 * blockStart[i]!, liveOut[i]!, ranges, variables);
  }
  for (const range of ranges) range.reverse();
  return { ranges, blockStart, positions: 2 * blockStart[lir.blocks.length]! + 2 };
}

/** Collects ranges backwards: the lists are built in descending order, each range as end, start. */
function blockRanges(
  block: LirBlock,
  start: number,
  liveOut: Uint32Array,
  ranges: number[][],
  variables: Variables,
): void {
  const end = start + 2 * block.insts.length;
  for (let word = 0; word < liveOut.length; word++) {
    for (let bits = liveOut[word]!; bits !== 0; bits &= bits - 1) {
      extend(ranges[word * 32 + 31 - Math.clz32(bits & -bits)]!, start, end);
    }
  }
  for (let i = block.insts.length - 1; i >= 0; i--) {
    const inst = block.insts[i]!;
    const at = start + 2 * i;
    const written = definitionPosition(inst, at);
    variables.defs(inst, (vreg) => define(ranges[vreg]!, written));
    variables.uses(inst, (vreg, when) => extend(ranges[vreg]!, start, at + when + 1));
  }
}

/** The position from which the result of the instruction at `at` occupies its register. */
export function definitionPosition(inst: LirInst, at: number): number {
  if (inst.op === "call" || inst.op === "atomic" && inst.atomic === "cmpxchg") return at + 2;
  return definesEarly(inst) ? at : at + 1;
}

/** Needed from `start` (of the block, for now) up to `end`. */
function extend(list: number[], start: number, end: number): void {
  const n = list.length;
  if (n > 0 && list[n - 1]! <= end) {
    // The latest range found begins at or before this end: it reaches further up now.
    if (list[n - 1]! > start) list[n - 1] = start;
    if (list[n - 2]! < end) list[n - 2] = end;
  } else if (end > start) {
    list.push(end, start);
  }
}

/** Made at `at`: the range that was open up to the block's start begins here. */
function define(list: number[], at: number): void {
  const n = list.length;
  if (n > 0 && list[n - 1]! <= at && list[n - 2]! > at) list[n - 1] = at;
  else if (n === 0 || list[n - 1]! > at) list.push(at + 1, at); // never read, but written
}

/** Variables that are live at the end of each block, as bit sets. */
function liveness(lir: LirFunction, variables: Variables): Uint32Array[] {
  const words = (variables.count + 31) >> 5;
  const gen: Uint32Array[] = [];
  const kill: Uint32Array[] = [];
  const liveIn: Uint32Array[] = [];
  const liveOut: Uint32Array[] = [];
  for (const block of lir.blocks) {
    const g = new Uint32Array(words);
    const k = new Uint32Array(words);
    for (let i = block.insts.length - 1; i >= 0; i--) {
      const inst = block.insts[i]!;
      variables.defs(inst, (vreg) => {
        g[vreg >> 5]! &= ~(1 << (vreg & 31));
        k[vreg >> 5]! |= 1 << (vreg & 31);
      });
      variables.uses(inst, (vreg) => g[vreg >> 5]! |= 1 << (vreg & 31));
    }
    gen.push(g);
    kill.push(k);
    liveIn.push(g.slice());
    liveOut.push(new Uint32Array(words));
  }
  for (let changed = true; changed;) {
    changed = false;
    for (let i = lir.blocks.length - 1; i >= 0; i--) {
      for (const succ of lir.blocks[i]!.succs) {
        const from = liveIn[succ.index]!;
        const out = liveOut[i]!;
        for (let w = 0; w < words; w++) {
          const fresh = from[w]! & ~out[w]!;
          if (fresh === 0) continue;
          changed = true;
          out[w]! |= fresh;
          liveIn[i]![w]! |= fresh & ~kill[i]![w]!;
        }
      }
    }
  }
  return liveOut;
}

/** Whether two ascending lists of ranges have a position in common. */
export function intersects(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i + 1]! <= b[j]!) i += 2;
    else if (b[j + 1]! <= a[i]!) j += 2;
    else return true;
  }
  return false;
}

/** The union of two lists that do not intersect. */
export function unite(a: readonly number[], b: readonly number[]): number[] {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const first = j >= b.length || i < a.length && a[i]! < b[j]!;
    const start = first ? a[i]! : b[j]!;
    const end = first ? a[i + 1]! : b[j + 1]!;
    if (first) i += 2;
    else j += 2;
    if (out.length > 0 && out[out.length - 1] === start) out[out.length - 1] = end;
    else out.push(start, end);
  }
  return out;
}
