/**
 * Jump threading: where a block that sets a variable to a constant jumps to one that only tests it, it jumps to where the test
 * leads. Runs on LIR, where variables may be set in several places and nothing has to be repaired: loops lose their
 * first test, and truth values that were made in one place and tested in another lose theirs.
 */
import { compare } from "../opt/evaluate.ts";
import { NONE } from "./lir.ts";
import type { LirBlock, LirFunction, LirInst, Operand } from "./lir.ts";

const ROUNDS = 4;

export function threadJumps(lir: LirFunction): void {
  let changed = false;
  for (let round = 0; round < ROUNDS; round++) {
    let again = false;
    for (const block of lir.blocks) again = threadBlock(lir, block) || again;
    if (!again) break;
    changed = true;
  }
  if (changed) dropUnreachable(lir);
}

function threadBlock(lir: LirFunction, block: LirBlock): boolean {
  if (block.insts[block.insts.length - 1]!.op !== "jump") return false;
  const [to] = block.succs as [LirBlock];
  const [test] = to.insts as [LirInst];
  if (test.op !== "branch" || to === block) return false;
  const a = constantOf(lir, block, test.a);
  const b = test.b === NONE ? BigInt(test.imm) : constantOf(lir, block, test.b);
  if (a === undefined || b === undefined) return false;
  const bits = test.wide ? 64 : 32;
  const holds = compare(test.cond, BigInt.asIntN(bits, a), BigInt.asIntN(bits, b));
  const target = to.succs[holds ? 0 : 1]!;
  to.preds.splice(to.preds.indexOf(block), 1);
  block.succs = [target];
  target.preds.push(block);
  return true;
}

/** The constant that the register holds at the end of the block, if the block itself sets it. */
function constantOf(lir: LirFunction, block: LirBlock, vreg: Operand): bigint | undefined {
  for (let i = block.insts.length - 2; i >= 0; i--) {
    const inst = block.insts[i]!;
    const at = inst.op === "copies" ? inst.dsts.indexOf(vreg) : -1;
    const operand = at >= 0 ? inst.args[at]! : inst.op === "source" && inst.dst === vreg ? inst.b : undefined;
    if (operand !== undefined) {
      const source = operand < NONE ? lir.sourceOf(operand) : undefined;
      return source?.kind === "imm" && source.core === undefined ? source.value : undefined;
    }
    if (inst.dst === vreg) return undefined;
  }
  return undefined;
}

function dropUnreachable(lir: LirFunction): void {
  const reached = new Set<LirBlock>();
  const work = [lir.blocks[0]!];
  for (let block = work.pop(); block !== undefined; block = work.pop()) {
    if (reached.has(block)) continue;
    reached.add(block);
    work.push(...block.succs);
  }
  lir.blocks = lir.blocks.filter((block) => reached.has(block));
  lir.blocks.forEach((block, i) => {
    block.index = i;
    block.preds = block.preds.filter((pred) => reached.has(pred));
  });
}
