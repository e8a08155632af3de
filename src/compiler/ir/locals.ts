/**
 * Locals while a function is built: which value each has at the end of each block, with phis where paths with different values
 * meet (Braun et al., "Simple and Efficient Construction of Static Single Assignment Form", CC 2013).
 */
import type { Block, Inst, IrFunction, SourcePosition, Value } from "./ir.ts";

/** A variable of the source: assigned any number of times. */
export interface Local {
  readonly index: number;
  readonly name: string;
}

export class LocalValues {
  readonly #fn: IrFunction;
  #count = 0;
  /** Position of the phis that are made. */
  pos: SourcePosition | undefined = undefined;
  /** By block id, then local index: the value at the end of the block so far. */
  readonly #definitions: (Value | undefined)[][] = [];
  readonly #sealed: boolean[] = [];
  /** By block id: phis whose arguments wait for the block to be sealed. */
  readonly #incomplete: { local: Local; phi: Inst }[][] = [];
  /** By instruction id: what a trivial phi was replaced with. */
  readonly #forward: (Value | undefined)[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
  }

  create(name: string): Local {
    return { index: this.#count++, name };
  }

  addBlock(block: Block): void {
    this.#definitions[block.id] = [];
    this.#incomplete[block.id] = [];
    this.#sealed[block.id] = false;
  }

  /** No further predecessor will be added: phis that waited for that get their arguments. */
  seal(block: Block): void {
    if (this.isSealed(block)) return;
    this.#sealed[block.id] = true;
    for (const { local, phi } of this.#incomplete[block.id]!) this.#fillPhi(block, local, phi);
    this.#incomplete[block.id] = [];
  }

  isSealed(block: Block): boolean {
    return this.#sealed[block.id]!;
  }

  write(block: Block, local: Local, value: Value): void {
    this.#definitions[block.id]![local.index] = value;
  }

  /** Whether the instruction is a phi that gave way to another value. */
  isReplaced(inst: Inst): boolean {
    return this.#forward[inst.id] !== undefined;
  }

  /** The local's value at the end of the block so far; 0 on paths where it was never set. */
  read(block: Block, local: Local): Value {
    const known = this.#definitions[block.id]![local.index];
    if (known !== undefined) return this.resolve(known);
    let value: Value;
    if (!this.#sealed[block.id]) {
      value = this.#newPhi(block);
      this.#incomplete[block.id]!.push({ local, phi: value });
    } else if (block.preds.length === 1) {
      value = this.read(block.preds[0]!, local);
    } else if (block.preds.length === 0) {
      value = this.#fn.inst("const", [], this.pos);
      block.insts.push(value);
    } else {
      const phi = this.#newPhi(block);
      this.#definitions[block.id]![local.index] = phi; // ends recursion through loops
      value = this.#fillPhi(block, local, phi);
    }
    this.#definitions[block.id]![local.index] = value;
    return value;
  }

  #newPhi(block: Block): Inst {
    const phi = this.#fn.inst("phi", [], this.pos);
    const firstOther = block.insts.findIndex((i) => i.op !== "phi");
    block.insts.splice(firstOther < 0 ? block.insts.length : firstOther, 0, phi);
    return phi;
  }

  #fillPhi(block: Block, local: Local, phi: Inst): Value {
    phi.args = block.preds.map((pred) => this.read(pred, local));
    return this.simplifyPhi(phi);
  }

  /** A phi of one value only (besides itself) is that value. Users of the phi are corrected by `finish`. */
  simplifyPhi(phi: Inst): Value {
    let same: Value | undefined;
    for (const arg of phi.args) {
      const value = this.resolve(arg);
      if (value === same || value === phi) continue;
      if (same !== undefined) return phi;
      same = value;
    }
    if (same === undefined) return phi;
    this.#forward[phi.id] = same;
    return same;
  }

  /** The value that stands for a trivial phi. */
  resolve(value: Value): Value {
    let at = value;
    for (let next = this.#forward[at.id]; next !== undefined; next = this.#forward[at.id]) at = next;
    return at;
  }
}
