/**
 * CO-RE: writes a value into an instruction: the offset of a load or store, the immediate of an ALU operation or of a
 * 64-bit load. The instruction must hold the local value before; loads and stores change their width where the target's
 * field has another size and that is safe. Rules are libbpf's (`bpf_core_patch_insn`).
 */
import { InsnView } from "../asm/insn.ts";
import { CALL } from "../asm/opcodes.ts";
import type { CoreValue } from "./core_value.ts";
import type { BtfType } from "../btf/types.ts";

/** The immediate of the call that a poisoned instruction becomes: no helper has this number. */
export const CORE_POISON = 195896080; // 0xbad2310

/** Whether a 64-bit load lies here, both of its slots. */
export function isWideLoad(slots: InsnView, slot: number): boolean {
  return slots.isLdImm64(slot) && slot + 1 < slots.count && slots.code(slot + 1) === 0;
}

/** Why an instruction was poisoned. */
export type PoisonReason = "no match" | "size";

const CLASS_LD = 0;
const CLASS_STX = 3;
const CLASS_ALU = 4;
const CLASS_ALU64 = 7;

/** Turns an instruction into a call that the verifier refuses, unless it is never reached. */
export function poison(slots: InsnView, slot: number, imm: number = CORE_POISON): void {
  const wide = isWideLoad(slots, slot);
  poisonSlot(slots, slot, imm);
  if (wide) poisonSlot(slots, slot + 1, imm);
}

function poisonSlot(slots: InsnView, slot: number, imm: number): void {
  slots.setCode(slot, CALL);
  slots.setRegs(slot, 0, 0);
  slots.setOff(slot, 0);
  slots.setImm(slot, imm);
}

/**
 * Patches one instruction. `target` undefined means the target has nothing that matches. Returns why it was poisoned,
 * undefined if it was not; `fail` throws.
 */
export function applyCore(
  slots: InsnView,
  slot: number,
  local: CoreValue,
  target: CoreValue | undefined,
  fail: (problem: string) => never,
): PoisonReason | undefined {
  if (target === undefined) {
    poison(slots, slot);
    return "no match";
  }
  const cls = slots.code(slot) & 7;
  if (cls === CLASS_ALU || cls === CLASS_ALU64) patchAlu(slots, slot, local, target, fail);
  else if (cls > CLASS_LD && cls <= CLASS_STX) {
    if (!patchMemory(slots, slot, local, target, fail)) {
      poison(slots, slot);
      return "size";
    }
  } else if (isWideLoad(slots, slot)) patchLdimm64(slots, slot, local, target, fail);
  else fail(`opcode 0x${slots.code(slot).toString(16)} takes no CO-RE value`);
  return undefined;
}

function patchAlu(
  slots: InsnView,
  slot: number,
  local: CoreValue,
  target: CoreValue,
  fail: (p: string) => never,
): void {
  if ((slots.code(slot) & 8) !== 0) fail("operation on two registers takes no CO-RE value");
  const held = slots.imm(slot);
  if (local.validate && BigInt.asIntN(32, local.value) !== BigInt(held)) fail(mismatch(held, local));
  slots.setImm(slot, Number(BigInt.asIntN(32, target.value)));
}

/** False if the field's size changed in a way that no other width of the instruction could make good. */
function patchMemory(
  slots: InsnView,
  slot: number,
  local: CoreValue,
  target: CoreValue,
  fail: (p: string) => never,
): boolean {
  const held = slots.off(slot);
  if (local.validate && local.value !== BigInt(held)) fail(mismatch(held, local));
  if (target.value > 0x7fffn) fail(`offset ${target.value} does not fit the 16 bits of the instruction`);
  const [from, to] = [local.access, target.access];
  const resize = from !== undefined && to !== undefined && from.size !== to.size;
  if (resize && !canResize(from.type, to.type)) return false;
  slots.setOff(slot, Number(target.value));
  if (!resize) return true;
  const width = WIDTHS[(slots.code(slot) >> 3) & 3]!;
  if (width !== from.size) fail(`the instruction accesses ${width} bytes, but the field has ${from.size}`);
  const code = WIDTHS.indexOf(to.size);
  if (code < 0) fail(`the target's field has ${to.size} bytes, which no instruction accesses`);
  slots.setCode(slot, (slots.code(slot) & ~0x18) | (code << 3));
  return true;
}

/** Bytes by BPF_SIZE: BPF_W, BPF_H, BPF_B, BPF_DW. */
const WIDTHS: readonly number[] = [4, 2, 1, 8];

/**
 * A pointer of a 32-bit kernel is 8 bytes for BPF, and an unsigned integer extends with zeros whatever its width; a
 * signed one would lose its sign.
 */
function canResize(from: BtfType, to: BtfType): boolean {
  if (from.kind === "PTR" && to.kind === "PTR") return true;
  return from.kind === "INT" && to.kind === "INT" && !from.signed && !to.signed;
}

function patchLdimm64(
  slots: InsnView,
  slot: number,
  local: CoreValue,
  target: CoreValue,
  fail: (p: string) => never,
): void {
  if (slots.src(slot) !== 0 || slots.off(slot) !== 0 || slots.off(slot + 1) !== 0) fail("64-bit load is not plain");
  const held = (BigInt.asUintN(32, BigInt(slots.imm(slot + 1))) << 32n) | BigInt.asUintN(32, BigInt(slots.imm(slot)));
  if (held === local.value || !local.validate) return slots.setImm64(slot, target.value);
  // BTF without the sign of an enum (before kind_flag) stores -1 as 0xffffffff, which the compiler loads as -1.
  if (held === signExtended(local.value)) return slots.setImm64(slot, signExtended(target.value));
  fail(mismatch(held, local));
}

function signExtended(value: bigint): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(32, value));
}

function mismatch(held: number | bigint, local: CoreValue): string {
  return `the instruction holds ${held}, but the object's own types say ${local.value}`;
}
