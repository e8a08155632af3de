/** Drops instructions whose results nobody needs, phis that only feed each other among them. */
import type { Inst, IrFunction } from "../ir/ir.ts";
import { OPS } from "../ir/ops.ts";

export function eliminateDeadCode(fn: IrFunction): void {
  const live = new Uint8Array(fn.nextId);
  const work: Inst[] = [];
  const mark = (inst: Inst) => {
    if (live[inst.id] === 1) return;
    live[inst.id] = 1;
    work.push(inst);
  };
  for (const block of fn.blocks) {
    for (const inst of block.insts) if (hasEffect(inst)) mark(inst);
    for (const arg of block.term!.args) mark(arg);
  }
  for (let inst = work.pop(); inst !== undefined; inst = work.pop()) inst.args.forEach(mark);
  for (const block of fn.blocks) {
    if (block.insts.some((inst) => live[inst.id] === 0)) {
      block.insts = block.insts.filter((inst) => live[inst.id] === 1);
    }
  }
}

/** Whether something besides the result would be missed. */
export function hasEffect(inst: Inst): boolean {
  switch (inst.op) {
    case "store":
    case "zero":
    case "copy":
    case "atomic":
      return true;
    case "load":
      return inst.volatile;
    case "call":
      return !inst.call!.pure;
    case "param":
    case "phi":
      return false;
    default:
      return !OPS[inst.op].pure;
  }
}
