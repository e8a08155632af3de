/**
 * Which registers hold the same value, and which hold what constant, followed instruction by instruction: a move between two
 * such registers, or of a constant to where it is, need not be made. Values have numbers; every other write makes a new one.
 */
import { BPF_ALU, BPF_ALU64, BPF_ATOMIC, BPF_FETCH, BPF_LD, BPF_LDX, BPF_STX, CALL } from "../../asm/opcodes.ts";

const MOV_IMM64 = 0xb7;
const MOV_IMM32 = 0xb4;
const MOV_REG64 = 0xbf;
const CMPXCHG = 0xf1;

export class KnownValues {
  /** By register: the number of its value. */
  readonly #numbers: number[] = [];
  #next = 0;
  readonly #constants = new Map<bigint, number>();

  constructor() {
    this.reset();
  }

  /** Whether both registers surely hold the same. */
  same(a: number, b: number): boolean {
    return this.#numbers[a] === this.#numbers[b];
  }

  /** A register that holds the constant. */
  find(value: bigint): number | undefined {
    const number = this.#constants.get(value);
    const register = number === undefined ? -1 : this.#numbers.indexOf(number);
    return register < 0 ? undefined : register;
  }

  holds(register: number, value: bigint): boolean {
    const number = this.#constants.get(value);
    return number !== undefined && this.#numbers[register] === number;
  }

  setConstant(register: number, value: bigint): void {
    let number = this.#constants.get(value);
    if (number === undefined) this.#constants.set(value, number = this.#next++);
    this.#numbers[register] = number;
  }

  /** The register holds something new. */
  forget(register: number): void {
    this.#numbers[register] = this.#next++;
  }

  /** Forgets everything: control may come from elsewhere. */
  reset(): void {
    for (let register = 0; register <= 10; register++) this.forget(register);
  }

  /** Takes note of an instruction. */
  after(code: number, dst: number, src: number, off: number, imm: number): void {
    if (code === 0) return; // the second slot of a 64-bit immediate
    if (code === MOV_IMM64) return this.setConstant(dst, BigInt(imm));
    if (code === MOV_IMM32) return this.setConstant(dst, BigInt(imm >>> 0));
    if (code === MOV_REG64 && off === 0) {
      this.#numbers[dst] = this.#numbers[src]!;
      return;
    }
    if (code === CALL) {
      for (let register = 0; register <= 5; register++) this.forget(register);
      return;
    }
    const kind = code & 7;
    if (kind === BPF_ALU || kind === BPF_ALU64 || kind === BPF_LD || kind === BPF_LDX) this.forget(dst);
    else if (kind === BPF_STX && (code & 0xe0) === BPF_ATOMIC && (imm & BPF_FETCH) !== 0) {
      this.forget(imm === CMPXCHG ? 0 : src);
    }
  }
}
