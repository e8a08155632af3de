/**
 * Which bytes of the stack slots may still be read: backward data flow, one bit a byte. Slots whose address gets away are left
 * out; they have to be taken as live everywhere.
 */
import type { Block, Inst, IrFunction, StackSlot } from "../ir/ir.ts";
import { callMayRead, callMayWrite, Escapes, place, placeOf } from "./memory.ts";
import type { Place } from "./memory.ts";

/** A set of bytes of slots. */
export type Bytes = Uint32Array;

export class SlotLiveness {
  readonly escapes: Escapes;
  /** By slot index: its first bit; -1 if the slot is not followed. */
  readonly #first: Int32Array;
  /** An address instruction of each slot that is followed. */
  readonly #addresses: Inst[] = [];
  readonly #words: number;
  /**
   * Bytes that anything writes. The others are live nowhere: a helper that takes a slot of 8 bytes for a key of 4 is taken
   * to read them all, and what nobody writes would seem to be needed from the start of the function on.
   */
  readonly #written: Bytes;
  /** By block id. */
  readonly #liveOut: Bytes[] = [];

  constructor(fn: IrFunction) {
    this.escapes = new Escapes(fn);
    this.#first = new Int32Array(fn.slots.length).fill(-1);
    let bits = 0;
    for (const block of fn.blocks) {
      for (const inst of block.insts) {
        if (inst.op !== "stackSlot" || this.#first[inst.slot!.index]! >= 0 || !this.escapes.isPrivate(inst)) continue;
        this.#first[inst.slot!.index] = bits;
        this.#addresses.push(inst);
        bits += inst.slot!.size;
      }
    }
    this.#words = bits + 31 >> 5;
    this.#written = new Uint32Array(this.#words);
    if (bits === 0) return;
    for (const block of fn.blocks) for (const inst of block.insts) this.#noteWrites(inst);
    this.#solve(fn);
  }

  /** Whether the slot's bytes are followed. */
  follows(slot: StackSlot): boolean {
    return this.#first[slot.index]! >= 0;
  }

  /** The bytes that are live at the end of a block; a copy to walk backwards with. */
  atEnd(block: Block): Bytes {
    return this.#liveOut[block.id]?.slice() ?? new Uint32Array(this.#words);
  }

  /** Whether any byte of the range (all of the slot unless given) is live. */
  isLive(live: Bytes, slot: StackSlot, from = 0, to: number = slot.size): boolean {
    const first = this.#first[slot.index]!;
    for (let bit = first + from; bit < first + to; bit++) {
      if ((live[bit >> 5]! >>> (bit & 31) & 1) === 1) return true;
    }
    return false;
  }

  /** Turns what is live behind an instruction into what is live in front of it. */
  before(inst: Inst, live: Bytes): void {
    switch (inst.op) {
      case "load":
      case "atomic":
        return this.#set(live, placeOf(inst), true);
      case "store":
      case "zero":
        return this.#set(live, placeOf(inst), false);
      case "copy":
        this.#set(live, placeOf(inst), false);
        return this.#set(live, place(inst.args[1]!, inst.srcOffset, inst.size), true);
      case "call":
        for (const address of this.#addresses) {
          const whole = { root: address, offset: undefined, size: address.slot!.size };
          if (this.#isFilled(inst, address)) this.#set(live, { ...whole, offset: 0 }, false);
          else if (callMayRead(inst, whole, this.escapes)) this.#set(live, whole, true);
        }
    }
  }

  /** Whether the call gets the slot's address for filling it, and in no other way. */
  #isFilled({ args, call }: Inst, { slot }: Inst): boolean {
    const given = args.flatMap((arg, i) => (place(arg, 0, 1).root.slot === slot ? [i] : []));
    return given.length === 1 && (call!.fills >> given[0]! & 1) === 1;
  }

  /** The slots that an instruction touches in any way. */
  touched(inst: Inst): StackSlot[] {
    const slots: StackSlot[] = [];
    for (const arg of inst.args) {
      const { slot } = place(arg, 0, 1).root;
      if (slot !== undefined) slots.push(slot);
    }
    return slots;
  }

  /** Writes at a computed offset make nothing dead, reads at one make all of the slot live. */
  #set(live: Bytes, { root, offset, size }: Place, value: boolean): void {
    const { slot } = root;
    if (root.op !== "stackSlot" || slot === undefined || !this.follows(slot)) return;
    if (offset === undefined && !value) return;
    const first = this.#first[slot.index]!;
    const from = Math.max(0, offset ?? 0);
    const to = offset === undefined ? slot.size : Math.min(slot.size, offset + size);
    for (let bit = first + from; bit < first + to; bit++) {
      if (value) live[bit >> 5]! |= this.#written[bit >> 5]! & 1 << (bit & 31);
      else live[bit >> 5]! &= ~(1 << (bit & 31));
    }
  }

  #noteWrites(inst: Inst): void {
    if (inst.op === "store" || inst.op === "zero" || inst.op === "copy" || inst.op === "atomic") {
      this.#note(placeOf(inst));
    }
    if (inst.op !== "call") return;
    for (const address of this.#addresses) {
      const whole = { root: address, offset: undefined, size: address.slot!.size };
      if (callMayWrite(inst, whole, this.escapes)) this.#note(whole);
    }
  }

  #note({ root, offset, size }: Place): void {
    const { slot } = root;
    if (root.op !== "stackSlot" || slot === undefined || !this.follows(slot)) return;
    const first = this.#first[slot.index]!;
    const to = offset === undefined ? slot.size : Math.min(slot.size, offset + size);
    for (let bit = first + Math.max(0, offset ?? 0); bit < first + to; bit++) {
      this.#written[bit >> 5]! |= 1 << (bit & 31);
    }
  }

  #solve(fn: IrFunction): void {
    const liveIn: Bytes[] = [];
    for (const block of fn.blocks) {
      this.#liveOut[block.id] = new Uint32Array(this.#words);
      liveIn[block.id] = new Uint32Array(this.#words);
    }
    for (let changed = true; changed;) {
      changed = false;
      for (let i = fn.blocks.length - 1; i >= 0; i--) {
        const block = fn.blocks[i]!;
        const out = this.#liveOut[block.id]!;
        for (const succ of block.succs) liveIn[succ.id]!.forEach((word, w) => out[w]! |= word);
        const live = out.slice();
        for (let j = block.insts.length - 1; j >= 0; j--) this.before(block.insts[j]!, live);
        const old = liveIn[block.id]!;
        if (live.some((word, w) => word !== old[w])) {
          liveIn[block.id] = live;
          changed = true;
        }
      }
    }
  }
}
