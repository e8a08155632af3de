/**
 * The order of blocks in the machine code: loops in one piece, with their head behind the body where that saves the jump of
 * every turn (`goto head; body: ...; head: if c goto body` instead of `head: if !c goto end; ...; goto head`).
 */
import { dominators, loops } from "../ir/cfg.ts";
import type { Loops } from "../ir/cfg.ts";
import type { Block, IrFunction } from "../ir/ir.ts";

export function layOutBlocks(fn: IrFunction, found: Loops = loops(fn, dominators(fn))): Block[] {
  const order = loopOrder(fn, found);
  for (const head of [...order]) {
    const members = found.members[head.id];
    if (members !== undefined) rotate(order, head, members);
  }
  return order;
}

/** Reverse post-order that leaves a loop only when all of it is placed. */
function loopOrder(fn: IrFunction, { members, head }: Loops): Block[] {
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

/** Moves the head of a loop behind its last block, if only that block jumps back and the head decides whether to go on. */
function rotate(order: Block[], head: Block, members: ReadonlySet<Block>): void {
  if (head.term!.op !== "branch" || head.succs.every((succ) => members.has(succ))) return;
  const back = head.preds.filter((pred) => members.has(pred));
  const [latch] = back;
  if (latch === undefined || back.length !== 1 || latch === head || latch.term!.op !== "jump") return;
  const at = order.indexOf(head);
  const last = order.indexOf(latch);
  // Only loops in one piece that end with the latch.
  for (let i = at; i <= last; i++) if (!members.has(order[i]!)) return;
  if (last - at + 1 !== members.size) return;
  order.splice(at, 1);
  order.splice(last, 0, head);
}
