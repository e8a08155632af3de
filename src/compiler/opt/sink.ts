/**
 * Moves cheap computations down to where they are needed: into the block that dominates all uses, in front of the first. Paths that
 * do not need the value do not pay for it, and no register holds it meanwhile. Nothing moves into a loop, and no load moves.
 */
import { dominators, loops } from "../ir/cfg.ts";
import type { Dominators } from "../ir/cfg.ts";
import type { Block, Inst, IrFunction } from "../ir/ir.ts";
import { OPS } from "../ir/ops.ts";

export function sink(fn: IrFunction): void {
  const doms = dominators(fn);
  const { depth } = loops(fn, doms);
  // By value id: the block that dominates the uses seen so far. Going backwards, all uses are seen before the definition.
  const targets = lateUses(fn, doms);
  for (let b = fn.blocks.length - 1; b >= 0; b--) {
    const block = fn.blocks[b]!;
    const stay: Inst[] = [];
    for (let i = block.insts.length - 1; i >= 0; i--) {
      const inst = block.insts[i]!;
      const to = (movable(inst) ? shallow(targets[inst.id], block, depth, doms) : undefined) ?? block;
      if (to === block) stay.push(inst);
      else insert(to, inst);
      if (inst.op !== "phi") { for (const arg of inst.args) targets[arg.id] = common(targets[arg.id], to, doms); }
    }
    block.insts = stay.reverse();
  }
}

/** Leaves, and operations on one value and constants: moving them makes no other value live longer than they shorten theirs. */
function movable(inst: Inst): boolean {
  if (!OPS[inst.op].pure || inst.op === "const" || inst.op === "stackSlot") return false;
  return inst.args.filter((arg) => arg.op !== "const" && arg.op !== "stackSlot").length <= 1;
}

/** Uses at the end of blocks: by terminators, and by phis, which take their values on the way. */
function lateUses(fn: IrFunction, doms: Dominators): (Block | undefined)[] {
  const blocks: (Block | undefined)[] = [];
  for (const block of fn.blocks) {
    for (const inst of block.insts) {
      if (inst.op !== "phi") break;
      inst.args.forEach((arg, i) => blocks[arg.id] = common(blocks[arg.id], block.preds[i]!, doms));
    }
    for (const arg of block.term!.args) blocks[arg.id] = common(blocks[arg.id], block, doms);
  }
  return blocks;
}

function common(a: Block | undefined, b: Block, doms: Dominators): Block {
  let [x, y] = [a ?? b, b];
  while (x !== y) {
    if (doms.position[x.id]! > doms.position[y.id]!) x = doms.idom[x.id]!;
    else y = doms.idom[y.id]!;
  }
  return x;
}

/** The lowest block between `from` and `to` that is in no deeper loop than `from`. */
function shallow(to: Block | undefined, from: Block, depth: Int32Array, doms: Dominators): Block | undefined {
  let at = to;
  while (at !== undefined && at !== from && depth[at.id]! > depth[from.id]!) at = doms.idom[at.id];
  return at;
}

/** In front of its first user, or at the end where only the terminator or a phi behind needs it. */
function insert(block: Block, inst: Inst): void {
  const user = block.insts.findIndex((other) => other.op !== "phi" && other.args.includes(inst));
  block.insts.splice(user < 0 ? block.insts.length : user, 0, inst);
}
