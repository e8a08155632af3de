/**
 * Addresses in the value of one map become a common base and offsets, which loads and stores add by themselves: a 64-bit immediate takes
 * two slots, an offset none.
 */
import { Constants } from "../ir/edit.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";

export function shareBases(fn: IrFunction): void {
  const offsets = new Map<string, Set<number>>();
  for (const block of fn.blocks) {
    for (const inst of block.insts) {
      if (inst.op !== "mapValue") continue;
      const known = offsets.get(inst.name);
      if (known === undefined) offsets.set(inst.name, new Set([inst.offset]));
      else known.add(inst.offset);
    }
  }
  if (![...offsets.values()].some((known) => known.size > 1)) return;
  const constants = new Constants(fn);
  for (const block of fn.blocks) {
    const out: Inst[] = [];
    for (const inst of block.insts) {
      const lowest = inst.op === "mapValue" ? Math.min(...offsets.get(inst.name)!) : 0;
      if (inst.op === "mapValue" && inst.offset !== lowest) {
        const base = fn.inst("mapValue", [], inst.pos);
        base.name = inst.name;
        base.offset = lowest;
        out.push(base);
        inst.op = "add";
        inst.args = [base, constants.get(BigInt(inst.offset - lowest))];
        inst.name = "";
        inst.offset = 0;
      }
      out.push(inst);
    }
    block.insts = out;
  }
  constants.place();
}
