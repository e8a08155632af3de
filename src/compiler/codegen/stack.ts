/**
 * Lays out the stack frame: slots of the IR whose bytes are never needed at the same time share them, and so do spilled registers.
 */
import type { IrFunction, StackSlot } from "../ir/ir.ts";
import { SlotLiveness } from "../opt/slot_liveness.ts";
import { Frame } from "./frame.ts";
import type { LirFunction } from "./lir.ts";

/** Slots below r10, largest first so that small ones fill what is left; spills below them. */
export function layOutStack(fn: IrFunction, lir: LirFunction): Frame {
  const offsets = new Float64Array(fn.slots.length).fill(NaN);
  const meets = interference(fn);
  const used = fn.slots.filter((slot) => meets[slot.index] !== undefined).sort((a, b) => b.size - a.size);
  let frame = 0;
  for (const slot of used) {
    const taken = [...meets[slot.index]!].filter((other) => !Number.isNaN(offsets[other]))
      .map((other) => ({ from: offsets[other]!, to: offsets[other]! + fn.slots[other]!.size }));
    const offset = lowestFree(slot, taken);
    offsets[slot.index] = offset;
    frame = Math.max(frame, -offset);
  }
  return new Frame(offsets, frame, lir.spills);
}

/** The place nearest to r10 that meets no taken range. */
function lowestFree(slot: StackSlot, taken: readonly { from: number; to: number }[]): number {
  // Words of 8 bytes: parts of one word in use by two slots would make the verifier forget what it knows of either.
  let offset = -(slot.size + 7 & ~7);
  for (;;) {
    const to = offset + slot.size;
    const conflict = taken.find((range) => range.from < to && offset < range.to);
    if (conflict === undefined) return offset;
    offset = conflict.from - (slot.size + 7 & ~7);
  }
}

/** By slot index: the slots whose bytes must be others; undefined for slots that are not used. */
function interference(fn: IrFunction): (Set<number> | undefined)[] {
  const meets: (Set<number> | undefined)[] = [];
  const liveness = new SlotLiveness(fn);
  const escaped: StackSlot[] = [];
  for (const block of fn.blocks) {
    for (const { op, slot } of block.insts) {
      if (op !== "stackSlot" || meets[slot!.index] !== undefined) continue;
      meets[slot!.index] = new Set();
      if (!liveness.follows(slot!)) escaped.push(slot!);
    }
  }
  const used = fn.slots.filter((slot) => meets[slot.index] !== undefined);
  const meet = (a: StackSlot, b: StackSlot) => {
    if (a === b) return;
    meets[a.index]!.add(b.index);
    meets[b.index]!.add(a.index);
  };
  for (const slot of escaped) for (const other of used) meet(slot, other);
  for (const block of fn.blocks) {
    const live = liveness.atEnd(block);
    for (let i = block.insts.length - 1; i >= 0; i--) {
      const inst = block.insts[i]!;
      const touched = inst.op === "add" || inst.op === "stackSlot" ? [] : liveness.touched(inst);
      if (touched.length === 0) continue;
      // What the instruction writes must not lie where something is that is needed later, nor where it reads.
      const needed = used.filter((slot) => liveness.follows(slot) && liveness.isLive(live, slot));
      for (const slot of touched) for (const other of [...touched, ...needed]) meet(slot, other);
      liveness.before(inst, live);
    }
  }
  return meets;
}
