/** The order of blocks in the machine code: reverse post-order with every loop in one piece. */
import type { Loops } from "../ir/cfg.ts";
import type { Block, IrFunction } from "../ir/ir.ts";

/** Blocks so that a loop is left only when all of it is placed. */
export function layOutBlocks(fn: IrFunction, { members, head }: Loops): Block[] {
  const seen = new Uint8Array(fn.nextBlockId);
  const order: Block[] = [];
  const stack: { block: Block; succs: Block[] }[] = [];
  const leaves = (from: Block, to: Block) => {
    const loop = head[from.id];
    return loop !== undefined && !members[loop.id]!.has(to);
  };
  const enter = (block: Block) => {
    seen[block.id] = 1;
    // What is visited first stands last: ways out of the loop, else the code for "false".
    const [yes, no] = block.succs as [Block, Block | undefined];
    const outFirst = no !== undefined && leaves(block, yes) && !leaves(block, no);
    stack.push({ block, succs: outFirst ? [no, yes] : [...block.succs] });
  };
  enter(fn.blocks[0]!);
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const next = top.succs.pop();
    if (next === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (seen[next.id] === 0) enter(next);
  }
  return order.reverse();
}
