/** Replaces what the wanted instruction set lacks: signed division below cpu v4. Goes last, since other passes know the operation. */
import type { Block, Inst, IrFunction, Op } from "../ir/ir.ts";

export function legalize(fn: IrFunction, cpu: number): void {
  if (cpu >= 4) return;
  const replaced: (Inst | undefined)[] = [];
  for (const block of fn.blocks) {
    if (block.insts.some((inst) => inst.op === "sdiv" || inst.op === "smod")) expandBlock(fn, block, replaced);
  }
  if (replaced.length === 0) return;
  const resolve = (value: Inst) => replaced[value.id] ?? value;
  for (const block of fn.blocks) {
    for (const inst of block.insts) inst.args = inst.args.map(resolve);
    block.term!.args = block.term!.args.map(resolve);
  }
}

function expandBlock(fn: IrFunction, block: Block, replaced: (Inst | undefined)[]): void {
  const out: Inst[] = [];
  for (const inst of block.insts) {
    if (inst.op !== "sdiv" && inst.op !== "smod") {
      out.push(inst);
      continue;
    }
    const emit = (op: Op, a: Inst, b: Inst): Inst => {
      const made = fn.inst(op, [a, b], inst.pos);
      out.push(made);
      return made;
    };
    const constant = (imm: bigint): Inst => {
      const made = fn.inst("const", [], inst.pos);
      made.imm = imm;
      out.push(made);
      return made;
    };
    replaced[inst.id] = signedDivision(inst, emit, constant);
  }
  block.insts = out;
}

/**
 * Without branches, which would double what the verifier has to walk: with m = x >> 63, |x| = (x ^ m) - m, and the same puts
 * the sign back. Zero divisors and INT64_MIN / -1 come out as the unsigned instruction defines them.
 */
function signedDivision(
  inst: Inst,
  emit: (op: Op, a: Inst, b: Inst) => Inst,
  constant: (imm: bigint) => Inst,
): Inst {
  const [x, y] = inst.args.map((arg) => arg) as [Inst, Inst];
  const top = constant(63n);
  const absolute = (value: Inst): { value: Inst; sign: Inst | undefined } => {
    if (value.op === "const") {
      return { value: value.imm < 0n ? constant(BigInt.asIntN(64, -value.imm)) : value, sign: undefined };
    }
    const sign = emit("ashr", value, top);
    return { value: emit("sub", emit("xor", value, sign), sign), sign };
  };
  const a = absolute(x);
  const b = absolute(y);
  const quotient = emit(inst.op === "sdiv" ? "div" : "mod", a.value, b.value);
  const negate = (value: Inst) => emit("sub", constant(0n), value);
  const signed = (value: Inst, sign: Inst | undefined) =>
    sign === undefined ? value : emit("sub", emit("xor", value, sign), sign);
  // The remainder has the sign of the dividend, the quotient that of both.
  const flipped = (x.op === "const" && x.imm < 0n) !== (inst.op === "sdiv" && y.op === "const" && y.imm < 0n);
  const sign = inst.op === "smod" ? a.sign : bothSigns(a.sign, b.sign, emit);
  const result = signed(quotient, sign);
  return flipped ? negate(result) : result;
}

function bothSigns(
  a: Inst | undefined,
  b: Inst | undefined,
  emit: (op: Op, a: Inst, b: Inst) => Inst,
): Inst | undefined {
  return a === undefined || b === undefined ? a ?? b : emit("xor", a, b);
}
