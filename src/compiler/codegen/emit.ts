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
import type { LirBlock, LirFunction, LirInst, Operand } from "./lir.ts";
import { sequentialize, SPILL } from "./moves.ts";
import type { Move, Place } from "./moves.ts";
import { FREE } from "./regalloc.ts";
import type { Allocation } from "./regalloc.ts";

const FP = 10;

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

/** Writes the code into an assembler. `longJumps` uses gotol (cpu v4) for unconditional jumps. */
export function emit(lir: LirFunction, allocation: Allocation, frame: Frame, longJumps: boolean): Assembler {
  return new Emitter(lir, allocation, frame, longJumps).run();
}

class Emitter {
  #asm = new Assembler();
  #lir: LirFunction;
  #registers: Int8Array;
  #allocation: Allocation;
  #frame: Frame;
  #longJumps: boolean;
  /** Number of the instruction, for looking up free registers. */
  #number = 0;
  /** The register that breaks a cycle of moves at the moment. */
  #scratch: Place = NONE;
  /** By block index: first slot. */
  #starts: Int32Array;
  #fixups: { insn: number; target: LirBlock; long: boolean }[] = [];

  constructor(lir: LirFunction, allocation: Allocation, frame: Frame, longJumps: boolean) {
    this.#lir = lir;
    this.#allocation = allocation;
    this.#registers = allocation.registers;
    this.#frame = frame;
    this.#longJumps = longJumps;
    this.#starts = new Int32Array(lir.blocks.length);
  }

  run(): Assembler {
    const { blocks } = this.#lir;
    const kept = blocks.filter((block, i) => i === 0 || this.#target(block) === block);
    kept.forEach((block, i) => {
      this.#starts[block.index] = this.#asm.length;
      if (block.preds.length !== 1 || block.preds[0] !== kept[i - 1]) this.#asm.values.reset();
      this.#number = this.#allocation.intervals.blockStart[block.index]!;
      for (const inst of block.insts) {
        this.#asm.at(inst.pos);
        this.#inst(inst, block, kept[i + 1]);
        this.#number++;
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
    return copies.dsts.every((dst, i) => this.#place(dst) === this.#place(copies.args[i]!));
  }

  #place(operand: Operand): Place {
    if (operand >= 0) return this.#registers[operand]!;
    const source = this.#lir.sourceOf(operand);
    return source.kind === "spill" ? SPILL + source.index : operand;
  }

  #reg(vreg: Operand): number {
    return vreg === NONE ? NONE : this.#registers[vreg]!;
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
        return this.#source(this.#reg(inst.dst), inst.b);
      case "load":
      case "store":
        return this.#memory(inst);
      case "atomic":
        return this.#atomic(inst);
      case "select":
        return this.#select(inst);
      case "copies":
        return this.#moves(inst.dsts.map((dst, i) => ({ to: this.#place(dst), from: this.#place(inst.args[i]!) })));
      case "entry":
        return this.#entry(inst);
      case "call":
        return this.#call(inst);
      case "branch":
        return this.#branch(inst, block, next);
      case "jump":
        return this.#jump(block.succs[0]!, next);
      case "exit":
        this.#moves([{ to: 0, from: this.#place(inst.a) }]);
        this.#asm.insn(EXIT, 0, 0, 0, 0);
        return;
      case "unreachable":
        // The verifier wants every function to end in a jump or exit.
        this.#asm.insn(EXIT, 0, 0, 0, 0);
    }
  }

  #entry(inst: LirInst): void {
    const moves = inst.dsts.flatMap((dst, i) => dst === NONE ? [] : [{ to: this.#place(dst), from: i + 1 }]);
    // No register is known to be free here: those of later parameters have no owner yet.
    this.#moves(moves, () => SPILL + this.#frame.extra());
  }

  #mov(to: number, from: number): void {
    if (!this.#asm.values.same(to, from)) this.#asm.insn(BPF_ALU64 | ALU_OPS.mov.op | 0x08, to, from, 0, 0);
  }

  #alu(inst: LirInst): void {
    const dst = this.#reg(inst.dst);
    let [a, b] = [this.#reg(inst.a), this.#reg(inst.b)];
    const { op, off } = ALU_OPS[inst.alu];
    const code = (inst.wide ? BPF_ALU64 : BPF_ALU) | op;
    if (inst.alu === "mov") {
      if (inst.wide) return this.#mov(dst, a);
      return this.#asm.operand(code, dst, a, 0, 0);
    }
    if (b === dst && a !== dst && isCommutative(inst)) [a, b] = [b, a];
    this.#mov(dst, a);
    this.#asm.core(inst.core);
    this.#asm.operand(code, dst, b, off, inst.imm);
  }

  #unary(inst: LirInst): void {
    const [dst, a] = [this.#reg(inst.dst), this.#reg(inst.a)];
    if (inst.op === "movsx") return this.#asm.insn(BPF_ALU64 | ALU_OPS.mov.op | 0x08, dst, a, inst.size, 0);
    this.#mov(dst, a);
    if (inst.op === "be") this.#asm.insn(0xdc, dst, 0, 0, inst.size);
    else this.#asm.insn(inst.wide ? 0x87 : 0x84, dst, 0, 0, 0);
  }

  /** Puts a source into a register. */
  #source(dst: number, operand: Operand): void {
    const source = this.#lir.sourceOf(operand);
    const asm = this.#asm;
    switch (source.kind) {
      case "imm":
        return this.#immediate(dst, source.value, source.core);
      case "slot":
        this.#mov(dst, FP);
        asm.insn(BPF_ALU64 | ALU_OPS.add.op, dst, 0, 0, this.#frame.slot(source.slot) + source.offset);
        return;
      case "spill":
        asm.insn(BPF_LDX | BPF_MEM | SIZES[64].size, dst, FP, this.#frame.spill(source.index), 0);
        return;
      case "map":
        asm.relocate({ kind: "map", insn: asm.length, map: source.name });
        break;
      case "map_value":
        asm.relocate({ kind: "map_value", insn: asm.length, map: source.name, offset: source.offset });
        break;
      case "func":
        asm.relocate({ kind: "func", insn: asm.length, name: source.name });
        break;
      case "extern_var":
        asm.relocate({ kind: "extern_var", insn: asm.length, extern: source.name, offset: 0 });
    }
    asm.imm64(dst, 0n);
  }

  #immediate(dst: number, value: bigint, core: LirInst["core"]): void {
    if (core === undefined && this.#asm.values.holds(dst, value)) return;
    this.#asm.core(core);
    // 64-bit places for what may be patched to 64 bits; clang does the same.
    const long = core !== undefined && (core.kind === "ENUMVAL_VALUE" || core.kind.startsWith("TYPE_ID"));
    const fits = value >= -0x80000000n && value <= 0x7fffffffn;
    if (fits && !long) this.#asm.insn(BPF_ALU64 | ALU_OPS.mov.op, dst, 0, 0, Number(value));
    else if (!long && value > 0n && value <= 0xffffffffn) {
      this.#asm.insn(BPF_ALU | ALU_OPS.mov.op, dst, 0, 0, Number(value) | 0);
    } else this.#long(dst, value, long);
  }

  /** A 64-bit constant: two slots, or one if a register holds it. */
  #long(dst: number, value: bigint, patched: boolean): void {
    const holder = patched ? undefined : this.#asm.values.find(value);
    if (holder !== undefined) return this.#mov(dst, holder);
    this.#asm.imm64(dst, value);
    if (!patched) this.#asm.values.setConstant(dst, value);
  }

  #memory(inst: LirInst): void {
    const size = SIZES[inst.size * 8 as Size].size;
    const [base, off] = this.#address(inst);
    this.#asm.core(inst.core);
    if (inst.op === "load") {
      const mode = inst.signed ? BPF_MEMSX : BPF_MEM;
      return this.#asm.insn(BPF_LDX | mode | size, this.#reg(inst.dst), base, off, 0);
    }
    const value = this.#reg(inst.b);
    if (value >= 0) this.#asm.insn(BPF_STX | BPF_MEM | size, base, value, off, 0);
    else this.#asm.insn(BPF_ST | BPF_MEM | size, base, 0, off, inst.imm);
  }

  #address(inst: LirInst): [number, number] {
    if (inst.spill >= 0) return [FP, this.#frame.spill(inst.spill)];
    if (inst.slot !== undefined) return [FP, this.#frame.slot(inst.slot) + inst.off];
    return [this.#reg(inst.a), inst.off];
  }

  #atomic(inst: LirInst): void {
    const [base, off] = this.#address(inst);
    const code = BPF_STX | BPF_ATOMIC | SIZES[inst.size * 8 as Size].size;
    let value = this.#reg(inst.b);
    if (inst.atomic === "cmpxchg") this.#mov(0, this.#reg(inst.c));
    else if (inst.dst >= 0) {
      value = this.#reg(inst.dst);
      this.#mov(value, this.#reg(inst.b));
    }
    this.#asm.insn(code, base, value, off, ATOMIC_OPS[inst.atomic]);
    if (inst.atomic === "cmpxchg" && inst.dst >= 0) this.#mov(this.#reg(inst.dst), 0);
  }

  #select(inst: LirInst): void {
    const dst = this.#reg(inst.dst);
    this.#moves([{ to: dst, from: this.#place(inst.c) }]);
    const jump = this.#asm.length;
    this.#test(inst, inst.cond);
    this.#moves([{ to: dst, from: this.#place(inst.d) }]);
    this.#asm.patch(jump, this.#asm.length);
    this.#asm.values.forget(dst);
  }

  #call(inst: LirInst): void {
    const { kind, helper, name } = inst.call!;
    this.#moves(inst.args.map((arg, i) => ({ to: i + 1, from: this.#place(arg) })), () => 0);
    if (kind === "kfunc") this.#asm.relocate({ kind: "extern_func", insn: this.#asm.length, extern: name });
    if (kind === "function") this.#asm.relocate({ kind: "call", insn: this.#asm.length, name });
    this.#asm.insn(CALL, 0, kind === "helper" ? 0 : kind === "function" ? 1 : 2, 0, kind === "helper" ? helper : -1);
    if (inst.dst >= 0) this.#mov(this.#reg(inst.dst), 0);
  }

  // Jumps

  #test(inst: LirInst, cond: CompareOp): void {
    const code = (inst.wide ? BPF_JMP : BPF_JMP32) | JMP_OPS[JUMPS[cond]].op;
    this.#asm.operand(code, this.#reg(inst.a), this.#reg(inst.b), 0, inst.imm);
  }

  #branch(inst: LirInst, block: LirBlock, next: LirBlock | undefined): void {
    const { hoisted } = block;
    if (hoisted !== undefined) this.#move(this.#place(hoisted.to), this.#place(hoisted.from));
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

  #jump(to: LirBlock, next: LirBlock | undefined): void {
    const target = this.#target(to);
    if (target === next) return;
    this.#fixups.push({ insn: this.#asm.length, target, long: this.#longJumps });
    this.#asm.insn(this.#longJumps ? GOTOL : JA, 0, 0, 0, 0);
  }

  // Moves

  #moves(moves: Move[], scratch?: () => Place): void {
    const single = sequentialize(
      moves,
      scratch ?? (() => this.#scratch = this.#freeRegister() ?? SPILL + this.#frame.extra()),
    );
    for (const { to, from } of single) this.#move(to, from);
    this.#scratch = NONE;
  }

  #move(to: Place, from: Place): void {
    if (to < SPILL) {
      if (from >= SPILL) return this.#loadSpill(to, from);
      if (from >= 0) return this.#mov(to, from);
      return this.#source(to, from);
    }
    if (from >= 0 && from < SPILL) return this.#storeSpill(to, from);
    const source = from < 0 ? this.#lir.sourceOf(from) : undefined;
    if (source?.kind === "imm" && source.core === undefined && BigInt.asIntN(32, source.value) === source.value) {
      const off = this.#frame.spill(to - SPILL);
      return this.#asm.insn(BPF_ST | BPF_MEM | SIZES[64].size, FP, 0, off, Number(source.value));
    }
    this.#throughRegister((register) => {
      this.#move(register, from);
      this.#storeSpill(to, register);
    });
  }

  #loadSpill(to: number, from: Place): void {
    this.#asm.insn(BPF_LDX | BPF_MEM | SIZES[64].size, to, FP, this.#frame.spill(from - SPILL), 0);
  }

  #storeSpill(to: Place, from: number): void {
    this.#asm.insn(BPF_STX | BPF_MEM | SIZES[64].size, FP, from, this.#frame.spill(to - SPILL), 0);
  }

  /** Memory to memory needs a register; if all are taken, one is saved meanwhile. */
  #throughRegister(use: (register: number) => void): void {
    const free = this.#freeRegister();
    if (free !== undefined) return use(free);
    const saved = SPILL + this.#frame.extra();
    this.#storeSpill(saved, 9);
    use(9);
    this.#loadSpill(9, saved);
  }

  /** A register that holds nothing before and after the current instruction. */
  #freeRegister(): number | undefined {
    const { owners, intervals } = this.#allocation;
    for (let r = 0; r < 10; r++) {
      const at = r * intervals.positions + 2 * this.#number;
      if (r !== this.#scratch && owners[at] === FREE && owners[at + 1] === FREE) return r;
    }
    return undefined;
  }
}
