/** What the rules of algebraic simplification work with. */
import { Constants } from "../ir/edit.ts";
import type { Inst, IrFunction, Op } from "../ir/ir.ts";

/** What a rule can do: make constants and instructions in front of the one it looks at. */
export class FoldContext {
  readonly #fn: IrFunction;
  readonly constants: Constants;
  /** The instructions of the current block so far. */
  out: Inst[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.constants = new Constants(fn);
  }

  constant(value: bigint): Inst {
    return this.constants.get(value);
  }

  /** A new instruction in front of the current one. */
  make(op: Op, args: Inst[], from: Inst, size = 0): Inst {
    const inst = this.#fn.inst(op, args, from.pos);
    inst.size = size;
    this.out.push(inst);
    return inst;
  }
}

/** Makes `inst` another operation; for rules. */
export function become(inst: Inst, op: Op, args: Inst[], size = 0): Inst {
  inst.op = op;
  inst.args = args;
  inst.size = size;
  return inst;
}
