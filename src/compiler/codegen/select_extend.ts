/** Zero and sign extension. */
import type { Inst } from "../ir/ir.ts";
import { NONE } from "./lir.ts";
import type { Operand } from "./lir.ts";
import type { SelectContext } from "./select_context.ts";

/** Operations whose low 32 bits depend on the low 32 bits of their operands only. */
const LOW_BITS: ReadonlySet<string> = new Set(["add", "sub", "mul", "and", "or", "xor", "shl", "neg", "not"]);

/** Emits a two-operand instruction, in its 32-bit form unless `wide`. */
type Binary = (ctx: SelectContext, inst: Inst, dst: Operand, wide: boolean) => void;

/** Zero extension; the 32-bit form of the instruction that made the value does it where it has no other use. */
export function zeroExtend(ctx: SelectContext, inst: Inst, binary: Binary): void {
  const dst = ctx.vreg(inst);
  const value = inst.args[0]!;
  if (inst.size < 32) {
    ctx.alu("and", dst, ctx.register(value), undefined, inst.size === 8 ? 0xff : 0xffff);
    return;
  }
  const fuse = LOW_BITS.has(value.op) && ctx.uses[value.id] === 1 && ctx.vregs[value.id] === NONE;
  if (!fuse) {
    ctx.alu("mov", dst, ctx.register(value), NONE, 0, false);
    return;
  }
  ctx.pos = value.pos ?? ctx.pos;
  if (value.op === "neg") ctx.unary("neg", dst, ctx.register(value.args[0]!), 32).wide = false;
  else if (value.op === "not") ctx.alu("xor", dst, ctx.register(value.args[0]!), undefined, -1, false);
  else if (value.op === "shl" && !isSmallShift(value.args[1]!)) {
    ctx.alu("mov", dst, ctx.register(value), NONE, 0, false);
  } else binary(ctx, value, dst, false);
}

/** `dst` = the low `bits` of `value`, sign-extended. */
export function signExtend(ctx: SelectContext, bits: number, dst: Operand, value: Operand): void {
  if (ctx.options.cpu >= 4) {
    ctx.unary("movsx", dst, value, bits);
    return;
  }
  const middle = ctx.lir.vreg();
  ctx.alu("lsh", middle, value, undefined, 64 - bits);
  ctx.alu("arsh", dst, middle, undefined, 64 - bits);
}

/** Leaves the extension to the load of the value (cpu v4) if nobody else wants that; the load then makes the extended value. */
export function extendsLoad(ctx: SelectContext, sext: Inst): boolean {
  const [load] = sext.args as [Inst];
  const fits = ctx.options.cpu >= 4 && load.op === "load" && load.size * 8 === sext.size && load.core === undefined;
  if (!fits || ctx.asked(load) || ctx.uses[load.id] !== 1) return false;
  ctx.vregs[load.id] = ctx.vreg(sext);
  ctx.signedLoads[load.id] = 1;
  return true;
}

function isSmallShift(count: Inst): boolean {
  return count.op === "const" && count.imm >= 0n && count.imm < 32n;
}
