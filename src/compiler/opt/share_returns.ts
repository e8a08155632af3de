/** Makes one block of all returns of the same value: `r0 = value; exit` once, and one block falls through to it. */
import type { Block, Inst, IrFunction } from "../ir/ir.ts";

export function shareReturns(fn: IrFunction): void {
  const byValue = new Map<Inst, Block[]>();
  for (const block of fn.blocks) {
    if (block.term!.op !== "ret") continue;
    const value = block.term!.args[0]!;
    // Others may not be there where the shared block begins.
    if (value.op !== "const") continue;
    const list = byValue.get(value);
    if (list === undefined) byValue.set(value, [block]);
    else list.push(block);
  }
  for (const [value, blocks] of byValue) {
    if (blocks.length < 2) continue;
    const shared = blocks.find((block) => block.insts.length === 0 && block !== fn.blocks[0]) ??
      newReturn(fn, value, blocks[0]!);
    for (const block of blocks) {
      if (block === shared) continue;
      block.term = fn.inst("jump", [], block.term!.pos);
      block.succs = [shared];
      shared.preds.push(block);
    }
  }
}

function newReturn(fn: IrFunction, value: Inst, like: Block): Block {
  const block = fn.block();
  block.term = fn.inst("ret", [value], like.term!.pos);
  return block;
}
