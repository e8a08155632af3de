/**
 * Takes sign-extending loads apart: a plain load and a `sext`. The extension can then go where nobody looks at the sign, and 32-bit
 * comparisons do without it. The code generator puts the two together again where the machine has the instruction (cpu v4).
 */
import { applyReplacements } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";

export function splitSignedLoads(fn: IrFunction): void {
  const extended: Replacements = [];
  for (const block of fn.blocks) {
    if (!block.insts.some((inst) => inst.op === "load" && inst.signed)) continue;
    const out: Inst[] = [];
    for (const inst of block.insts) {
      out.push(inst);
      if (inst.op !== "load" || !inst.signed) continue;
      inst.signed = false;
      if (inst.size === 8) continue;
      const load = fn.inst("load", inst.args, inst.pos);
      Object.assign(load, { ...inst, id: load.id, signed: false });
      const sext = fn.inst("sext", [load], inst.pos);
      sext.size = inst.size * 8;
      extended[inst.id] = sext;
      out.pop();
      out.push(load, sext);
    }
    block.insts = out;
  }
  applyReplacements(fn, extended);
}
