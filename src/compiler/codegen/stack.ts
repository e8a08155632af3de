/** Lays out the stack frame. */
import type { IrFunction } from "../ir/ir.ts";
import { Frame } from "./frame.ts";
import type { LirFunction } from "./lir.ts";

/** Slots that are used, one below the other. */
export function layOutStack(fn: IrFunction, lir: LirFunction): Frame {
  const offsets = new Float64Array(fn.slots.length).fill(NaN);
  let size = 0;
  for (const slot of fn.slots) {
    size = Math.ceil((size + slot.size) / 8) * 8;
    offsets[slot.index] = -size;
  }
  return new Frame(offsets, size, lir.spills);
}
