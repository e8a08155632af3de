/**
 * A builder of instructions with labels, for probes, tests and the compiler: methods append, jumps name labels, and
 * `insns()` resolves them. Registers are objects and immediates are numbers, so that one method serves both.
 *
 * @example
 * ```ts
 * const bytes = new Builder().mov(r0, 1).jmp("jne", r1, 0, "out").mov(r0, 0).label("out").exit().bytes();
 * ```
 */
import type { Endian } from "../bytes/cursor.ts";
import { NotFoundError } from "../errors.ts";
import { helperId } from "./helpers.ts";
import { encodeInsns, type Insn, slotCount } from "./insn.ts";
import {
  ALU_OPS,
  type AluOp,
  ATOMIC_OPS,
  type AtomicOp,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_JMP,
  BPF_JMP32,
  BPF_K,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  GOTOL,
  JA,
  JCOND,
  JMP_OPS,
  type JmpOp,
  LDIMM64,
  type Size,
  SIZES,
} from "./opcodes.ts";

/** A register operand. */
export interface Reg {
  readonly reg: number;
}

export const r0: Reg = { reg: 0 };
export const r1: Reg = { reg: 1 };
export const r2: Reg = { reg: 2 };
export const r3: Reg = { reg: 3 };
export const r4: Reg = { reg: 4 };
export const r5: Reg = { reg: 5 };
export const r6: Reg = { reg: 6 };
export const r7: Reg = { reg: 7 };
export const r8: Reg = { reg: 8 };
export const r9: Reg = { reg: 9 };
/** The frame pointer: read only. */
export const r10: Reg = { reg: 10 };

/** A register, or a signed 32-bit immediate. */
export type Operand = Reg | number;

/** Where a jump goes: a label, or a distance in slots from the next instruction. */
export type Target = string | number;

/** One arithmetic instruction; `bits` 32 works on the lower halves and zeroes the upper one. */
export function alu(op: AluOp, dst: Reg, src: Operand, bits: 32 | 64 = 64): Insn {
  const { op: code, off } = ALU_OPS[op];
  return operand((bits === 64 ? BPF_ALU64 : BPF_ALU) | code, dst, src, off);
}

/** A load of `size` bits from `base + off`, zero-extended, or sign-extended if `signed`. */
export function load(size: Size, dst: Reg, base: Reg, off: number, signed = false): Insn {
  return {
    code: BPF_LDX | (signed ? BPF_MEMSX : BPF_MEM) | SIZES[size].size,
    dst: dst.reg,
    src: base.reg,
    off,
    imm: 0,
  };
}

/** A store of the low `size` bits of a register, or of an immediate. */
export function store(size: Size, base: Reg, off: number, value: Operand): Insn {
  const bits = SIZES[size].size;
  if (typeof value === "number") return { code: BPF_ST | BPF_MEM | bits, dst: base.reg, src: 0, off, imm: value };
  return { code: BPF_STX | BPF_MEM | bits, dst: base.reg, src: value.reg, off, imm: 0 };
}

/** An atomic operation on memory at `base + off`. */
export function atomic(op: AtomicOp, size: 32 | 64, base: Reg, off: number, src: Reg): Insn {
  return { code: BPF_STX | BPF_ATOMIC | SIZES[size].size, dst: base.reg, src: src.reg, off, imm: ATOMIC_OPS[op] };
}

/** A conditional jump by `off` slots. */
export function jump(op: JmpOp, dst: Reg, src: Operand, off: number, bits: 32 | 64 = 64): Insn {
  return operand((bits === 64 ? BPF_JMP : BPF_JMP32) | JMP_OPS[op].op, dst, src, off);
}

/** A 64-bit immediate; `pseudo` is a BPF_PSEUDO_* number that says what it means. */
export function loadImm64(dst: Reg, value: bigint | number, pseudo = 0): Insn {
  const imm64 = BigInt.asUintN(64, BigInt(value));
  return { code: LDIMM64, dst: dst.reg, src: pseudo, off: 0, imm: Number(BigInt.asIntN(32, imm64)), imm64 };
}

function operand(code: number, dst: Reg, src: Operand, off: number): Insn {
  if (typeof src === "number") return { code: code | BPF_K, dst: dst.reg, src: 0, off, imm: src };
  return { code: code | BPF_X, dst: dst.reg, src: src.reg, off, imm: 0 };
}

/** A jump whose distance is still a label. */
interface Fixup {
  /** Index in the list of instructions. */
  insn: number;
  label: string;
  /** The field that gets the distance. */
  field: "off" | "imm";
}

/** Collects instructions. Every method returns the builder. */
export class Builder {
  readonly #insns: Insn[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];
  #slots = 0;

  /** Slots so far: the slot of the next instruction. */
  get slots(): number {
    return this.#slots;
  }

  /** Appends instructions as they are. */
  add(...insns: readonly Insn[]): this {
    for (const insn of insns) {
      this.#insns.push(insn);
      this.#slots += slotCount(insn);
    }
    return this;
  }

  /** Names the next instruction. Throws `TypeError` if the name is taken. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new TypeError(`Cannot add label "${name}": it exists`);
    this.#labels.set(name, this.#slots);
    return this;
  }

  alu(op: AluOp, dst: Reg, src: Operand): this {
    return this.add(alu(op, dst, src));
  }

  alu32(op: AluOp, dst: Reg, src: Operand): this {
    return this.add(alu(op, dst, src, 32));
  }

  mov(dst: Reg, src: Operand): this {
    return this.add(alu("mov", dst, src));
  }

  mov32(dst: Reg, src: Operand): this {
    return this.add(alu("mov", dst, src, 32));
  }

  /** Sign-extends the low `from` bits of `src` (cpu v4). */
  movsx(from: 8 | 16 | 32, dst: Reg, src: Reg): this {
    return this.add({ ...alu("mov", dst, src), off: from });
  }

  neg(dst: Reg, bits: 32 | 64 = 64): this {
    return this.add({ code: bits === 64 ? 0x87 : 0x84, dst: dst.reg, src: 0, off: 0, imm: 0 });
  }

  /** Converts between the machine's byte order and the named one; `bswap` swaps always (cpu v4). */
  endian(kind: "le" | "be" | "bswap", bits: 16 | 32 | 64, dst: Reg): this {
    return this.add({ code: { le: 0xd4, be: 0xdc, bswap: 0xd7 }[kind], dst: dst.reg, src: 0, off: 0, imm: bits });
  }

  load(size: Size, dst: Reg, base: Reg, off: number): this {
    return this.add(load(size, dst, base, off));
  }

  loadSigned(size: 8 | 16 | 32, dst: Reg, base: Reg, off: number): this {
    return this.add(load(size, dst, base, off, true));
  }

  store(size: Size, base: Reg, off: number, value: Operand): this {
    return this.add(store(size, base, off, value));
  }

  atomic(op: AtomicOp, size: 32 | 64, base: Reg, off: number, src: Reg): this {
    return this.add(atomic(op, size, base, off, src));
  }

  loadAcquire(size: Size, dst: Reg, base: Reg, off: number): this {
    const code = BPF_STX | BPF_ATOMIC | SIZES[size].size;
    return this.add({ code, dst: dst.reg, src: base.reg, off, imm: BPF_LOAD_ACQ });
  }

  storeRelease(size: Size, base: Reg, off: number, src: Reg): this {
    const code = BPF_STX | BPF_ATOMIC | SIZES[size].size;
    return this.add({ code, dst: base.reg, src: src.reg, off, imm: BPF_STORE_REL });
  }

  imm64(dst: Reg, value: bigint | number): this {
    return this.add(loadImm64(dst, value));
  }

  /** The address of a map, by its fd. */
  mapFd(dst: Reg, fd: number): this {
    return this.add(loadImm64(dst, fd, 1));
  }

  /** The address of byte `offset` in the value of a one-element array map. */
  mapValue(dst: Reg, fd: number, offset: number): this {
    return this.add(loadImm64(dst, BigInt(fd) | BigInt(offset) << 32n, 2));
  }

  /** The address of a function at a label, for callbacks. */
  func(dst: Reg, label: string): this {
    this.#fixups.push({ insn: this.#insns.length, label, field: "imm" });
    return this.add(loadImm64(dst, 0, 4));
  }

  jmp(op: JmpOp, dst: Reg, src: Operand, target: Target): this {
    return this.#jump(jump(op, dst, src, 0), target, "off");
  }

  jmp32(op: JmpOp, dst: Reg, src: Operand, target: Target): this {
    return this.#jump(jump(op, dst, src, 0, 32), target, "off");
  }

  goto(target: Target): this {
    return this.#jump({ code: JA, dst: 0, src: 0, off: 0, imm: 0 }, target, "off");
  }

  /** A jump with a 32-bit distance (cpu v4). */
  gotol(target: Target): this {
    return this.#jump({ code: GOTOL, dst: 0, src: 0, off: 0, imm: 0 }, target, "imm");
  }

  /** Falls through until the kernel's loop budget is used up, then jumps (Linux 6.9). */
  mayGoto(target: Target): this {
    return this.#jump({ code: JCOND, dst: 0, src: 0, off: 0, imm: 0 }, target, "off");
  }

  /** Calls a helper by id or name. */
  call(helper: number | string): this {
    const imm = typeof helper === "number" ? helper : helperId(helper);
    return this.add({ code: CALL, dst: 0, src: 0, off: 0, imm });
  }

  /** Calls a function of the same program. */
  callFunc(target: Target): this {
    return this.#jump({ code: CALL, dst: 0, src: 1, off: 0, imm: 0 }, target, "imm");
  }

  /** Calls a kernel function by BTF id; `btfIndex` is the place of its module's BTF in `fd_array`, 0 for vmlinux. */
  callKfunc(btfId: number, btfIndex = 0): this {
    return this.add({ code: CALL, dst: 0, src: 2, off: btfIndex, imm: btfId });
  }

  exit(): this {
    return this.add({ code: EXIT, dst: 0, src: 0, off: 0, imm: 0 });
  }

  /** The slot of a label. Throws `NotFoundError`. */
  slotOf(label: string): number {
    const slot = this.#labels.get(label);
    if (slot === undefined) throw new NotFoundError("label", label, this.#labels.keys());
    return slot;
  }

  /** The instructions with every label resolved. Throws `NotFoundError`, or `RangeError` for a jump too far. */
  insns(): Insn[] {
    const starts: number[] = [];
    let slot = 0;
    for (const insn of this.#insns) {
      starts.push(slot);
      slot += slotCount(insn);
    }
    const out = this.#insns.map((insn) => ({ ...insn }));
    for (const { insn, label, field } of this.#fixups) {
      const distance = this.slotOf(label) - starts[insn]! - 1;
      const fixed = out[insn]!;
      if (field === "off" && (distance < -0x8000 || distance > 0x7fff)) {
        throw new RangeError(`Cannot jump to label "${label}": ${distance} slots do not fit 16 bits`);
      }
      fixed[field] = distance;
      if (fixed.imm64 !== undefined) fixed.imm64 = BigInt.asUintN(32, BigInt(distance));
    }
    return out;
  }

  /** The program's bytes. */
  bytes(endian: Endian = "little"): Uint8Array<ArrayBuffer> {
    return encodeInsns(this.insns(), endian);
  }

  #jump(insn: Insn, target: Target, field: "off" | "imm"): this {
    if (typeof target === "number") insn[field] = target;
    else this.#fixups.push({ insn: this.#insns.length, label: target, field });
    return this.add(insn);
  }
}
