/** Gives spilled registers that are never needed at the same time one spill slot. */
import { buildIntervals, intersects, unite } from "./intervals.ts";
import { READ } from "./lir.ts";
import type { LirFunction, LirInst } from "./lir.ts";

/** Renumbers spill slots in place; `lir.spills` becomes the number that is left. */
export function shareSpillSlots(lir: LirFunction): void {
  if (lir.spills < 2) return;
  const { ranges } = buildIntervals(lir, {
    count: lir.spills,
    uses: (inst, visit) => {
      if (inst.op === "load" && inst.spill >= 0) visit(inst.spill, READ);
      for (const index of sources(lir, [inst.a, inst.b, inst.c, inst.d, ...inst.args])) visit(index, READ);
    },
    defs: (inst, visit) => {
      if (inst.op === "store" && inst.spill >= 0) visit(inst.spill);
      sources(lir, inst.dsts).forEach(visit);
    },
  });
  const shared: number[][] = [];
  const slots: number[] = [];
  const order = ranges.map((_, i) => i).sort((a, b) => (ranges[a]![0] ?? 0) - (ranges[b]![0] ?? 0));
  for (const index of order) {
    let slot = shared.findIndex((taken) => !intersects(taken, ranges[index]!));
    if (slot < 0) slot = shared.push([]) - 1;
    shared[slot] = unite(shared[slot]!, ranges[index]!);
    slots[index] = slot;
  }
  lir.sources = lir.sources.map((source) =>
    source.kind === "spill" ? { kind: "spill", index: slots[source.index]! } : source
  );
  for (const block of lir.blocks) {
    for (const inst of block.insts) renumber(inst, slots);
  }
  lir.spills = shared.length;
}

function renumber(inst: LirInst, slots: readonly number[]): void {
  if (inst.spill >= 0) inst.spill = slots[inst.spill]!;
}

/** Indexes of the spill slots among operands. */
function sources(lir: LirFunction, operands: readonly number[]): number[] {
  const found: number[] = [];
  for (const operand of operands) {
    const source = operand < -1 ? lir.sourceOf(operand) : undefined;
    if (source?.kind === "spill") found.push(source.index);
  }
  return found;
}
