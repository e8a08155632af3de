/**
 * Algebraic simplification: constants to the right, operations on constants, identities, chains of operations with constants, comparisons
 * of comparisons, branches on them. The rules are in fold_arith.ts and fold_compare.ts; this is what applies them until nothing changes.
 */
import { applyReplacements, removeUnreachable, resolve, takeBranch } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";
import { isCompare, OPS, SWAPPED } from "../ir/ops.ts";
import { evaluate } from "./evaluate.ts";
import { foldArithmetic } from "./fold_arith.ts";
import { foldBranch, foldCompare, foldSelect } from "./fold_compare.ts";
import { become, FoldContext } from "./fold_context.ts";

const ROUNDS = 8;

export function fold(fn: IrFunction): void {
  for (let round = 0; round < ROUNDS && foldOnce(fn); round++);
}

function foldOnce(fn: IrFunction): boolean {
  const context = new FoldContext(fn);
  const replaced: Replacements = [];
  let changed = false;
  let cut = false;
  for (const block of fn.blocks) {
    context.out = [];
    const insts = block.insts;
    for (const inst of insts) {
      for (let i = 0; i < inst.args.length; i++) inst.args[i] = resolve(replaced, inst.args[i]!);
      const result = simplify(inst, context);
      if (result !== inst) replaced[inst.id] = result;
      else context.out.push(inst);
      if (result !== inst) changed = true;
    }
    block.insts = context.out;
    const term = block.term!;
    for (let i = 0; i < term.args.length; i++) term.args[i] = resolve(replaced, term.args[i]!);
    const outcome = term.op === "branch" ? foldBranch(term, context) : "unchanged";
    if (outcome === "unchanged") continue;
    changed = true;
    if (outcome === "swap") block.succs.reverse();
    else if (outcome !== "changed") {
      takeBranch(block, block.succs[outcome === "true" ? 0 : 1]!);
      cut = true;
    }
  }
  context.constants.place();
  applyReplacements(fn, replaced);
  if (cut) removeUnreachable(fn);
  return changed;
}

/** The value that stands for `inst`, which may be changed in place. */
function simplify(inst: Inst, context: FoldContext): Inst {
  for (let steps = 0; steps < 16; steps++) {
    const result = step(inst, context);
    if (result === undefined) return inst;
    if (result !== inst) return result;
  }
  return inst;
}

/** One rule: another value, the same instruction changed, or undefined if none fits. */
function step(inst: Inst, context: FoldContext): Inst | undefined {
  const { op, args } = inst;
  if (op === "phi") return samePhi(inst);
  if (op === "select") return foldSelect(inst, context);
  if (!OPS[op].pure || args.length === 0 || op === "addCore") return undefined;
  const [a, b] = args as [Inst, Inst | undefined];
  if (a.op === "const" && (b === undefined || b.op === "const")) {
    const value = evaluate(op, inst.size, a.imm, b?.imm ?? 0n);
    if (value !== undefined) return context.constant(value);
  }
  if (a.op === "const" && b !== undefined && b.op !== "const" && (OPS[op].commutative || isCompare(op))) {
    return become(inst, isCompare(op) ? SWAPPED[op] : op, [b, a]);
  }
  return isCompare(op) ? foldCompare(inst, context) : foldArithmetic(inst, context);
}

function samePhi(phi: Inst): Inst | undefined {
  let same: Inst | undefined;
  for (const arg of phi.args) {
    if (arg === phi || arg === same) continue;
    if (same !== undefined) return undefined;
    same = arg;
  }
  return same;
}
