/**
 * Gives values that are copies of each other one virtual register, where their live ranges do not meet: phis with their arguments,
 * and results with the left operand of the two-address machine instruction. Busy blocks first.
 */
import { intersects, unite } from "./intervals.ts";
import type { Intervals } from "./intervals.ts";
import { isCommutative } from "./lir.ts";
import type { LirFunction, LirInst, Operand } from "./lir.ts";

/** Renames registers in place; `intervals.ranges` of the survivors become the unions. */
export function coalesce(lir: LirFunction, { ranges }: Intervals): void {
  const parent = Int32Array.from({ length: lir.vregs }, (_, i) => i);
  const find = (vreg: Operand): Operand => {
    let root = vreg;
    while (parent[root] !== root) root = parent[root]!;
    return parent[vreg] = root;
  };
  const fixed = basesOfRepeatedLoads(lir);
  const merge = (x: Operand, y: Operand): boolean => {
    if (x < 0 || y < 0) return false;
    const [a, b] = [find(x), find(y)];
    if (a === b) return true;
    // What can be made anew anywhere is better off with a short life of its own.
    if (lir.remat[a] !== undefined || lir.remat[b] !== undefined) return false;
    if (lir.short[a] || lir.short[b] || fixed.has(a) || fixed.has(b) || intersects(ranges[a]!, ranges[b]!)) {
      return false;
    }
    parent[b] = a;
    lir.pinned[a] ||= lir.pinned[b] === true;
    ranges[a] = unite(ranges[a]!, ranges[b]!);
    ranges[b] = [];
    return true;
  };
  for (const block of [...lir.blocks].sort((a, b) => b.depth - a.depth)) {
    for (const inst of block.insts) mergeOperands(inst, merge);
  }
  for (const block of lir.blocks) for (const inst of block.insts) rename(inst, find);
}

function mergeOperands(inst: LirInst, merge: (x: Operand, y: Operand) => boolean): void {
  switch (inst.op) {
    case "copies":
      inst.dsts.forEach((dst, i) => merge(dst, inst.args[i]!));
      break;
    case "alu":
      if (!merge(inst.dst, inst.a) && isCommutative(inst)) merge(inst.dst, inst.b);
      break;
    case "bound":
    case "neg":
    case "be":
      merge(inst.dst, inst.a);
      break;
    case "select":
      merge(inst.dst, inst.c);
      break;
    case "atomic":
      if (inst.dst >= 0 && inst.atomic !== "cmpxchg") merge(inst.dst, inst.b);
  }
}

/** A load that may be repeated needs its base as it was, so the base's register must hold nothing else. */
function basesOfRepeatedLoads(lir: LirFunction): Set<Operand> {
  const bases = new Set<Operand>();
  for (const inst of lir.remat) if (inst?.op === "load" && inst.a >= 0) bases.add(inst.a);
  return bases;
}

function rename(inst: LirInst, find: (vreg: Operand) => Operand): void {
  if (inst.dst >= 0) inst.dst = find(inst.dst);
  if (inst.a >= 0) inst.a = find(inst.a);
  if (inst.b >= 0) inst.b = find(inst.b);
  if (inst.c >= 0) inst.c = find(inst.c);
  if (inst.d >= 0) inst.d = find(inst.d);
  for (let i = 0; i < inst.args.length; i++) if (inst.args[i]! >= 0) inst.args[i] = find(inst.args[i]!);
  for (let i = 0; i < inst.dsts.length; i++) if (inst.dsts[i]! >= 0) inst.dsts[i] = find(inst.dsts[i]!);
}
