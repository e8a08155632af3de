/** The instructions of one IR operation. The order of blocks, phis and edges is `select.ts`. */
import type { AluOp } from "../../asm/opcodes.ts";
import type { Inst } from "../ir/ir.ts";
import { hasResult, isCompare, OPS } from "../ir/ops.ts";
import { NONE } from "./lir.ts";
import type { LirInst, Operand } from "./lir.ts";
import { choose, condition, select } from "./select_condition.ts";
import { isStackAddress } from "./select_context.ts";
import type { SelectContext } from "./select_context.ts";
import { extendsLoad, signExtend, zeroExtend } from "./select_extend.ts";
import { memory } from "./select_memory.ts";

const ALU: Readonly<Partial<Record<string, AluOp>>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "div",
  mod: "mod",
  sdiv: "sdiv",
  smod: "smod",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "lsh",
  shr: "rsh",
  ashr: "arsh",
};

/** The instructions of a value or effect; none if nobody asked for the value. */
export function lowerInst(ctx: SelectContext, inst: Inst): LirInst[] {
  if (inst.op === "phi" || inst.op === "param") return [];
  const pure = OPS[inst.op].pure || inst.op === "load" && !inst.volatile;
  if (pure && !ctx.asked(inst)) return [];
  ctx.pos = inst.pos;
  lower(ctx, inst);
  return ctx.take();
}

function lower(ctx: SelectContext, inst: Inst): void {
  const { op, args } = inst;
  if (isCompare(op)) return choose(ctx, ctx.vreg(inst), op, args[0]!, args[1]!, small(ctx, 1), small(ctx, 0));
  if (ALU[op] !== undefined) return binary(ctx, inst, ctx.vreg(inst), true);
  switch (op) {
    case "neg":
      ctx.unary("neg", ctx.vreg(inst), ctx.register(args[0]!));
      return;
    case "not":
      ctx.alu("xor", ctx.vreg(inst), ctx.register(args[0]!), undefined, -1);
      return;
    case "zext":
      return zeroExtend(ctx, inst, binary);
    case "sext":
      if (extendsLoad(ctx, inst)) return;
      return signExtend(ctx, inst.size, ctx.vreg(inst), ctx.register(args[0]!));
    case "bound": {
      // A constant is put into a register first, by an instruction of its own.
      const [dst, a] = [ctx.vreg(inst), ctx.register(args[0]!)];
      Object.assign(ctx.new("bound"), { dst, a, imm: inst.size, cond: ctx.options.cpu === 1 ? "ugt" : "ult" });
      return;
    }
    case "bswap":
      ctx.unary("be", ctx.vreg(inst), ctx.register(args[0]!), inst.size);
      return;
    case "select":
      return select(ctx, inst);
    case "addCore":
      ctx.alu("add", ctx.vreg(inst), ctx.register(args[0]!), undefined, inst.offset).core = inst.core;
      return;
    case "const":
    case "coreConst":
      return ctx.load(ctx.vreg(inst), { kind: "imm", value: inst.imm, core: inst.core });
    case "load":
    case "store":
    case "zero":
    case "copy":
    case "atomic":
      return memory(ctx, inst);
    case "call":
      return call(ctx, inst);
    default:
      return ctx.load(ctx.vreg(inst), ctx.address(inst)!);
  }
}

function small(ctx: SelectContext, value: number): Operand {
  return ctx.lir.source({ kind: "imm", value: BigInt(value), core: undefined });
}

function binary(ctx: SelectContext, inst: Inst, dst: Operand, wide: boolean): void {
  let [a, b] = inst.args as [Inst, Inst];
  const stack = inst.op === "add" && (isStackAddress(a) || isStackAddress(b));
  if (stack && !isStackAddress(a)) [a, b] = [b, a];
  const address = wide ? ctx.address(inst) : undefined;
  if (address !== undefined) return ctx.load(dst, address);
  const { widths } = ctx.options;
  const left = ctx.register(a);
  // A mask with zeros above bit 31 clears what the 32-bit form clears.
  const mask = inst.op === "and" && b.op === "const" && b.imm >= 0x80000000n && b.imm <= 0xffffffffn;
  if (mask && b.imm === 0xffffffffn) {
    ctx.alu("mov", dst, left, NONE, 0, false);
    return;
  }
  const divides = inst.op === "div" || inst.op === "mod";
  const full = wide && !mask && !(divides && widths[a.id]! <= 32 && widths[b.id]! <= 32);
  const right = rightOperand(ctx, inst, b, full);
  ctx.alu(ALU[inst.op]!, dst, left, right.b, right.imm, full).ordered = stack;
}

/** The right operand; counts that are too large and immediate zero divisors would be refused by the verifier. */
function rightOperand(ctx: SelectContext, inst: Inst, b: Inst, full: boolean): { b: Operand; imm: number } {
  if (b.op === "const") {
    if (inst.op === "shl" || inst.op === "shr" || inst.op === "ashr") return { b: NONE, imm: Number(b.imm & 63n) };
    const divides = inst.op === "div" || inst.op === "mod" || inst.op === "sdiv" || inst.op === "smod";
    if (divides && b.imm === 0n) return { b: ctx.register(b), imm: 0 };
  }
  return ctx.right(b, full ? 64 : 32);
}

function call(ctx: SelectContext, inst: Inst): void {
  const args = inst.args.map((arg) => ctx.operand(arg));
  const call = ctx.new("call");
  call.call = inst.call;
  call.args = args;
  if (hasResult(inst) && ctx.asked(inst)) call.dst = ctx.vreg(inst);
}

/** The end of a block; `swap` if its machine condition is true where the IR's is false. */
export function lowerTerminator(ctx: SelectContext, term: Inst): { insts: LirInst[]; swap: boolean } {
  let exchanged = false;
  ctx.pos = term.pos;
  switch (term.op) {
    case "branch": {
      const { swap, ...test } = condition(ctx, term.cond, term.args[0]!, term.args[1]!);
      const inst = ctx.new("branch");
      Object.assign(inst, test);
      exchanged = swap;
      break;
    }
    case "ret": {
      const a = ctx.operand(term.args[0]!);
      ctx.new("exit").a = a;
      break;
    }
    default:
      ctx.new(term.op as "jump" | "unreachable");
  }
  return { insts: ctx.take(), swap: exchanged };
}
