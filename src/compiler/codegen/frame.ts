/** The stack frame: where slots and spilled registers lie below r10. */
import type { StackSlot } from "../ir/ir.ts";

/** Bytes that the kernel gives a call chain (MAX_BPF_STACK). */
export const STACK_LIMIT = 512;

export class Frame {
  /** By slot index: offset from r10; NaN for slots that are not used. */
  readonly slotOffsets: Float64Array;
  #size: number;
  #spillBase: number;

  /** `size` bytes are taken by the slots; spill slots follow. */
  constructor(slotOffsets: Float64Array, size: number, spills: number) {
    this.slotOffsets = slotOffsets;
    this.#spillBase = (size + 7) & ~7;
    this.#size = this.#spillBase + 8 * spills;
  }

  /** Bytes in use. */
  get size(): number {
    return this.#size;
  }

  slot(slot: StackSlot): number {
    return this.slotOffsets[slot.index]!;
  }

  spill(index: number): number {
    return -this.#spillBase - 8 * (index + 1);
  }

  /** One more spill slot. */
  extra(): number {
    this.#size += 8;
    return (this.#size - this.#spillBase) / 8 - 1;
  }
}
