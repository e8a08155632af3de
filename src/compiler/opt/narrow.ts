/**
 * Drops work on bits that do not matter: extensions and masks of values that are narrow already, and everything that only
 * changes bits which the user cuts off.
 */
import { applyReplacements, Constants, countUses } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";
import { valueWidths } from "./widths.ts";

/** Operations whose low bits depend on the same low bits of their operands only. */
const CARRY_UP: ReadonlySet<string> = new Set(["add", "sub", "mul", "and", "or", "xor", "neg", "not"]);

export function narrow(fn: IrFunction): void {
  const widths = valueWidths(fn);
  const tracked = valueWidths(fn, true);
  const uses = countUses(fn);
  const constants = new Constants(fn);
  const replaced: Replacements = [];
  for (const block of fn.blocks) {
    for (const inst of block.insts) {
      const same = redundant(inst, widths, tracked);
      if (same !== undefined) {
        replaced[inst.id] = same;
        continue;
      }
      const bits = wantedBits(inst);
      if (bits !== undefined) strip(inst, inst.op === "store" ? 1 : 0, bits, uses);
      strengthReduce(inst, widths, constants);
    }
  }
  constants.place();
  applyReplacements(fn, replaced);
}

/** The operand, if the instruction does not change it. Masks stay where the verifier needs them to know the range of an index. */
function redundant(inst: Inst, widths: Uint8Array, tracked: Uint8Array): Inst | undefined {
  const [a, b] = inst.args as [Inst, Inst];
  switch (inst.op) {
    case "zext":
      return (inst.size === 32 ? widths : tracked)[a.id]! <= inst.size ? a : undefined;
    case "sext":
      return widths[a.id]! < inst.size ? a : undefined;
    case "bound":
      return tracked[a.id]! < 53 && 2 ** tracked[a.id]! <= inst.size ? a : undefined;
    case "and": {
      if (b.op !== "const") return undefined;
      const all = (1n << BigInt(tracked[a.id]!)) - 1n;
      return (BigInt.asUintN(64, b.imm) & all) === all ? a : undefined;
    }
    default:
      return undefined;
  }
}

/** How many low bits of its (value) operand the instruction looks at; undefined: all. */
function wantedBits(inst: Inst): number | undefined {
  switch (inst.op) {
    case "store":
      return inst.size < 8 ? inst.size * 8 : undefined;
    case "zext":
    case "sext":
    case "bswap":
      return inst.size < 64 ? inst.size : undefined;
    default:
      return undefined;
  }
}

/** Takes away from operand `index` what only concerns bits above the lowest `bits`. */
function strip(inst: Inst, index: number, bits: number, uses: Int32Array): void {
  for (let value = inst.args[index]!;; value = inst.args[index]!) {
    const inner = passedOn(value, bits);
    if (inner === undefined) break;
    inst.args[index] = inner;
    uses[value.id]!--;
    uses[inner.id]!++;
  }
  const value = inst.args[index]!;
  if (!CARRY_UP.has(value.op) || uses[value.id] !== 1) return;
  for (let i = 0; i < value.args.length; i++) strip(value, i, bits, uses);
}

/** A value with the same low bits. */
function passedOn(value: Inst, bits: number): Inst | undefined {
  if (value.op === "zext" || value.op === "sext") return value.size >= bits ? value.args[0] : undefined;
  if (value.op !== "and" || value.args[1]!.op !== "const") return undefined;
  const all = (1n << BigInt(bits)) - 1n;
  return (value.args[1]!.imm & all) === all ? value.args[0] : undefined;
}

/** Signed operations on values that cannot be negative are unsigned ones, which are cheaper and tell the verifier more. */
function strengthReduce(inst: Inst, widths: Uint8Array, constants: Constants): void {
  const [a, b] = inst.args as [Inst, Inst];
  if (inst.op === "ashr" && widths[a.id]! < 64) inst.op = "shr";
  if (inst.op !== "sdiv" && inst.op !== "smod") return;
  if (widths[a.id]! >= 64 || widths[b.id]! >= 64) return;
  const power = b.op === "const" && b.imm > 0n && (b.imm & b.imm - 1n) === 0n;
  if (!power) inst.op = inst.op === "sdiv" ? "div" : "mod";
  else if (inst.op === "smod") {
    inst.op = "and";
    inst.args = [a, constants.get(b.imm - 1n)];
  } else {
    inst.op = "shr";
    inst.args = [a, constants.get(BigInt(b.imm.toString(2).length - 1))];
  }
}
