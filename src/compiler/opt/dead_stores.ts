/** Drops writes to stack slots that nothing reads, and the parts of zeroing that are overwritten before they are read. */
import type { Inst, IrFunction } from "../ir/ir.ts";
import { placeOf } from "./memory.ts";
import { SlotLiveness } from "./slot_liveness.ts";
import type { Bytes } from "./slot_liveness.ts";

export function eliminateDeadStores(fn: IrFunction): void {
  if (fn.slots.length === 0) return;
  const liveness = new SlotLiveness(fn);
  for (const block of fn.blocks) {
    const live = liveness.atEnd(block);
    const reversed: Inst[] = [];
    for (let i = block.insts.length - 1; i >= 0; i--) {
      const inst = block.insts[i]!;
      const kept = keep(fn, inst, live, liveness);
      for (const part of kept) liveness.before(part, live);
      reversed.push(...kept);
    }
    block.insts = reversed.reverse();
  }
}

/** What of the instruction is needed, last part first. */
function keep(fn: IrFunction, inst: Inst, live: Bytes, liveness: SlotLiveness): Inst[] {
  if (inst.op !== "store" && inst.op !== "zero" && inst.op !== "copy") return [inst];
  const { root, offset, size } = placeOf(inst);
  const { slot } = root;
  if (root.op !== "stackSlot" || slot === undefined || !liveness.follows(slot) || offset === undefined) return [inst];
  if (!liveness.isLive(live, slot, offset, offset + size)) return [];
  if (inst.op !== "zero") return [inst];
  // By 8-byte words: one store each, and neighbours may be put together with what is stored into the same word.
  const parts: Inst[] = [];
  for (let from = offset; from < offset + size;) {
    const to = Math.min(offset + size, (from & ~7) + 8);
    if (liveness.isLive(live, slot, from, to)) {
      const last = parts[parts.length - 1];
      if (last !== undefined && last.offset + last.size === from) last.size += to - from;
      else parts.push(zeroPart(fn, inst, root, from, to - from));
    }
    from = to;
  }
  return parts.reverse();
}

function zeroPart(fn: IrFunction, inst: Inst, root: Inst, offset: number, size: number): Inst {
  const part = fn.inst("zero", [root], inst.pos);
  part.offset = offset;
  part.size = size;
  return part;
}
