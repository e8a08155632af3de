/**
 * Instruction selection: an IR function becomes LIR. Blocks are visited backwards, so that a value is emitted only if
 * something emitted before asked for its register: addresses folded into loads, constants folded into immediates and dead code
 * disappear by not being asked for.
 *
 * Phis become parallel copies at the end of the predecessors; an edge from a block with several successors to one with
 * several predecessors gets a block of its own for them.
 */
import { dominators, loops } from "../ir/cfg.ts";
import type { Block, Inst, IrFunction } from "../ir/ir.ts";
import { layOutBlocks } from "./layout.ts";
import { LirBlock, LirFunction, LirInst, NONE } from "./lir.ts";
import type { Operand } from "./lir.ts";
import { SelectContext } from "./select_context.ts";
import type { SelectOptions } from "./select_context.ts";
import { lowerInst, lowerTerminator } from "./select_inst.ts";

/** LIR of a function whose blocks are in reverse post-order. */
export function select(fn: IrFunction, options: SelectOptions): LirFunction {
  const lir = new LirFunction(fn.name);
  const ctx = new SelectContext(fn, lir, options);
  const found = loops(fn, dominators(fn));
  const { depth } = found;
  const blocks: LirBlock[] = new Array(fn.nextBlockId);
  for (const block of fn.blocks) blocks[block.id] = new LirBlock(depth[block.id]!);
  const edges = new Map<LirBlock, LirBlock[]>();
  for (let i = fn.blocks.length - 1; i >= 0; i--) {
    const block = fn.blocks[i]!;
    lowerBlock(block, blocks, ctx, edges);
    if (i === 0) blocks[block.id]!.insts.unshift(entryInst(block, ctx));
  }
  for (const block of layOutBlocks(fn, found)) {
    const own = blocks[block.id]!;
    lir.blocks.push(own, ...edges.get(own) ?? []);
  }
  lir.blocks.forEach((block, i) => {
    block.index = i;
    for (const succ of block.succs) succ.preds.push(block);
  });
  return lir;
}

function entryInst(entry: Block, ctx: SelectContext): LirInst {
  const inst = new LirInst("entry");
  for (const param of entry.insts) {
    if (param.op === "param") inst.dsts[param.size] = ctx.asked(param) ? ctx.vreg(param) : NONE;
  }
  for (let i = 0; i < inst.dsts.length; i++) inst.dsts[i] ??= NONE;
  return inst;
}

function lowerBlock(block: Block, blocks: LirBlock[], ctx: SelectContext, edges: Map<LirBlock, LirBlock[]>): void {
  const own = blocks[block.id]!;
  const split: LirBlock[] = [];
  const reversed: LirInst[] = [];
  const emit = (insts: LirInst[]) => {
    for (let i = insts.length - 1; i >= 0; i--) reversed.push(insts[i]!);
  };
  const { insts, swap } = lowerTerminator(ctx, block.term!);
  const succs = swap ? block.succs.toReversed() : block.succs;
  own.succs = succs.map((succ) => blocks[succ.id]!);
  emit(insts);
  succs.forEach((succ, i) => {
    const copies = phiCopies(block, succ, ctx);
    if (copies === undefined) return;
    if (block.succs.length === 1) return emit([copies]);
    const edge = new LirBlock(Math.min(own.depth, blocks[succ.id]!.depth));
    edge.insts.push(copies, new LirInst("jump"));
    edge.succs = [blocks[succ.id]!];
    own.succs[i] = edge;
    split.push(edge);
  });
  if (split.length > 0) edges.set(own, split);
  for (let i = block.insts.length - 1; i >= 0; i--) emit(lowerInst(ctx, block.insts[i]!));
  own.insts = reversed.reverse();
}

/** The values that the phis of `succ` take when control comes from `block`. */
function phiCopies(block: Block, succ: Block, ctx: SelectContext): LirInst | undefined {
  const index = succ.preds.indexOf(block);
  const dsts: Operand[] = [];
  const args: Operand[] = [];
  for (const phi of succ.insts) {
    if (phi.op !== "phi") break;
    if (!ctx.live(phi)) continue;
    const arg: Inst = phi.args[index]!;
    if (arg === phi) continue;
    dsts.push(ctx.vreg(phi));
    args.push(ctx.operand(arg));
  }
  if (dsts.length === 0) return undefined;
  const copies = new LirInst("copies");
  copies.dsts = dsts;
  copies.args = args;
  copies.pos = block.term!.pos;
  return copies;
}
