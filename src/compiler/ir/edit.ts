/** Changes to a function that keep edges, phis and predecessor lists consistent. */
import { reversePostOrder } from "./cfg.ts";
import type { Block, Inst, IrFunction } from "./ir.ts";

/** What each value, by id, is to be replaced with; chains are followed. */
export type Replacements = (Inst | undefined)[];

/** The value that stands for `value` now. */
export function resolve(replaced: Replacements, value: Inst): Inst {
  let at = value;
  for (let next = replaced[at.id]; next !== undefined; next = replaced[at.id]) at = next;
  return at;
}

/** Rewrites every use of replaced values and takes the replaced instructions out of their blocks. */
export function applyReplacements(fn: IrFunction, replaced: Replacements): void {
  if (replaced.length === 0) return;
  const update = (inst: Inst) => {
    const { args } = inst;
    for (let i = 0; i < args.length; i++) {
      if (replaced[args[i]!.id] !== undefined) args[i] = resolve(replaced, args[i]!);
    }
  };
  for (const block of fn.blocks) {
    let removed = false;
    for (const inst of block.insts) {
      if (replaced[inst.id] !== undefined) removed = true;
      else update(inst);
    }
    if (removed) block.insts = block.insts.filter((inst) => replaced[inst.id] === undefined);
    update(block.term!);
  }
}

/** Takes the edge away on the side of `to`: predecessor and phi arguments. */
export function removePred(to: Block, from: Block): void {
  const index = to.preds.indexOf(from);
  to.preds.splice(index, 1);
  for (const inst of to.insts) {
    if (inst.op !== "phi") break;
    inst.args.splice(index, 1);
  }
}

/** Makes the branch at the end of `block` a jump to one of its successors. */
export function takeBranch(block: Block, to: Block): void {
  for (const succ of block.succs) if (succ !== to) removePred(succ, block);
  block.succs = [to];
  block.term!.op = "jump";
  block.term!.args = [];
}

/** Drops blocks that cannot be reached and puts the others in reverse post-order. Returns whether any was dropped. */
export function removeUnreachable(fn: IrFunction): boolean {
  const order = reversePostOrder(fn.blocks[0]!, fn.nextBlockId);
  const dropped = order.length < fn.blocks.length;
  if (dropped) {
    const alive = new Uint8Array(fn.nextBlockId);
    for (const block of order) alive[block.id] = 1;
    for (const block of fn.blocks) {
      if (alive[block.id] === 1) continue;
      for (const succ of block.succs) if (alive[succ.id] === 1) removePred(succ, block);
    }
  }
  fn.blocks = order;
  return dropped;
}

/** Number of uses of each value, by id. */
export function countUses(fn: IrFunction): Int32Array {
  const uses = new Int32Array(fn.nextId);
  for (const block of fn.blocks) {
    for (const inst of block.insts) for (const arg of inst.args) uses[arg.id]!++;
    for (const arg of block.term!.args) uses[arg.id]!++;
  }
  return uses;
}

/** Constants of the entry block, one of each value: they cost nothing there, since code is made where they are used. */
export class Constants {
  readonly #fn: IrFunction;
  readonly #known = new Map<bigint, Inst>();
  readonly #made: Inst[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
    for (const inst of fn.blocks[0]!.insts) if (inst.op === "const") this.#known.set(inst.imm, inst);
  }

  get(value: bigint): Inst {
    const imm = BigInt.asIntN(64, value);
    let inst = this.#known.get(imm);
    if (inst === undefined) {
      inst = this.#fn.inst("const", []);
      inst.imm = imm;
      this.#known.set(imm, inst);
      this.#made.push(inst);
    }
    return inst;
  }

  /** Puts the constants that were made into the entry block: to be called once, when nothing walks over it. */
  place(): void {
    if (this.#made.length > 0) this.#fn.blocks[0]!.insts.unshift(...this.#made.splice(0));
  }
}
