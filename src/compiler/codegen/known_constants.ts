/** Which registers hold which constants, followed instruction by instruction: what is there need not be loaded again. */
import { BPF_ALU, BPF_ALU64, BPF_ATOMIC, BPF_FETCH, BPF_LD, BPF_LDX, BPF_STX, CALL } from "../../asm/opcodes.ts";

const MOV_IMM64 = 0xb7;
const MOV_IMM32 = 0xb4;
const MOV_REG64 = 0xbf;
const CMPXCHG = 0xf1;

export class KnownConstants {
  readonly #values: (bigint | undefined)[] = new Array(11).fill(undefined);

  get(register: number): bigint | undefined {
    return this.#values[register];
  }

  /** A register that holds the value. */
  find(value: bigint): number | undefined {
    const register = this.#values.indexOf(value);
    return register < 0 ? undefined : register;
  }

  set(register: number, value: bigint | undefined): void {
    this.#values[register] = value;
  }

  /** Forgets everything: control may come from elsewhere. */
  reset(): void {
    this.#values.fill(undefined);
  }

  /** Takes note of an instruction. */
  after(code: number, dst: number, src: number, off: number, imm: number): void {
    if (code === MOV_IMM64) this.#values[dst] = BigInt(imm);
    else if (code === MOV_IMM32) this.#values[dst] = BigInt(imm >>> 0);
    else if (code === MOV_REG64 && off === 0) this.#values[dst] = this.#values[src];
    else if (code === CALL) this.#values.fill(undefined, 0, 6);
    else {
      const kind = code & 7;
      if (kind === BPF_ALU || kind === BPF_ALU64 || kind === BPF_LD || kind === BPF_LDX) this.#values[dst] = undefined;
      if (kind === BPF_STX && (code & 0xe0) === BPF_ATOMIC && (imm & BPF_FETCH) !== 0) {
        this.#values[imm === CMPXCHG ? 0 : src] = undefined;
      }
    }
  }
}
