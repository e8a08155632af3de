/**
 * Sparse conditional constant propagation (Wegman and Zadeck): assumes that values are constant and code is dead until the
 * contrary is shown, so that constants which go round a loop are found. Replaces constant values, makes decided branches jumps
 * and drops what cannot be reached.
 */
import { applyReplacements, Constants, removeUnreachable, takeBranch } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Block, Inst, IrFunction } from "../ir/ir.ts";
import { OPS } from "../ir/ops.ts";
import { compare, evaluate } from "./evaluate.ts";

/** Not known to be anything but what is stored. */
const VARIES = Symbol("varies");
type Lattice = bigint | typeof VARIES | undefined;

export function propagateConstants(fn: IrFunction): void {
  const solver = new Solver(fn);
  solver.run();
  solver.apply();
}

class Solver {
  #fn: IrFunction;
  #values: Lattice[] = [];
  #reached: Uint8Array;
  /** By block id: which predecessors' edges are taken. */
  #edges: Uint8Array[] = [];
  #users: Inst[][] = [];
  /** By instruction id. */
  #home: Block[] = [];
  #blocks: Block[] = [];
  #work: Inst[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#reached = new Uint8Array(fn.nextBlockId);
    for (const block of fn.blocks) {
      this.#edges[block.id] = new Uint8Array(block.preds.length);
      for (const inst of block.insts) this.#enter(inst, block);
      this.#enter(block.term!, block);
    }
  }

  #enter(inst: Inst, block: Block): void {
    this.#home[inst.id] = block;
    for (const arg of inst.args) (this.#users[arg.id] ??= []).push(inst);
  }

  run(): void {
    this.#reach(this.#fn.blocks[0]!);
    for (;;) {
      const inst = this.#work.pop();
      if (inst !== undefined) {
        if (this.#reached[this.#home[inst.id]!.id] === 1) this.#visit(inst);
        continue;
      }
      const block = this.#blocks.pop();
      if (block === undefined) return;
      for (const i of block.insts) this.#visit(i);
      this.#visit(block.term!);
    }
  }

  #reach(block: Block): void {
    if (this.#reached[block.id] === 1) return;
    this.#reached[block.id] = 1;
    this.#blocks.push(block);
  }

  #takeEdge(from: Block, to: Block): void {
    const edges = this.#edges[to.id]!;
    const index = to.preds.indexOf(from);
    if (edges[index] === 1) return;
    edges[index] = 1;
    if (this.#reached[to.id] === 0) return this.#reach(to);
    for (const inst of to.insts) {
      if (inst.op !== "phi") break;
      this.#work.push(inst);
    }
  }

  #visit(inst: Inst): void {
    const block = this.#home[inst.id]!;
    if (inst.op === "jump") return this.#takeEdge(block, block.succs[0]!);
    if (inst.op === "branch") return this.#visitBranch(inst, block);
    if (inst.op === "ret" || inst.op === "unreachable") return;
    const old = this.#values[inst.id];
    if (old === VARIES) return;
    const value = inst.op === "phi" ? this.#phi(inst, block) : this.#compute(inst);
    if (value === old) return;
    this.#values[inst.id] = old === undefined ? value : VARIES;
    for (const user of this.#users[inst.id] ?? []) this.#work.push(user);
  }

  #visitBranch(term: Inst, block: Block): void {
    const [a, b] = term.args.map((arg) => this.#values[arg.id]);
    if (a === undefined || b === undefined) return;
    if (typeof a === "bigint" && typeof b === "bigint") {
      return this.#takeEdge(block, block.succs[compare(term.cond, a, b) ? 0 : 1]!);
    }
    for (const succ of block.succs) this.#takeEdge(block, succ);
  }

  #phi(phi: Inst, block: Block): Lattice {
    let value: Lattice;
    for (let i = 0; i < phi.args.length; i++) {
      if (this.#edges[block.id]![i] !== 1) continue;
      const arg = this.#values[phi.args[i]!.id];
      if (arg === undefined) continue;
      if (arg === VARIES || (value !== undefined && arg !== value)) return VARIES;
      value = arg;
    }
    return value;
  }

  #compute(inst: Inst): Lattice {
    if (inst.op === "const") return inst.imm;
    if (!OPS[inst.op].pure || inst.args.length === 0 || inst.op === "addCore") return VARIES;
    const args = inst.args.map((arg) => this.#values[arg.id]);
    if (inst.op === "select") {
      const [condition, yes, no] = args as [Lattice, Lattice, Lattice];
      if (condition === VARIES) return yes === no ? yes : yes === undefined || no === undefined ? undefined : VARIES;
      return condition === undefined ? undefined : condition !== 0n ? yes : no;
    }
    if (args.includes(undefined)) return undefined;
    if (args.includes(VARIES)) return VARIES;
    return evaluate(inst.op, inst.size, args[0] as bigint, (args[1] ?? 0n) as bigint) ?? VARIES;
  }

  apply(): void {
    const fn = this.#fn;
    const constants = new Constants(fn);
    const replaced: Replacements = [];
    for (const block of fn.blocks) {
      if (this.#reached[block.id] === 0) continue;
      for (const inst of block.insts) {
        const value = this.#values[inst.id];
        if (typeof value === "bigint" && inst.op !== "const") replaced[inst.id] = constants.get(value);
      }
      const term = block.term!;
      if (term.op !== "branch") continue;
      const [a, b] = term.args.map((arg) => this.#values[arg.id]);
      if (typeof a === "bigint" && typeof b === "bigint") {
        takeBranch(block, block.succs[compare(term.cond, a, b) ? 0 : 1]!);
      }
    }
    removeUnreachable(fn);
    constants.place();
    applyReplacements(fn, replaced);
  }
}
