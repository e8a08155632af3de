/** What it would cost to keep each virtual register in memory: the loads and stores that would be added, by how often they run. */
import type { Intervals } from "./intervals.ts";
import { forEachDef, forEachUse } from "./lir.ts";
import type { LirFunction } from "./lir.ts";

/** A value whose bounds the verifier must not forget is worth this many others. */
const PINNED = 1000;

/** By virtual register; per position of its life, since a long life blocks a register for longer. */
export function spillCosts(lir: LirFunction, { ranges }: Intervals): Float64Array {
  const costs = new Float64Array(lir.vregs);
  for (const block of lir.blocks) {
    const frequency = 10 ** Math.min(block.depth, 6);
    for (const inst of block.insts) {
      // An argument in memory is loaded where one in a register is moved.
      const use = (inst.op === "call" ? 0.1 : inst.op === "copies" ? 0.5 : 1) * frequency;
      forEachUse(inst, (vreg) => costs[vreg]! += use);
      forEachDef(inst, (vreg) => costs[vreg]! += lir.remat[vreg] === undefined ? frequency : -frequency);
    }
  }
  for (let v = 0; v < lir.vregs; v++) {
    if (lir.short[v]) costs[v] = Infinity;
    else costs[v]! *= (lir.pinned[v] === true ? PINNED : 1) / length(ranges[v]!);
  }
  return costs;
}

function length(ranges: readonly number[]): number {
  let sum = 1;
  for (let i = 0; i < ranges.length; i += 2) sum += ranges[i + 1]! - ranges[i]!;
  return sum;
}
