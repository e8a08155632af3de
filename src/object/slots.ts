/**
 * Raw access to instruction slots (8 bytes: opcode, registers, offset, immediate) of either byte order, for passes that
 * patch a few of thousands. Follows Documentation/bpf/standardization/instruction-set.rst.
 */
import type { Endian } from "../bytes/cursor.ts";

export const SLOT_SIZE = 8;

/** `BPF_LD | BPF_DW | BPF_IMM`: a 64-bit immediate over two slots. */
export const OP_LDIMM64 = 0x18;
/** `BPF_JMP | BPF_CALL`. */
export const OP_CALL = 0x85;

/** Instructions over their bytes. `slot` is the index of the slot. */
export class Slots {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly littleEndian: boolean;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, endian: Endian) {
    this.bytes = bytes;
    this.count = bytes.length >>> 3;
    this.littleEndian = endian === "little";
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  opcode(slot: number): number {
    return this.bytes[slot * 8]!;
  }

  dst(slot: number): number {
    const byte = this.bytes[slot * 8 + 1]!;
    return this.littleEndian ? byte & 15 : byte >> 4;
  }

  src(slot: number): number {
    const byte = this.bytes[slot * 8 + 1]!;
    return this.littleEndian ? byte >> 4 : byte & 15;
  }

  offset(slot: number): number {
    return this.#view.getInt16(slot * 8 + 2, this.littleEndian);
  }

  /** Signed. */
  imm(slot: number): number {
    return this.#view.getInt32(slot * 8 + 4, this.littleEndian);
  }

  /** Whether this and the next slot are one 64-bit load. */
  isLdimm64(slot: number): boolean {
    return this.opcode(slot) === OP_LDIMM64 && slot + 1 < this.count && this.opcode(slot + 1) === 0;
  }

  setOpcode(slot: number, opcode: number): void {
    this.bytes[slot * 8] = opcode;
  }

  setRegisters(slot: number, dst: number, src: number): void {
    this.bytes[slot * 8 + 1] = this.littleEndian ? (src << 4) | dst : (dst << 4) | src;
  }

  setSrc(slot: number, src: number): void {
    this.setRegisters(slot, this.dst(slot), src);
  }

  setOffset(slot: number, offset: number): void {
    this.#view.setInt16(slot * 8 + 2, offset, this.littleEndian);
  }

  setImm(slot: number, imm: number): void {
    this.#view.setInt32(slot * 8 + 4, imm, this.littleEndian);
  }

  /** Writes a 64-bit value into both halves of a `OP_LDIMM64`. */
  setImm64(slot: number, value: bigint): void {
    this.setImm(slot, Number(BigInt.asIntN(32, value)));
    this.setImm(slot + 1, Number(BigInt.asIntN(32, value >> 32n)));
  }
}
