/** Machine code of a function whose virtual registers have machine registers: blocks in order, jumps, relocations. */
import {
  ALU_OPS,
  ATOMIC_OPS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_JMP,
  BPF_JMP32,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_ST,
} from "../../asm/opcodes.ts";
import { BPF_STX, CALL, EXIT, GOTOL, JA, JMP_OPS, SIZES } from "../../asm/opcodes.ts";
import type { JmpOp, Size } from "../../asm/opcodes.ts";
import type { CompareOp } from "../ir/ir.ts";
import { NEGATED } from "../ir/ops.ts";
import { Assembler } from "./assembler.ts";
import type { Frame } from "./frame.ts";
import { isCommutative, NONE } from "./lir.ts";
import type { LirBlock, LirFunction, LirInst } from "./lir.ts";
import { FP, Mover } from "./mover.ts";
import { SPILL } from "./moves.ts";
import type { Allocation } from "./regalloc.ts";

const JUMPS: Readonly<Record<CompareOp, JmpOp>> = {
  eq: "jeq",
  ne: "jne",
  ult: "jlt",
  ule: "jle",
  ugt: "jgt",
  uge: "jge",
  slt: "jslt",
  sle: "jsle",
  sgt: "jsgt",
  sge: "jsge",
  set: "jset",
};

export interface EmitOptions {
  /** Unconditional jumps by `gotol` (cpu v4). */
  readonly longJumps: boolean;
  /** A block that runs on into the head of its loop does so by a jump. */
  readonly oldVerifiers: boolean;
}

/** Writes the code into an assembler. */
export function emit(lir: LirFunction, allocation: Allocation, frame: Frame, options: EmitOptions): Assembler {
  return new Emitter(lir, allocation, frame, options).run();
}

class Emitter {
  #asm: Assembler = new Assembler();
  #mover: Mover;
  #lir: LirFunction;
  #allocation: Allocation;
  #frame: Frame;
  readonly #longJumps: boolean;
  readonly #oldVerifiers: boolean;
  /** By block index: first slot. */
  #starts: Int32Array;
  #fixups: { insn: number; target: LirBlock; long: boolean }[] = [];

  constructor(lir: LirFunction, allocation: Allocation, frame: Frame, { longJumps, oldVerifiers }: EmitOptions) {
    this.#lir = lir;
    this.#mover = new Mover(this.#asm, lir, allocation, frame);
    this.#allocation = allocation;
    this.#frame = frame;
    this.#longJumps = longJumps;
    this.#oldVerifiers = oldVerifiers;
    this.#starts = new Int32Array(lir.blocks.length);
  }

  run(): Assembler {
    const { blocks } = this.#lir;
    const kept = blocks.filter((block, i) => i === 0 || this.#target(block) === block);
    kept.forEach((block, i) => {
      this.#starts[block.index] = this.#asm.length;
      if (block.preds.length !== 1 || block.preds[0] !== kept[i - 1]) this.#asm.values.reset();
      this.#mover.number = this.#allocation.intervals.blockStart[block.index]!;
      for (const inst of block.insts) {
        this.#asm.at(inst.pos);
        this.#inst(inst, block, kept[i + 1]);
        this.#mover.number++;
      }
    });
    for (const { insn, target, long } of this.#fixups) {
      const slot = this.#starts[target.index]!;
      if (long) this.#asm.patchLong(insn, slot);
      else this.#asm.patch(insn, slot);
    }
    return this.#asm;
  }

  /** Where a jump to the block really goes: blocks that only jump are passed over. */
  #target(block: LirBlock): LirBlock {
    let at = block;
    for (let steps = 0; steps < this.#lir.blocks.length; steps++) {
      const [first, second] = at.insts as [LirInst, LirInst | undefined];
      const jump = first.op === "copies" && this.#isIdle(first) ? second! : first;
      if (jump.op !== "jump") return at;
      at = at.succs[0]!;
    }
    return block; // an endless loop of nothing
  }

  #isIdle(copies: LirInst): boolean {
    return copies.dsts.every((dst, i) => this.#mover.place(dst) === this.#mover.place(copies.args[i]!));
  }

  #inst(inst: LirInst, block: LirBlock, next: LirBlock | undefined): void {
    switch (inst.op) {
      case "alu":
        return this.#alu(inst);
      case "neg":
      case "be":
      case "movsx":
        return this.#unary(inst);
      case "source":
        return this.#mover.source(this.#mover.reg(inst.dst), inst.b);
      case "load":
      case "store":
        return this.#memory(inst);
      case "atomic":
        return this.#atomic(inst);
      case "bound":
        return this.#bound(inst);
      case "select":
        return this.#select(inst);
      case "copies":
        return this.#mover.moves(
          inst.dsts.map((dst, i) => ({ to: this.#mover.place(dst), from: this.#mover.place(inst.args[i]!) })),
        );
      case "entry":
        return this.#entry(inst);
      case "call":
        return this.#call(inst);
      case "branch":
        return this.#branch(inst, block, next);
      case "jump":
        this.#jump(block.succs[0]!, next);
        // The kernel takes the jump out again (opt_remove_nops).
        if (this.#oldVerifiers && this.#closesLoop(block, next)) this.#asm.insn(JA, 0, 0, 0, 0);
        return;
      case "exit":
        this.#mover.moves([{ to: 0, from: this.#mover.place(inst.a) }]);
        this.#asm.insn(EXIT, 0, 0, 0, 0);
        return;
      case "unreachable":
        // The verifier wants every function to end in a jump or exit.
        this.#asm.insn(EXIT, 0, 0, 0, 0);
    }
  }

  #entry(inst: LirInst): void {
    const moves = inst.dsts.flatMap((dst, i) => dst === NONE ? [] : [{ to: this.#mover.place(dst), from: i + 1 }]);
    // No register is known to be free here: those of later parameters have no owner yet.
    this.#mover.moves(moves, () => SPILL + this.#frame.extra());
  }

  #alu(inst: LirInst): void {
    const dst = this.#mover.reg(inst.dst);
    let [a, b] = [this.#mover.reg(inst.a), this.#mover.reg(inst.b)];
    const { op, off } = ALU_OPS[inst.alu];
    const code = (inst.wide ? BPF_ALU64 : BPF_ALU) | op;
    if (inst.alu === "mov") {
      if (inst.wide) return this.#mover.mov(dst, a);
      return this.#asm.operand(code, dst, a, 0, 0);
    }
    if (b === dst && a !== dst && isCommutative(inst)) [a, b] = [b, a];
    this.#mover.mov(dst, a);
    this.#asm.core(inst.core);
    this.#asm.operand(code, dst, b, off, inst.imm);
  }

  #unary(inst: LirInst): void {
    const [dst, a] = [this.#mover.reg(inst.dst), this.#mover.reg(inst.a)];
    if (inst.op === "movsx") return this.#asm.insn(BPF_ALU64 | ALU_OPS.mov.op | 0x08, dst, a, inst.size, 0);
    this.#mover.mov(dst, a);
    if (inst.op === "be") this.#asm.insn(0xdc, dst, 0, 0, inst.size);
    else this.#asm.insn(inst.wide ? 0x87 : 0x84, dst, 0, 0, 0);
  }

  #memory(inst: LirInst): void {
    const size = SIZES[inst.size * 8 as Size].size;
    const [base, off] = this.#address(inst);
    this.#asm.core(inst.core);
    if (inst.op === "load") {
      const mode = inst.signed ? BPF_MEMSX : BPF_MEM;
      return this.#asm.insn(BPF_LDX | mode | size, this.#mover.reg(inst.dst), base, off, 0);
    }
    const value = this.#mover.reg(inst.b);
    if (value >= 0) this.#asm.insn(BPF_STX | BPF_MEM | size, base, value, off, 0);
    else this.#asm.insn(BPF_ST | BPF_MEM | size, base, 0, off, inst.imm);
  }

  #address(inst: LirInst): [number, number] {
    if (inst.spill >= 0) return [FP, this.#frame.spill(inst.spill)];
    if (inst.slot !== undefined) return [FP, this.#frame.slot(inst.slot) + inst.off];
    return [this.#mover.reg(inst.a), inst.off];
  }

  #atomic(inst: LirInst): void {
    const [base, off] = this.#address(inst);
    const code = BPF_STX | BPF_ATOMIC | SIZES[inst.size * 8 as Size].size;
    let value = this.#mover.reg(inst.b);
    if (inst.atomic === "cmpxchg") this.#mover.mov(0, this.#mover.reg(inst.c));
    else if (inst.dst >= 0) {
      value = this.#mover.reg(inst.dst);
      this.#mover.mov(value, this.#mover.reg(inst.b));
    }
    this.#asm.insn(code, base, value, off, ATOMIC_OPS[inst.atomic]);
    if (inst.atomic === "cmpxchg" && inst.dst >= 0) this.#mover.mov(this.#mover.reg(inst.dst), 0);
  }

  #select(inst: LirInst): void {
    const dst = this.#mover.reg(inst.dst);
    this.#mover.moves([{ to: dst, from: this.#mover.place(inst.c) }]);
    const jump = this.#asm.length;
    this.#test(inst, inst.cond);
    this.#mover.moves([{ to: dst, from: this.#mover.place(inst.d) }]);
    this.#asm.patch(jump, this.#asm.length);
    this.#asm.values.forget(dst);
  }

  #bound(inst: LirInst): void {
    const dst = this.#mover.reg(inst.dst);
    this.#mover.mov(dst, this.#mover.reg(inst.a));
    // Level 1 has no "below", and no 32-bit unsigned comparison either.
    if (inst.cond === "ult") this.#asm.insn(BPF_JMP | JMP_OPS.jlt.op, dst, 0, 1, inst.imm);
    else {
      this.#asm.insn(BPF_JMP | JMP_OPS.jgt.op, dst, 0, 1, inst.imm - 1);
      this.#asm.insn(JA, 0, 0, 1, 0);
    }
    this.#asm.insn(BPF_ALU64 | ALU_OPS.mov.op, dst, 0, 0, 0);
    this.#asm.values.forget(dst);
  }

  #call(inst: LirInst): void {
    const { kind, helper, name } = inst.call!;
    this.#mover.moves(inst.args.map((arg, i) => ({ to: i + 1, from: this.#mover.place(arg) })), () => 0);
    if (kind === "kfunc") this.#asm.relocate({ kind: "extern_func", insn: this.#asm.length, extern: name });
    if (kind === "function") this.#asm.relocate({ kind: "call", insn: this.#asm.length, name });
    this.#asm.insn(CALL, 0, kind === "helper" ? 0 : kind === "function" ? 1 : 2, 0, kind === "helper" ? helper : -1);
    if (inst.dst >= 0) this.#mover.mov(this.#mover.reg(inst.dst), 0);
  }

  // Jumps

  #test(inst: LirInst, cond: CompareOp): void {
    const code = (inst.wide ? BPF_JMP : BPF_JMP32) | JMP_OPS[JUMPS[cond]].op;
    this.#asm.operand(code, this.#mover.reg(inst.a), this.#mover.reg(inst.b), 0, inst.imm);
  }

  #branch(inst: LirInst, block: LirBlock, next: LirBlock | undefined): void {
    const { hoisted } = block;
    if (hoisted !== undefined) this.#mover.move(this.#mover.place(hoisted.to), this.#mover.place(hoisted.from));
    const [yes, no] = [this.#target(block.succs[0]!), this.#target(block.succs[1]!)];
    const negated = NEGATED[inst.cond];
    if (yes === no) return this.#jump(yes, next);
    if (yes === next && negated !== undefined) return this.#jumpIf(inst, negated, no);
    this.#jumpIf(inst, inst.cond, yes);
    this.#jump(no, next);
  }

  #jumpIf(inst: LirInst, cond: CompareOp, target: LirBlock): void {
    this.#fixups.push({ insn: this.#asm.length, target, long: false });
    this.#test(inst, cond);
  }

  /** Whether the block runs on into one that every way to it comes through: that is the head of a loop around it. */
  #closesLoop(block: LirBlock, next: LirBlock | undefined): boolean {
    if (next === undefined || block.depth === 0 || this.#target(block.succs[0]!) !== next) return false;
    const seen = new Set([next]);
    const waiting = [this.#lir.blocks[0]!];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (at === block) return false;
      if (seen.has(at)) continue;
      seen.add(at);
      waiting.push(...at.succs);
    }
    return true;
  }

  #jump(to: LirBlock, next: LirBlock | undefined): void {
    const target = this.#target(to);
    if (target === next) return;
    this.#fixups.push({ insn: this.#asm.length, target, long: this.#longJumps });
    this.#asm.insn(this.#longJumps ? GOTOL : JA, 0, 0, 0, 0);
  }
}
