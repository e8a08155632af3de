/**
 * Saves jumps: a block on an edge that only sets one register and jumps, `if c goto A; r = x; goto B`, becomes
 * `r = x; if !c goto B` where nobody misses the register's old value.
 */
import { NONE } from "./lir.ts";
import type { LirBlock, LirFunction, LirInst, Operand } from "./lir.ts";
import { FREE } from "./regalloc.ts";
import type { Allocation } from "./regalloc.ts";

/** Marks copies to be made in front of the branch of the block before, and empties them where they were. */
export function hoistCopies(lir: LirFunction, allocation: Allocation): void {
  for (const block of lir.blocks) {
    const term = block.insts[block.insts.length - 1]!;
    if (term.op !== "branch") continue;
    for (let i = 0; i < 2 && block.hoisted === undefined; i++) {
      const copies = hoistable(lir, block.succs[i]!, block.succs[1 - i]!, term, allocation);
      if (copies === undefined) continue;
      block.hoisted = { to: copies.dsts[0]!, from: copies.args[0]! };
      copies.args = copies.dsts;
    }
  }
}

/** The copies at the begin of `edge` if they can run before the branch that chooses between it and `other`. */
function hoistable(
  lir: LirFunction,
  edge: LirBlock,
  other: LirBlock,
  term: LirInst,
  { registers, owners, intervals }: Allocation,
): LirInst | undefined {
  const [copies, jump] = edge.insts as [LirInst, LirInst | undefined];
  if (copies.op !== "copies" || jump?.op !== "jump" || edge.preds.length !== 1 || other === edge) return undefined;
  // Falling through to the target costs no jump in the first place.
  if (lir.blocks[edge.index + 1] === edge.succs[0]) return undefined;
  const place = (operand: Operand) => operand >= 0 ? registers[operand]! : operand;
  if (copies.dsts.length !== 1 || copies.dsts[0]! < 0 || place(copies.dsts[0]!) === place(copies.args[0]!)) {
    return undefined;
  }
  const register = place(copies.dsts[0]!);
  const read = [term.a, term.b].some((operand) => operand !== NONE && place(operand) === register);
  const needed = owners[register * intervals.positions + 2 * intervals.blockStart[other.index]!] !== FREE;
  return read || needed ? undefined : copies;
}
