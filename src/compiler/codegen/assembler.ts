/** Writes instructions as bytes, with what has to be recorded beside them: relocations, CO-RE records, source lines. */
import { BPF_K, BPF_X, LDIMM64 } from "../../asm/opcodes.ts";
import type { CoreRelocation, LineInfo, Relocation } from "../../object/spec.ts";
import { KnownValues } from "./known_values.ts";
import type { CoreRecord, SourcePosition } from "../ir/ir.ts";

/**
 * A relocation as the code generator knows it: functions by name, since where they will lie is decided when all of an object's
 * functions are there.
 */
export type CodeRelocation =
  | Exclude<Relocation, { kind: "call" | "func" }>
  | { kind: "call" | "func"; insn: number; name: string };

export class Assembler {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  /** Slots written. */
  length = 0;
  readonly relocations: CodeRelocation[] = [];
  readonly coreRelocations: CoreRelocation[] = [];
  readonly lines: LineInfo[] = [];
  readonly values: KnownValues = new KnownValues();
  #pos: SourcePosition | undefined;

  /** The source position of what follows; unknown positions keep the last one. */
  at(pos: SourcePosition | undefined): void {
    if (pos === undefined || pos === this.#pos) return;
    this.#pos = pos;
    const { file, text, line, column } = pos;
    // The verifier wants a line for the first instruction, and at most one for each.
    const insn = this.lines.length === 0 ? 0 : this.length;
    if (this.lines.length > 0 && this.lines[this.lines.length - 1]!.insn === insn) this.lines.pop();
    this.lines.push({ insn, file, text, line, column });
  }

  insn(code: number, dst: number, src: number, off: number, imm: number): void {
    const at = this.length * 8;
    if (at + 8 > this.#bytes.length) this.#grow();
    this.#bytes[at] = code;
    this.#bytes[at + 1] = src << 4 | dst;
    this.#view.setInt16(at + 2, off, true);
    this.#view.setInt32(at + 4, imm, true);
    this.length++;
    this.values.after(code, dst, src, off, imm);
  }

  /** An instruction with a register or, if `src` is negative, an immediate as its right operand. */
  operand(code: number, dst: number, src: number, off: number, imm: number): void {
    if (src >= 0) this.insn(code | BPF_X, dst, src, off, 0);
    else this.insn(code | BPF_K, dst, 0, off, imm);
  }

  imm64(dst: number, value: bigint): void {
    this.insn(LDIMM64, dst, 0, 0, Number(BigInt.asIntN(32, value)));
    this.insn(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** Records a relocation of the next instruction. */
  relocate(relocation: CodeRelocation): void {
    this.relocations.push(relocation);
  }

  /** Records a CO-RE relocation of the next instruction. */
  core(record: CoreRecord | undefined): void {
    if (record !== undefined) this.coreRelocations.push({ insn: this.length, ...record });
  }

  /** Sets the distance of the jump at `insn` so that it goes to slot `target`. */
  patch(insn: number, target: number): void {
    this.#view.setInt16(insn * 8 + 2, target - insn - 1, true);
  }

  /** The same for `gotol`. */
  patchLong(insn: number, target: number): void {
    this.#view.setInt32(insn * 8 + 4, target - insn - 1, true);
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.length * 8);
  }

  #grow(): void {
    const bytes = new Uint8Array(this.#bytes.length * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
