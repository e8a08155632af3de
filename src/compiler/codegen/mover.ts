/** Machine code of moves: between registers, spill slots and what is made out of nothing (constants, addresses). */
import { ALU_OPS, BPF_ALU, BPF_ALU64, BPF_LDX, BPF_MEM, BPF_ST, BPF_STX, SIZES } from "../../asm/opcodes.ts";
import type { Assembler } from "./assembler.ts";
import type { Frame } from "./frame.ts";
import { NONE } from "./lir.ts";
import type { LirFunction, LirInst, Operand } from "./lir.ts";
import { sequentialize, SPILL } from "./moves.ts";
import type { Move, Place } from "./moves.ts";
import { FREE } from "./regalloc.ts";
import type { Allocation } from "./regalloc.ts";

/** The frame pointer. */
export const FP = 10;

export class Mover {
  readonly #asm: Assembler;
  readonly #lir: LirFunction;
  readonly #registers: Int8Array;
  readonly #allocation: Allocation;
  readonly #frame: Frame;
  /** Number of the current instruction, for looking up free registers. */
  number = 0;
  /** The register that breaks a cycle of moves at the moment. */
  #scratch: Place = NONE;

  constructor(asm: Assembler, lir: LirFunction, allocation: Allocation, frame: Frame) {
    this.#asm = asm;
    this.#lir = lir;
    this.#registers = allocation.registers;
    this.#allocation = allocation;
    this.#frame = frame;
  }

  /** Where an operand is. */
  place(operand: Operand): Place {
    if (operand >= 0) return this.#registers[operand]!;
    const source = this.#lir.sourceOf(operand);
    return source.kind === "spill" ? SPILL + source.index : operand;
  }

  /** The machine register of a virtual one; NONE stays. */
  reg(vreg: Operand): number {
    return vreg === NONE ? NONE : this.#registers[vreg]!;
  }

  /** A move between registers, unless both hold the same already. */
  mov(to: number, from: number): void {
    if (!this.#asm.values.same(to, from)) this.#asm.insn(BPF_ALU64 | ALU_OPS.mov.op | 0x08, to, from, 0, 0);
  }

  /** Puts a source into a register. */
  source(dst: number, operand: Operand): void {
    const source = this.#lir.sourceOf(operand);
    const asm = this.#asm;
    switch (source.kind) {
      case "imm":
        return this.#immediate(dst, source.value, source.core);
      case "slot":
        this.mov(dst, FP);
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
    if (holder !== undefined) return this.mov(dst, holder);
    this.#asm.imm64(dst, value);
    if (!patched) this.#asm.values.setConstant(dst, value);
  }

  /** Moves that happen all at once. `scratch` gives a place to break cycles with. */
  moves(moves: Move[], scratch?: () => Place): void {
    const single = sequentialize(
      moves,
      scratch ?? (() => this.#scratch = this.#freeRegister() ?? SPILL + this.#frame.extra()),
    );
    for (const { to, from } of single) this.move(to, from);
    this.#scratch = NONE;
  }

  /** One move. */
  move(to: Place, from: Place): void {
    if (to < SPILL) {
      if (from >= SPILL) return this.#loadSpill(to, from);
      if (from >= 0) return this.mov(to, from);
      return this.source(to, from);
    }
    if (from >= 0 && from < SPILL) return this.#storeSpill(to, from);
    const source = from < 0 ? this.#lir.sourceOf(from) : undefined;
    if (source?.kind === "imm" && source.core === undefined && BigInt.asIntN(32, source.value) === source.value) {
      const off = this.#frame.spill(to - SPILL);
      return this.#asm.insn(BPF_ST | BPF_MEM | SIZES[64].size, FP, 0, off, Number(source.value));
    }
    this.#throughRegister((register) => {
      this.move(register, from);
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
      const at = r * intervals.positions + 2 * this.number;
      if (r !== this.#scratch && owners[at] === FREE && owners[at + 1] === FREE) return r;
    }
    return undefined;
  }
}
