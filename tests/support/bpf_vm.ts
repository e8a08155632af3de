/**
 * A BPF interpreter for tests: all of ISA v4 arithmetic, jumps, memory and atomics, calls of functions in the program, a few
 * helpers (bpf_machine.ts). It is stricter than the kernel where that finds bugs: registers that calls destroy hold garbage, and
 * reserved fields must be zero. Written against Documentation/bpf/standardization/instruction-set.rst, not against the code generator.
 */
import type { Machine } from "./bpf_machine.ts";

const STEPS = 1_000_000;
const GARBAGE = 0xdead_beef_dead_beefn;
/** Function addresses, as callbacks see them. */
const CODE = 0x7000_0000n;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

interface Insn {
  code: number;
  dst: number;
  src: number;
  off: number;
  imm: number;
}

/** Runs the function that starts at slot `start` with up to five arguments; gives r0, unsigned. */
export function runBpf(machine: Machine, insns: Uint8Array, args: readonly bigint[], start = 0): bigint {
  return new Vm(machine, insns).call(start, args);
}

class Vm {
  #machine: Machine;
  #insns: Insn[] = [];
  #steps = 0;
  #depth = 0;

  constructor(machine: Machine, bytes: Uint8Array) {
    this.#machine = machine;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length; at += 8) {
      const regs = bytes[at + 1]!;
      this.#insns.push({
        code: bytes[at]!,
        dst: regs & 15,
        src: regs >> 4,
        off: view.getInt16(at + 2, true),
        imm: view.getInt32(at + 4, true),
      });
    }
  }

  call(start: number, args: readonly bigint[]): bigint {
    if (++this.#depth > 8) throw new Error("More than 8 frames");
    const regs: bigint[] = new Array(11).fill(GARBAGE);
    args.forEach((arg, i) => regs[i + 1] = u64(arg));
    regs[10] = BigInt(this.#machine.stack);
    this.#machine.stack -= 512;
    this.#machine.memory.fill(0xa5, this.#machine.stack, this.#machine.stack + 512);
    this.#run(start, regs);
    this.#machine.stack += 512;
    this.#depth--;
    return regs[0]!;
  }

  #run(start: number, regs: bigint[]): void {
    for (let pc = start;;) {
      if (++this.#steps > STEPS) throw new Error("Too many steps");
      const insn = this.#insns[pc];
      if (insn === undefined) throw new Error(`Jump to slot ${pc}`);
      const next = this.#step(insn, pc, regs);
      if (next < 0) return;
      pc = next;
    }
  }

  /** The slot that comes next; -1 behind exit. */
  #step(insn: Insn, pc: number, regs: bigint[]): number {
    switch (insn.code & 7) {
      case 0:
        return this.#imm64(insn, pc, regs);
      case 1:
        this.#load(insn, regs);
        break;
      case 2:
      case 3:
        this.#store(insn, regs);
        break;
      case 4:
      case 7:
        alu(insn, regs);
        break;
      default:
        return this.#jump(insn, pc, regs);
    }
    return pc + 1;
  }

  #imm64(insn: Insn, pc: number, regs: bigint[]): number {
    const high = this.#insns[pc + 1]!;
    if (insn.code !== 0x18 || high.code !== 0) throw new Error(`Bad instruction 0x${insn.code.toString(16)} at ${pc}`);
    if (insn.src === 4) regs[insn.dst] = CODE + BigInt(pc + 1 + insn.imm);
    else if (insn.src === 0) regs[insn.dst] = BigInt(insn.imm >>> 0) | BigInt(high.imm >>> 0) << 32n;
    else throw new Error(`Unresolved ldimm64 at ${pc}`);
    return pc + 2;
  }

  #load({ code, dst, src, off, imm }: Insn, regs: bigint[]): void {
    if (imm !== 0) throw new Error("Load with an immediate");
    const size = sizeOf(code);
    const value = this.#machine.read(regs[src]! + BigInt(off), size);
    const mode = code & 0xe0;
    if (mode === 0x60) regs[dst] = value;
    else if (mode === 0x80 && size < 8) regs[dst] = u64(BigInt.asIntN(size * 8, value));
    else throw new Error(`Bad load 0x${code.toString(16)}`);
  }

  #store(insn: Insn, regs: bigint[]): void {
    const { code, dst, src, off, imm } = insn;
    const at = regs[dst]! + BigInt(off);
    const size = sizeOf(code);
    if ((code & 7) === 2) {
      if (src !== 0) throw new Error("Store immediate with a source register");
      return this.#machine.write(at, size, BigInt(imm));
    }
    if ((code & 0xe0) === 0x60) {
      if (imm !== 0) throw new Error("Store with an immediate");
      return this.#machine.write(at, size, regs[src]!);
    }
    if ((code & 0xe0) !== 0xc0 || size < 4) throw new Error(`Bad store 0x${code.toString(16)}`);
    this.#atomic(insn, at, size, regs);
  }

  #atomic({ src, imm }: Insn, at: bigint, size: number, regs: bigint[]): void {
    const names: Record<number, string> = {
      0: "add",
      0x40: "or",
      0x50: "and",
      0xa0: "xor",
      0xe0: "xchg",
      0xf0: "cmpxchg",
    };
    const name = names[imm & ~1];
    if (name === undefined) throw new Error(`Bad atomic operation ${imm}`);
    const old = this.#machine.atomic(name, at, size, regs[src]!, regs[0]!);
    if (name === "cmpxchg") regs[0] = old;
    else if ((imm & 1) === 1) regs[src] = old;
  }

  #jump(insn: Insn, pc: number, regs: bigint[]): number {
    const { code, dst, src, off, imm } = insn;
    const narrow = (code & 7) === 6;
    switch (code) {
      case 0x05:
        return pc + 1 + off;
      case 0x06:
        return pc + 1 + imm;
      case 0x85:
        this.#call(insn, pc, regs);
        return pc + 1;
      case 0x95:
        return -1;
      case 0xe5: // may_goto: the budget never runs out here
        return pc + 1;
    }
    const register = (code & 8) !== 0;
    if (register ? imm !== 0 : src !== 0) throw new Error(`Reserved field set at ${pc}`);
    let [a, b] = [regs[dst]!, register ? regs[src]! : u64(BigInt(imm))];
    if (narrow) [a, b] = [BigInt.asUintN(32, a), BigInt.asUintN(32, b)];
    const signed = (value: bigint) => BigInt.asIntN(narrow ? 32 : 64, value);
    const tests: Record<number, boolean> = {
      0x10: a === b,
      0x20: a > b,
      0x30: a >= b,
      0x40: (a & b) !== 0n,
      0x50: a !== b,
      0x60: signed(a) > signed(b),
      0x70: signed(a) >= signed(b),
      0xa0: a < b,
      0xb0: a <= b,
      0xc0: signed(a) < signed(b),
      0xd0: signed(a) <= signed(b),
    };
    const taken = tests[code & 0xf0];
    if (taken === undefined) throw new Error(`Bad jump 0x${code.toString(16)} at ${pc}`);
    return taken ? pc + 1 + off : pc + 1;
  }

  #call({ src, imm }: Insn, pc: number, regs: bigint[]): void {
    const args = regs.slice(1, 6);
    let result: bigint;
    if (src === 1) result = this.call(pc + 1 + imm, args);
    else if (src === 0 && imm === 181) result = this.#loop(args);
    else if (src === 0) result = this.#machine.helper(imm, args);
    else throw new Error(`Unresolved call at ${pc}`);
    regs.fill(GARBAGE, 1, 6);
    regs[0] = u64(result);
  }

  /** bpf_loop. */
  #loop([count, callback, ctx]: readonly bigint[]): bigint {
    for (let i = 0n; i < count!; i++) {
      if (this.call(Number(callback! - CODE), [i, ctx!]) !== 0n) return i + 1n;
    }
    return count!;
  }
}

function sizeOf(code: number): number {
  return { 0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8 }[code & 0x18]!;
}

function alu(insn: Insn, regs: bigint[]): void {
  const { code, dst, src, off, imm } = insn;
  const wide = (code & 7) === 7;
  const bits = wide ? 64 : 32;
  const register = (code & 8) !== 0;
  const op = code & 0xf0;
  if (dst > 9) throw new Error("r10 is read-only");
  if (op === 0xd0) {
    regs[dst] = swap(regs[dst]!, imm, wide || register);
    return;
  }
  if (op === 0x80) {
    regs[dst] = BigInt.asUintN(bits, -regs[dst]!);
    return;
  }
  if (register ? imm !== 0 : src !== 0) throw new Error("Reserved field set");
  const a = BigInt.asUintN(bits, regs[dst]!);
  const b = BigInt.asUintN(bits, register ? regs[src]! : BigInt(imm));
  regs[dst] = BigInt.asUintN(bits, compute(op, off, a, b, bits));
}

function swap(value: bigint, bits: number, big: boolean): bigint {
  if (!big) return BigInt.asUintN(bits, value); // to little endian: only truncates
  let out = 0n;
  for (let i = 0; i < bits; i += 8) out = out << 8n | value >> BigInt(i) & 0xffn;
  return out;
}

function compute(op: number, off: number, a: bigint, b: bigint, bits: number): bigint {
  const signed = (value: bigint) => BigInt.asIntN(bits, value);
  const count = b & BigInt(bits - 1);
  if (off !== 0 && op !== 0x30 && op !== 0x90 && op !== 0xb0) throw new Error("Reserved field set");
  switch (op) {
    case 0x00:
      return a + b;
    case 0x10:
      return a - b;
    case 0x20:
      return a * b;
    case 0x30:
      return b === 0n ? 0n : off === 1 ? signed(a) / signed(b) : a / b;
    case 0x40:
      return a | b;
    case 0x50:
      return a & b;
    case 0x60:
      return a << count;
    case 0x70:
      return a >> count;
    case 0x90:
      return b === 0n ? a : off === 1 ? signed(a) % signed(b) : a % b;
    case 0xa0:
      return a ^ b;
    case 0xb0:
      return off === 0 ? b : BigInt.asIntN(off, b);
    case 0xc0:
      return signed(a) >> count;
    default:
      throw new Error(`Bad arithmetic 0x${op.toString(16)}`);
  }
}
