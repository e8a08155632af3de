/** Checks that a function is well-formed IR. Tests run it after every pass; a failure is a bug of the compiler, never of its user. */
import { dominates, dominators } from "./cfg.ts";
import type { Dominators } from "./cfg.ts";
import type { Block, Inst, IrFunction } from "./ir.ts";
import { hasResult, OPS } from "./ops.ts";

/** Throws an Error that names the function, the block and what is wrong. `when` says which pass came before. */
export function verifyFunction(fn: IrFunction, when = ""): void {
  const fail = (problem: string, block?: Block): never => {
    throw new Error(
      `Malformed IR in "${fn.name}"${block ? ` b${block.id}` : ""}${when ? ` after ${when}` : ""}: ${problem}`,
    );
  };
  const blocks = new Set(fn.blocks);
  if (fn.blocks.length === 0) fail("no blocks");
  if (fn.blocks[0]!.preds.length > 0) fail("the entry has predecessors");
  const home = new Map<Inst, Block>();
  const index = new Map<Inst, number>();
  const ids = new Set<number>();
  for (const block of fn.blocks) {
    block.insts.forEach((inst, i) => {
      if (ids.has(inst.id)) fail(`value ${inst.id} (${inst.op}) is there twice`, block);
      ids.add(inst.id);
      home.set(inst, block);
      index.set(inst, i);
    });
  }
  const doms = dominators(fn);
  for (const block of fn.blocks) {
    checkEdges(block, blocks, (problem) => fail(problem, block));
    if (doms.position[block.id]! < 0) fail("unreachable block", block);
    let phis = true;
    for (const inst of block.insts) {
      if (inst.op !== "phi") phis = false;
      else if (!phis) fail("phi behind other instructions", block);
      checkInst(inst, block, fn, (problem) => fail(`${inst.op} ${inst.id}: ${problem}`, block));
      checkUses(inst, block, { home, index, doms }, (problem) => fail(`${inst.op} ${inst.id}: ${problem}`, block));
    }
    checkUses(block.term!, block, { home, index, doms }, (problem) => fail(`terminator: ${problem}`, block));
  }
}

function checkEdges(block: Block, blocks: ReadonlySet<Block>, fail: (problem: string) => never): void {
  const { term } = block;
  if (term === undefined) return fail("no terminator");
  const wanted = term.op === "branch" ? 2 : term.op === "jump" ? 1 : 0;
  if (block.succs.length !== wanted) fail(`${term.op} with ${block.succs.length} successors`);
  if (wanted === 2 && block.succs[0] === block.succs[1]) fail("branch to the same block twice");
  if (term.args.length !== OPS[term.op].args) fail(`${term.op} with ${term.args.length} arguments`);
  for (const succ of block.succs) {
    if (!blocks.has(succ)) fail(`successor b${succ.id} is not in the function`);
    if (succ.preds.filter((p) => p === block).length !== 1) fail(`successor b${succ.id} does not list it once`);
  }
  for (const pred of block.preds) {
    if (!blocks.has(pred)) fail(`predecessor b${pred.id} is not in the function`);
    if (!pred.succs.includes(block)) fail(`predecessor b${pred.id} does not go there`);
  }
}

function checkInst(inst: Inst, block: Block, fn: IrFunction, fail: (problem: string) => never): void {
  const row = OPS[inst.op];
  if (row.args >= 0 && inst.args.length !== row.args) fail(`${inst.args.length} arguments`);
  switch (inst.op) {
    case "phi":
      if (inst.args.length !== block.preds.length) {
        fail(`${inst.args.length} arguments, ${block.preds.length} predecessors`);
      }
      break;
    case "param":
      if (block !== fn.blocks[0]) fail("outside of the entry");
      if (inst.size >= fn.params) fail(`no parameter ${inst.size}`);
      break;
    case "const":
      if (BigInt.asIntN(64, inst.imm) !== inst.imm) fail(`${inst.imm} is not signed 64-bit`);
      break;
    case "stackSlot":
      if (inst.slot === undefined || fn.slots[inst.slot.index] !== inst.slot) fail("foreign slot");
      break;
    case "call":
      if (inst.call === undefined || inst.args.length > 5) fail("bad call");
      break;
    case "load":
    case "store":
    case "atomic":
      if (![1, 2, 4, 8].includes(inst.size)) fail(`size ${inst.size}`);
      checkSlotAccess(inst, fail);
      break;
    case "jump":
    case "branch":
    case "ret":
    case "unreachable":
      fail("terminator among the instructions");
  }
}

function checkSlotAccess(inst: Inst, fail: (problem: string) => never): void {
  const slot = inst.args[0]!.slot;
  if (slot === undefined) return;
  if (inst.offset < 0 || inst.offset + inst.size > slot.size) fail(`outside of slot "${slot.name}"`);
  if (inst.offset % inst.size !== 0 || slot.align < inst.size) fail(`not aligned in slot "${slot.name}"`);
}

interface Places {
  home: ReadonlyMap<Inst, Block>;
  index: ReadonlyMap<Inst, number>;
  doms: Dominators;
}

function checkUses(inst: Inst, block: Block, places: Places, fail: (problem: string) => never): void {
  inst.args.forEach((arg, i) => {
    const from = places.home.get(arg);
    if (from === undefined) return fail(`argument ${i} (${arg.op} ${arg.id}) is in no block`);
    if (!hasResult(arg)) return fail(`argument ${i} (${arg.op} ${arg.id}) has no result`);
    const at = inst.op === "phi" ? block.preds[i]! : block;
    if (from !== at) {
      if (!dominates(places.doms, from, at)) {
        fail(`argument ${i} (${arg.op} ${arg.id} of b${from.id}) does not dominate it`);
      }
      return;
    }
    if (inst.op === "phi" || inst === block.term) return;
    if (places.index.get(arg)! >= places.index.get(inst)!) fail(`argument ${i} (${arg.op} ${arg.id}) comes later`);
  });
}
