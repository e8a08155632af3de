/** What instruction selection knows about the function, and the small instructions everything is made of. */
import type { AluOp } from "../../asm/opcodes.ts";
import type { Inst, IrFunction } from "../ir/ir.ts";
import { LirInst, NONE } from "./lir.ts";
import type { LirFunction, LirOp, Operand, Source } from "./lir.ts";

export interface SelectOptions {
  /** ISA version as LLVM's -mcpu counts. */
  readonly cpu: 1 | 2 | 3 | 4;
  /** By value id: the value is below 2 to the power of this. */
  readonly widths: Uint8Array;
}

export class SelectContext {
  readonly lir: LirFunction;
  readonly options: SelectOptions;
  /** By value id: its virtual register, or NONE. */
  readonly vregs: Int32Array;
  /** By value id: number of uses; a stack address that is only the base of an access is not used. */
  readonly uses: Int32Array;
  /** By value id of phis: something other than phis needs it. */
  #livePhis: Uint8Array;
  /** By value id of loads: to be sign-extended by the load itself. */
  readonly signedLoads: Uint8Array;
  #out: LirInst[] = [];
  /** The source position of what is emitted. */
  pos: Inst["pos"] = undefined;

  constructor(fn: IrFunction, lir: LirFunction, options: SelectOptions) {
    this.lir = lir;
    this.options = options;
    this.vregs = new Int32Array(fn.nextId).fill(NONE);
    this.uses = new Int32Array(fn.nextId);
    this.signedLoads = new Uint8Array(fn.nextId);
    this.#livePhis = livePhis(fn);
    for (const block of fn.blocks) {
      for (const inst of block.insts) this.#countUses(inst);
      for (const arg of block.term!.args) this.uses[arg.id]!++;
    }
  }

  #countUses(inst: Inst): void {
    const { op, args } = inst;
    const bases = op === "copy" ? 2 : op === "load" || op === "store" || op === "zero" || op === "atomic" ? 1 : 0;
    for (let i = 0; i < args.length; i++) {
      if (i >= bases || args[i]!.op !== "stackSlot") this.uses[args[i]!.id]!++;
    }
  }

  /** Whether something asked for the value's register. */
  asked(value: Inst): boolean {
    return this.vregs[value.id] !== NONE;
  }

  /** Whether the phi matters. */
  live(phi: Inst): boolean {
    return this.#livePhis[phi.id] === 1;
  }

  /** The register of a value, asked for from here on. */
  vreg(value: Inst): Operand {
    let vreg = this.vregs[value.id]!;
    if (vreg === NONE) {
      this.vregs[value.id] = vreg = this.lir.vreg();
      this.lir.pinned[vreg] = value.pinned;
    }
    return vreg;
  }

  /** A register, or a source where making the value anew costs no more than copying it from a register. */
  operand(value: Inst): Operand {
    const source = this.#source(value);
    return source === undefined ? this.vreg(value) : this.lir.source(source);
  }

  /** What can be made out of nothing at each use. */
  #source(value: Inst): Source | undefined {
    const often = this.uses[value.id]! > 2;
    switch (value.op) {
      case "const":
        if (often && !isInt32(value.imm)) return undefined;
        return { kind: "imm", value: value.imm, core: undefined };
      case "coreConst":
        return { kind: "imm", value: value.imm, core: value.core };
      default:
        return often ? undefined : this.address(value);
    }
  }

  /** The source of an address that is known without computing. */
  address(value: Inst): Source | undefined {
    const { name } = value;
    switch (value.op) {
      case "stackSlot":
        return { kind: "slot", slot: value.slot!, offset: 0 };
      case "add": {
        const [base, offset] = value.args as [Inst, Inst];
        if (base.op !== "stackSlot" || offset.op !== "const") return undefined;
        return { kind: "slot", slot: base.slot!, offset: Number(offset.imm) };
      }
      case "mapFd":
        return { kind: "map", name };
      case "mapValue":
        return { kind: "map_value", name, offset: value.offset };
      case "funcAddr":
        return { kind: "func", name };
      case "externVar":
        return { kind: "extern_var", name };
      default:
        return undefined;
    }
  }

  // Emission

  new(op: LirOp): LirInst {
    const inst = new LirInst(op);
    inst.pos = this.pos;
    this.#out.push(inst);
    return inst;
  }

  alu(alu: AluOp, dst: Operand, a: Operand, b: Operand | undefined, imm = 0, wide = true): LirInst {
    const inst = this.new("alu");
    inst.alu = alu;
    inst.dst = dst;
    inst.a = a;
    inst.b = b ?? NONE;
    inst.imm = imm;
    inst.wide = wide;
    return inst;
  }

  unary(op: "neg" | "be" | "movsx", dst: Operand, a: Operand, size = 64): LirInst {
    const inst = this.new(op);
    inst.dst = dst;
    inst.a = a;
    inst.size = size;
    return inst;
  }

  /** A register with the value, made here if it is a constant: constants have no place of their own. */
  register(value: Inst): Operand {
    if (value.op !== "const") return this.vreg(value);
    if (this.uses[value.id]! > 2 && !isInt32(value.imm)) return this.vreg(value);
    const vreg = this.lir.vreg();
    this.load(vreg, { kind: "imm", value: value.imm, core: undefined });
    return vreg;
  }

  /** Puts a source into a register. */
  load(vreg: Operand, source: Source): void {
    const inst = this.new("source");
    inst.dst = vreg;
    inst.b = this.lir.source(source);
    this.lir.remat[vreg] = inst;
  }

  /** Sets b, or imm if the low `bits` of the value are a constant that fits. */
  right(value: Inst, bits: number): { b: Operand; imm: number } {
    if (value.op === "const") {
      const imm = BigInt.asIntN(bits, value.imm);
      if (isInt32(imm)) return { b: NONE, imm: Number(imm) };
    }
    return { b: this.register(value), imm: 0 };
  }

  /** What was emitted since the last call. */
  take(): LirInst[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

/** Whether a constant fits the immediate of an instruction. */
export function isInt32(value: bigint): boolean {
  return value >= -0x80000000n && value <= 0x7fffffffn;
}

/**
 * Whether the value points into the stack frame. Sums must begin with the pointer: for `scalar += pointer` the verifier (6.18)
 * forgets which frame the pointer belongs to, and refuses good code of subprograms or takes it for the caller's frame.
 */
export function isStackAddress(value: Inst, depth = 0): boolean {
  if (value.op === "stackSlot") return true;
  if (depth > 4 || (value.op !== "add" && value.op !== "phi" && value.op !== "select")) return false;
  return value.args.some((arg) => isStackAddress(arg, depth + 1));
}

/** Phis that something other than phis uses, by value id. */
function livePhis(fn: IrFunction): Uint8Array {
  const live = new Uint8Array(fn.nextId);
  const work: Inst[] = [];
  const mark = (value: Inst) => {
    if (value.op !== "phi" || live[value.id] === 1) return;
    live[value.id] = 1;
    work.push(value);
  };
  for (const block of fn.blocks) {
    for (const inst of block.insts) if (inst.op !== "phi") inst.args.forEach(mark);
    block.term!.args.forEach(mark);
  }
  for (let phi = work.pop(); phi !== undefined; phi = work.pop()) phi.args.forEach(mark);
  return live;
}
