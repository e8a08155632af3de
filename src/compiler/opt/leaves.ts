/** Moves constants and stack addresses to the entry block, one of each. They become code where they are used, so this costs nothing. */
import { applyReplacements, Constants } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";

export function gatherLeaves(fn: IrFunction): void {
  const replaced: Replacements = [];
  const slots: (Inst | undefined)[] = [];
  const [entry] = fn.blocks as [IrFunction["blocks"][number]];
  // The first constant of each value in the entry block stays.
  const constants = new Constants(fn);
  const addresses: Inst[] = [];
  for (const block of fn.blocks) {
    for (const inst of block.insts) {
      if (inst.op === "const") {
        const kept = constants.get(inst.imm);
        if (kept !== inst) replaced[inst.id] = kept;
      } else if (inst.op === "stackSlot") {
        const kept = slots[inst.slot!.index] ??= fn.inst("stackSlot", []);
        if (kept.slot === undefined) addresses.push(kept);
        kept.slot = inst.slot;
        replaced[inst.id] = kept;
      }
    }
  }
  constants.place();
  applyReplacements(fn, replaced);
  // Constants first: a constant that was in the middle of the entry block may be used before by now.
  const all = entry.insts;
  entry.insts = [...all.filter((i) => i.op === "const"), ...addresses, ...all.filter((i) => i.op !== "const")];
}
