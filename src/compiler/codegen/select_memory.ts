/** Loads, stores, copies and atomics: addresses are folded into the instruction where the machine can add. */
import type { AtomicOp } from "../../asm/opcodes.ts";
import type { Inst, StackSlot } from "../ir/ir.ts";
import { NONE } from "./lir.ts";
import type { LirInst, Operand } from "./lir.ts";
import { signExtend } from "./select_extend.ts";
import { isStackAddress } from "./select_context.ts";
import type { SelectContext } from "./select_context.ts";

/** Where a memory access goes: a base register, or a stack slot. */
interface Address {
  base: Inst | undefined;
  slot: StackSlot | undefined;
  off: number;
}

/** A base and offset that the machine can add by itself. */
function addressOf(base: Inst, offset: number, core: boolean): Address {
  let [at, off] = [base, offset];
  while (!core && at.op === "add" && at.args[1]!.op === "const") {
    const sum = off + Number(at.args[1]!.imm);
    if (sum < -0x8000 || sum > 0x7fff) break;
    [at, off] = [at.args[0]!, sum];
  }
  if (at.op === "stackSlot") return { base: undefined, slot: at.slot, off };
  return { base: at, slot: undefined, off };
}

function place(inst: LirInst, address: Address, base: Operand): LirInst {
  inst.a = base;
  inst.slot = address.slot;
  inst.off = address.off;
  return inst;
}

/** The base in a register; an offset that does not fit 16 bits is added to it. */
function baseRegister(ctx: SelectContext, address: Address): Operand {
  if (address.base === undefined) return NONE;
  const reg = ctx.register(address.base);
  if (address.off >= -0x8000 && address.off <= 0x7fff) return reg;
  const sum = ctx.lir.vreg();
  ctx.alu("add", sum, reg, undefined, address.off);
  address.off = 0;
  return sum;
}

/** Emits an access to memory. */
export function memory(ctx: SelectContext, inst: Inst): void {
  const address = addressOf(inst.args[0]!, inst.offset, inst.core !== undefined);
  const base = baseRegister(ctx, address);
  switch (inst.op) {
    case "load":
      return loadFrom(ctx, inst, address, base);
    case "store": {
      const value = inst.args[1]!;
      const right = ctx.right(value, inst.size * 8);
      const store = place(ctx.new("store"), address, base);
      Object.assign(store, { size: inst.size, ...right, core: inst.core });
      return;
    }
    case "zero":
      for (const { off, size } of pieces(inst.size, ...stackOffset(address))) {
        Object.assign(place(ctx.new("store"), { ...address, off: address.off + off }, base), { size });
      }
      return;
    case "copy":
      return copy(ctx, inst, address, base);
    default:
      return atomic(ctx, inst, address, base);
  }
}

function loadFrom(ctx: SelectContext, inst: Inst, address: Address, base: Operand): void {
  const signed = (inst.signed || ctx.signedLoads[inst.id] === 1) && inst.size < 8;
  const direct = !signed || ctx.options.cpu >= 4 && inst.core === undefined;
  const dst = ctx.asked(inst) ? ctx.vreg(inst) : ctx.lir.vreg();
  const loaded = direct ? dst : ctx.lir.vreg();
  const load = place(ctx.new("load"), address, base);
  Object.assign(load, { dst: loaded, size: inst.size, signed: signed && direct, core: inst.core });
  if (!direct) signExtend(ctx, inst.size * 8, dst, loaded);
  else if (inst.invariant && !inst.volatile && !inst.pinned) ctx.lir.remat[dst] = load;
}

function copy(ctx: SelectContext, inst: Inst, to: Address, toBase: Operand): void {
  const from = addressOf(inst.args[1]!, inst.srcOffset, false);
  const fromBase = baseRegister(ctx, from);
  for (const { off, size } of pieces(inst.size, ...stackOffset(to), ...stackOffset(from))) {
    const value = ctx.lir.vreg();
    const load = place(ctx.new("load"), { ...from, off: from.off + off }, fromBase);
    Object.assign(load, { dst: value, size });
    const store = place(ctx.new("store"), { ...to, off: to.off + off }, toBase);
    Object.assign(store, { b: value, size });
  }
}

function atomic(ctx: SelectContext, inst: Inst, address: Address, base: Operand): void {
  const expected = inst.atomic === "cmpxchg";
  const c = expected ? ctx.register(inst.args[1]!) : NONE;
  const b = ctx.register(inst.args[expected ? 2 : 1]!);
  const asked = ctx.asked(inst);
  const plain = inst.atomic === "xchg" || expected || !asked;
  const atomic: AtomicOp = plain ? inst.atomic : `fetch_${inst.atomic as "add" | "or" | "and" | "xor"}`;
  const dst = asked ? ctx.vreg(inst) : inst.atomic === "xchg" || expected ? ctx.lir.vreg() : NONE;
  Object.assign(place(ctx.new("atomic"), address, base), { size: inst.size, atomic, b, c, dst });
}

/**
 * Pieces of a range of bytes. Stack accesses must be aligned to their size; elsewhere x86-64 and arm64 need no alignment, and the
 * verifier asks for none there.
 */
function pieces(length: number, ...stackOffsets: readonly number[]): { off: number; size: number }[] {
  const out: { off: number; size: number }[] = [];
  for (let off = 0; off < length;) {
    let size = 8;
    while (off + size > length || stackOffsets.some((start) => (start + off) % size !== 0)) size /= 2;
    out.push({ off, size });
    off += size;
  }
  return out;
}

/** The offset if the address lies in the stack frame. */
function stackOffset({ base, off }: Address): number[] {
  return base === undefined || isStackAddress(base) ? [off] : [];
}
