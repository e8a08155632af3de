/**
 * Simplifies the flow graph: passes over empty blocks, puts a block and its only successor together where nobody else goes there,
 * and makes equal returns one.
 */
import { applyReplacements, removePred, removeUnreachable } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Block, Inst, IrFunction } from "../ir/ir.ts";

export function simplifyCfg(fn: IrFunction): void {
  removeUnreachable(fn);
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks) if (skipEmpty(block, fn.blocks[0]!)) changed = true;
    if (shareReturns(fn)) changed = true;
    if (removeUnreachable(fn)) changed = true;
    if (mergeChains(fn)) changed = true;
  }
}

/** Sends the predecessors of a block without instructions to where it jumps. */
function skipEmpty(block: Block, entry: Block): boolean {
  const [to] = block.succs;
  if (block === entry || block.insts.length > 0 || block.term!.op !== "jump" || to === block || to === undefined) {
    return false;
  }
  if (block.preds.length === 0) return false;
  const hasPhis = to.insts[0]?.op === "phi";
  let changed = false;
  for (const pred of [...block.preds]) {
    // One edge between two blocks is all there can be, and phis could not tell two apart.
    if (pred.succs.includes(to)) {
      if (hasPhis && !sameValues(to, block, pred)) continue;
      dropSecondEdge(pred, block, to);
    } else redirect(pred, block, to);
    changed = true;
  }
  return changed;
}

function sameValues(to: Block, a: Block, b: Block): boolean {
  const [i, j] = [to.preds.indexOf(a), to.preds.indexOf(b)];
  return to.insts.every((inst) => inst.op !== "phi" || inst.args[i] === inst.args[j]);
}

/** The edge pred → from becomes pred → to, with the phi values that came from `from`. */
export function redirect(pred: Block, from: Block, to: Block): void {
  pred.succs[pred.succs.indexOf(from)] = to;
  const index = to.preds.indexOf(from);
  to.preds.push(pred);
  for (const inst of to.insts) {
    if (inst.op !== "phi") break;
    inst.args.push(inst.args[index]!);
  }
  removePred(from, pred);
}

/** Both ways of pred's branch lead to the same block: it is a jump. */
function dropSecondEdge(pred: Block, empty: Block, to: Block): void {
  removePred(empty, pred);
  pred.succs = [to];
  pred.term!.op = "jump";
  pred.term!.args = [];
}

/** Returns of the same value that do nothing else become one block. */
function shareReturns(fn: IrFunction): boolean {
  const known = new Map<Inst, Block>();
  let changed = false;
  for (const block of fn.blocks) {
    if (block.insts.length > 0 || block.term!.op !== "ret" || block === fn.blocks[0]) continue;
    const value = block.term!.args[0]!;
    const kept = known.get(value);
    if (kept === undefined) {
      known.set(value, block);
      continue;
    }
    for (const pred of [...block.preds]) {
      if (pred.succs.includes(kept)) dropSecondEdge(pred, block, kept);
      else {
        pred.succs[pred.succs.indexOf(block)] = kept;
        kept.preds.push(pred);
        removePred(block, pred);
      }
      changed = true;
    }
  }
  return changed;
}

/** Appends a block to the one that jumps to it where that is its only predecessor. */
function mergeChains(fn: IrFunction): boolean {
  const replaced: Replacements = [];
  const gone = new Set<Block>();
  for (const block of fn.blocks) {
    if (gone.has(block)) continue;
    for (let next = block.succs[0]; block.term!.op === "jump" && next !== undefined; next = block.succs[0]) {
      if (next.preds.length !== 1 || next === block || next === fn.blocks[0]) break;
      for (const inst of next.insts) {
        if (inst.op === "phi") replaced[inst.id] = inst.args[0]!;
        else block.insts.push(inst);
      }
      block.term = next.term;
      block.succs = next.succs;
      for (const succ of next.succs) succ.preds[succ.preds.indexOf(next)] = block;
      next.succs = [];
      gone.add(next);
    }
  }
  if (gone.size === 0) return false;
  fn.blocks = fn.blocks.filter((block) => !gone.has(block));
  applyReplacements(fn, replaced);
  return true;
}
