/**
 * Global value numbering over the dominator tree: an instruction that computes what a dominating one has computed is replaced by it; loads
 * of memory whose contents are known give way to the value; comparisons that a taken branch has decided become constants.
 * Nothing is moved, so no load comes before its guard.
 */
import { dominators } from "../ir/cfg.ts";
import { applyReplacements, Constants, resolve, takeBranch } from "../ir/edit.ts";
import { removeUnreachable } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Block, Inst, IrFunction } from "../ir/ir.ts";
import { isCompare, OPS } from "../ir/ops.ts";
import { Available } from "./available.ts";
import type { Found } from "./available.ts";
import { decide, negation } from "./facts.ts";
import type { Fact } from "./facts.ts";
import { Escapes } from "./memory.ts";

/** `oldVerifiers`: an index is bounded where it is used, since they may have forgotten what a branch said. */
export function numberValues(fn: IrFunction, { oldVerifiers = false }: { oldVerifiers?: boolean } = {}): void {
  new Numbering(fn, oldVerifiers).run();
}

class Numbering {
  #fn: IrFunction;
  #constants: Constants;
  #escapes: Escapes;
  #replaced: Replacements = [];
  #values = new Map<string, Inst>();
  /** Keys in order of entry, so that a subtree's can be taken out again. */
  #entered: string[] = [];
  #facts: Fact[] = [];
  /** By block id: memory at its end. */
  #memory: (Available | undefined)[] = [];
  #decided: { block: Block; to: Block }[] = [];

  readonly #oldVerifiers: boolean;

  constructor(fn: IrFunction, oldVerifiers: boolean) {
    this.#fn = fn;
    this.#oldVerifiers = oldVerifiers;
    this.#constants = new Constants(fn);
    this.#escapes = new Escapes(fn);
  }

  run(): void {
    const doms = dominators(this.#fn);
    // A walk with a stack of its own: unrolled loops make deep trees.
    const stack: { block: Block; next: number; keys: number; facts: number }[] = [];
    const enter = (block: Block) => {
      stack.push({ block, next: 0, keys: this.#entered.length, facts: this.#facts.length });
      this.#block(block);
    };
    enter(this.#fn.blocks[0]!);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const child = doms.children[top.block.id]![top.next++];
      if (child !== undefined) {
        enter(child);
        continue;
      }
      stack.pop();
      for (const key of this.#entered.splice(top.keys)) this.#values.delete(key);
      this.#facts.length = top.facts;
    }
    this.#constants.place();
    applyReplacements(this.#fn, this.#replaced);
    for (const { block, to } of this.#decided) takeBranch(block, to);
    if (this.#decided.length > 0) removeUnreachable(this.#fn);
  }

  #block(block: Block): void {
    this.#enterFact(block);
    const memory = this.#memoryAt(block);
    const out: Inst[] = [];
    for (const inst of block.insts) {
      if (inst.op !== "phi") inst.args = inst.args.map((arg) => resolve(this.#replaced, arg));
      const known = this.#known(inst, memory, out);
      if (known !== undefined) {
        this.#replaced[inst.id] = known;
        continue;
      }
      memory.after(inst);
      out.push(inst);
    }
    block.insts = out;
    this.#memory[block.id] = memory;
    this.#terminator(block);
  }

  #enterFact(block: Block): void {
    if (block.preds.length !== 1) return;
    const [pred] = block.preds as [Block];
    const { op, cond, args } = pred.term!;
    if (op !== "branch") return;
    const [a, b] = args.map((arg) => resolve(this.#replaced, arg)) as [Inst, Inst];
    const fact: Fact = { op: cond, a, b };
    const holds = pred.succs[0] === block ? fact : negation(fact);
    if (holds !== undefined) this.#facts.push(holds);
  }

  #memoryAt(block: Block): Available {
    const states: Available[] = [];
    for (const pred of block.preds) {
      const state = this.#memory[pred.id];
      if (state === undefined) return new Available(this.#escapes);
      states.push(state);
    }
    return states.length === 1 ? states[0]!.copy() : Available.meet(states, this.#escapes);
  }

  #terminator(block: Block): void {
    const term = block.term!;
    term.args = term.args.map((arg) => resolve(this.#replaced, arg));
    if (term.op !== "branch") return;
    const outcome = decide(this.#facts, term.cond, term.args[0]!, term.args[1]!);
    if (outcome !== undefined) this.#decided.push({ block, to: block.succs[outcome ? 0 : 1]! });
  }

  /** A value that is there already. */
  #known(inst: Inst, memory: Available, out: Inst[]): Inst | undefined {
    const { op } = inst;
    if (isCompare(op)) {
      const outcome = decide(this.#facts, op, inst.args[0]!, inst.args[1]!);
      if (outcome !== undefined) return this.#constants.get(outcome ? 1n : 0n);
    }
    if (op === "bound" && this.#isBelow(inst.args[0]!, inst.size)) {
      inst.args[0]!.pinned = true;
      return inst.args[0]!;
    }
    if (op === "load" && !inst.invariant) {
      if (inst.volatile) return undefined;
      const found = memory.find(inst);
      return found && this.#make(found, inst, out);
    }
    const repeatable = OPS[op].pure || op === "load" && !inst.volatile || op === "call" && inst.call!.pure;
    if (!repeatable || op === "const") return undefined;
    const key = keyOf(inst);
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    this.#values.set(key, inst);
    this.#entered.push(key);
    return undefined;
  }

  /** Whether a branch that was taken says so. */
  #isBelow(index: Inst, length: number): boolean {
    if (this.#oldVerifiers) return false;
    return decide(this.#facts, "ult", index, this.#constants.get(BigInt(length))) === true;
  }

  #make(found: Found, load: Inst, out: Inst[]): Inst {
    if (found.kind === "zero") return this.#constants.get(0n);
    if (found.kind === "value") return found.value;
    const inst = this.#fn.inst(found.kind, [found.value], load.pos);
    inst.size = load.size * 8;
    const known = this.#values.get(keyOf(inst));
    if (known !== undefined) return known;
    out.push(inst);
    return inst;
  }
}

/** Equal keys, equal values. */
function keyOf(inst: Inst): string {
  const { op, size, offset, name, core } = inst;
  let args = inst.args;
  if (OPS[op].commutative && args[0]!.id > args[1]!.id) args = [args[1]!, args[0]!];
  let key = `${op} ${size} ${offset} ${name}`;
  for (const arg of args) key += ` ${arg.id}`;
  if (op === "load") key += inst.signed ? " s" : " u";
  if (op === "call") key += ` ${inst.call!.kind} ${inst.call!.helper} ${inst.call!.name}`;
  if (op === "coreConst") key += ` ${inst.imm}`;
  if (op === "stackSlot") key += ` ${inst.slot!.index}`;
  return core === undefined ? key : `${key} core ${core.typeId} ${core.access} ${core.kind}`;
}
