/**
 * Jump threading and loop inversion, on LIR, where variables may be set in several places and nothing has to be repaired.
 *
 * Where a block that sets a variable to a constant jumps to one that only tests it, it jumps to where the test leads: loops
 * lose their first test, and truth values that were made in one place and tested in another lose theirs. A loop that begins
 * with a test of a variable gets a copy of it in front, and the test itself goes to the end: one jump less in every turn.
 *
 * Linux 6.1 refuses a back edge that is no jump ("back-edge from insn"), 6.18 does not: code never falls through to a loop's head.
 */
import { compare } from "../opt/evaluate.ts";
import { LirInst, NONE } from "./lir.ts";
import type { LirBlock, LirFunction, Operand } from "./lir.ts";

const ROUNDS = 4;

export function threadJumps(lir: LirFunction): void {
  let changed = false;
  for (let round = 0; round < ROUNDS; round++) {
    let again = false;
    for (const block of lir.blocks) again = threadBlock(lir, block) || again;
    if (!again) break;
    changed = true;
  }
  for (const block of lir.blocks) changed = invertLoop(block) || changed;
  if (!changed) return;
  dropUnreachable(lir);
  placeBehindPredecessor(lir);
}

/** `block` enters a loop whose head only tests: the test is made here too. */
function invertLoop(block: LirBlock): boolean {
  const [head] = block.succs;
  const jump = block.insts[block.insts.length - 1]!;
  if (jump.op !== "jump" || head === undefined || head.index <= block.index) return false;
  const [test] = head.insts as [LirInst];
  const back = head.preds.find((pred) => pred !== block);
  if (test.op !== "branch" || head.preds.length !== 2 || back === undefined || back.index < head.index) return false;
  if (back.insts[back.insts.length - 1]!.op !== "jump") return false;
  const copy = new LirInst("branch");
  Object.assign(copy, test);
  block.insts[block.insts.length - 1] = copy;
  block.succs = [...head.succs];
  for (const succ of head.succs) succ.preds.push(block);
  head.preds.splice(head.preds.indexOf(block), 1);
  return true;
}

/** Puts blocks that only one other jumps to behind that one, as far as threading has made them so. */
function placeBehindPredecessor(lir: LirFunction): void {
  for (const block of [...lir.blocks]) {
    const [pred] = block.preds;
    if (pred === undefined || block.preds.length !== 1 || pred.index < block.index) continue;
    if (pred.insts[pred.insts.length - 1]!.op !== "jump") continue;
    lir.blocks.splice(lir.blocks.indexOf(block), 1);
    lir.blocks.splice(lir.blocks.indexOf(pred) + 1, 0, block);
  }
  lir.blocks.forEach((block, i) => block.index = i);
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
