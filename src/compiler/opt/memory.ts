/** What memory an access touches, as far as can be told: the object, the bytes in it, and which accesses cannot meet. */
import type { Inst, IrFunction } from "../ir/ir.ts";

/** A range of bytes of an object. `offset` is undefined where it is computed: the range may be anywhere in the object. */
export interface Place {
  /** What the address is made from: a stack slot's address, a fresh allocation, or any other pointer. */
  readonly root: Inst;
  readonly offset: number | undefined;
  readonly size: number;
}

/** The object and offset of an address. */
export function place(base: Inst, offset: number, size: number): Place {
  let at = base;
  let sum: number | undefined = offset;
  for (;;) {
    if (at.op === "addCore") return { root: at, offset: sum, size };
    if (at.op !== "add") break;
    const [left, right] = at.args as [Inst, Inst];
    if (right.op === "const") {
      if (sum !== undefined) sum += Number(right.imm);
      at = left;
    } else if (isObject(left) || left.op === "add") {
      sum = undefined;
      at = left;
    } else if (isObject(right) || right.op === "add") {
      sum = undefined;
      at = right;
    } else break;
  }
  // The addresses of one map's globals differ by constants.
  if (at.op === "mapValue" && sum !== undefined) sum += at.offset;
  return { root: at, offset: sum, size };
}

/** The bytes that an instruction reads or writes at its first operand. */
export function placeOf(inst: Inst): Place {
  // A CO-RE offset is not known before the program is loaded.
  const { root, offset, size } = place(inst.args[0]!, inst.offset, inst.size);
  return inst.core === undefined ? { root, offset, size } : { root, offset: undefined, size };
}

/** Whether nothing else can point to the object until its address gets away. */
export function isObject(value: Inst): boolean {
  return value.op === "stackSlot" || value.op === "call" && value.call!.fresh;
}

/** Whether two addresses surely start from the same object. */
export function sameRoot(a: Inst, b: Inst): boolean {
  if (a === b) return true;
  if (a.op === "stackSlot" && b.op === "stackSlot") return a.slot === b.slot;
  return a.op === "mapValue" && b.op === "mapValue" && a.name === b.name;
}

/** Whether two ranges may have bytes in common. `escaped` tells which objects others may point to. */
export function mayOverlap(a: Place, b: Place, escaped: Escapes): boolean {
  if (sameRoot(a.root, b.root)) {
    if (a.offset === undefined || b.offset === undefined) return true;
    return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
  }
  if (escaped.isPrivate(a.root) || escaped.isPrivate(b.root)) return false;
  if (isObject(a.root) && isObject(b.root)) return false;
  return !(a.root.op === "mapValue" && b.root.op === "mapValue");
}

/** Which stack slots and fresh allocations are only used in ways that leave no pointer to them behind. */
export class Escapes {
  readonly #escaped: Uint8Array;

  constructor(fn: IrFunction) {
    this.#escaped = new Uint8Array(fn.nextId);
    // By id of an address inside of an object: that object. Blocks come in reverse post-order, so definitions first.
    const objects: (Inst | undefined)[] = [];
    const slots: (Inst | undefined)[] = [];
    const escape = (value: Inst) => {
      const object = objects[value.id];
      if (object !== undefined) this.#escaped[object.id] = 1;
    };
    for (const block of fn.blocks) {
      for (const inst of block.insts) {
        if (inst.op === "stackSlot") objects[inst.id] = slots[inst.slot!.index] ??= inst;
        else if (isObject(inst)) objects[inst.id] = inst;
        else if (inst.op === "add") objects[inst.id] = objects[inst.args[0]!.id] ?? objects[inst.args[1]!.id];
        forEachLeak(inst, escape);
      }
      forEachLeak(block.term!, escape);
    }
    for (const block of fn.blocks) {
      for (const inst of block.insts) {
        if (inst.op === "stackSlot" && this.#escaped[slots[inst.slot!.index]!.id] === 1) this.#escaped[inst.id] = 1;
      }
    }
  }

  /** Whether only accesses through this address, and calls that get it, touch the object. */
  isPrivate(root: Inst): boolean {
    return isObject(root) && this.#escaped[root.id] === 0;
  }
}

/** Calls `leak` for operands whose value the instruction passes on to where it cannot be followed. */
function forEachLeak(inst: Inst, leak: (value: Inst) => void): void {
  switch (inst.op) {
    case "load":
    case "zero":
    case "copy":
    case "add":
    case "branch":
      return;
    case "call":
      // Helpers and kfuncs use a pointer during the call only; a function might store it behind another argument.
      if (inst.call!.kind === "function") inst.args.forEach(leak);
      return;
    case "store":
    case "atomic":
      for (let i = 1; i < inst.args.length; i++) leak(inst.args[i]!);
      return;
    default:
      inst.args.forEach(leak);
  }
}

/** Whether a call may write the memory; private objects only through arguments that point into them. */
export function callMayWrite(call: Inst, { root }: Place, escapes: Escapes): boolean {
  const info = call.call!;
  if (info.pure) return false;
  if (!escapes.isPrivate(root)) return true;
  for (let i = 0; i < call.args.length; i++) {
    if ((info.writes >> i & 1) === 1 && sameRoot(place(call.args[i]!, 0, 1).root, root)) return true;
  }
  return false;
}

/** Whether a call may read the memory. */
export function callMayRead(call: Inst, { root }: Place, escapes: Escapes): boolean {
  if (call.call!.pure) return false;
  if (!escapes.isPrivate(root)) return true;
  return call.args.some((arg) => sameRoot(place(arg, 0, 1).root, root));
}
