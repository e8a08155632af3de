/**
 * Instructions and their bytes, of either byte order. `decodeInsns` and `encodeInsns` go through objects, for people;
 * `InsnView` reads and patches slots in place, for passes over thousands of instructions.
 * Spec: Documentation/bpf/standardization/instruction-set.rst.
 */
import type { Endian } from "../bytes/cursor.ts";
import { FormatError } from "../errors.ts";
import { LDIMM64, opcodes, type OpDef } from "./opcodes.ts";

/** Bytes of a slot. */
export const SLOT_SIZE = 8;

/** One instruction; `imm64` only with `LDIMM64`, which takes two slots. */
export interface Insn {
  /** The opcode byte. */
  code: number;
  /** Registers 0 to 10; `src` of some instructions is a BPF_PSEUDO_* number. */
  dst: number;
  src: number;
  /** Signed 16 bits. */
  off: number;
  /** Signed 32 bits: of `LDIMM64` the first slot's. */
  imm: number;
  /** `LDIMM64` only: both immediates as one unsigned number. */
  imm64?: bigint;
}

/** Slots that an instruction takes. */
export function slotCount(insn: Insn): 1 | 2 {
  return insn.code === LDIMM64 ? 2 : 1;
}

/** Reads and writes fields of slots in place. `slot` is an index; out of range is the engine's `RangeError`. */
export class InsnView {
  readonly bytes: Uint8Array;
  /** Number of slots. */
  readonly count: number;
  readonly littleEndian: boolean;
  readonly #view: DataView;

  /** Throws `FormatError` if the bytes are no whole number of slots. */
  constructor(bytes: Uint8Array, endian: Endian = "little", path = "") {
    if (bytes.length % SLOT_SIZE !== 0) {
      throw new FormatError(path, `${bytes.length} bytes are no whole number of instructions`);
    }
    this.bytes = bytes;
    this.count = bytes.length / SLOT_SIZE;
    this.littleEndian = endian === "little";
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  code(slot: number): number {
    return this.#view.getUint8(slot * SLOT_SIZE);
  }

  dst(slot: number): number {
    const regs = this.#view.getUint8(slot * SLOT_SIZE + 1);
    return this.littleEndian ? regs & 15 : regs >> 4;
  }

  src(slot: number): number {
    const regs = this.#view.getUint8(slot * SLOT_SIZE + 1);
    return this.littleEndian ? regs >> 4 : regs & 15;
  }

  off(slot: number): number {
    return this.#view.getInt16(slot * SLOT_SIZE + 2, this.littleEndian);
  }

  imm(slot: number): number {
    return this.#view.getInt32(slot * SLOT_SIZE + 4, this.littleEndian);
  }

  setCode(slot: number, code: number): void {
    this.#view.setUint8(slot * SLOT_SIZE, code);
  }

  setRegs(slot: number, dst: number, src: number): void {
    this.#view.setUint8(slot * SLOT_SIZE + 1, this.littleEndian ? src << 4 | dst : dst << 4 | src);
  }

  setSrc(slot: number, src: number): void {
    this.setRegs(slot, this.dst(slot), src);
  }

  setOff(slot: number, off: number): void {
    this.#view.setInt16(slot * SLOT_SIZE + 2, off, this.littleEndian);
  }

  setImm(slot: number, imm: number): void {
    this.#view.setInt32(slot * SLOT_SIZE + 4, imm, this.littleEndian);
  }

  /** The 64-bit immediate of the two slots from `slot` on, unsigned. */
  imm64(slot: number): bigint {
    return BigInt(this.imm(slot) >>> 0) | BigInt(this.imm(slot + 1) >>> 0) << 32n;
  }

  setImm64(slot: number, value: bigint): void {
    this.setImm(slot, Number(BigInt.asIntN(32, value)));
    this.setImm(slot + 1, Number(BigInt.asIntN(32, value >> 32n)));
  }

  isLdImm64(slot: number): boolean {
    return this.code(slot) === LDIMM64;
  }
}

/** Bytes → instructions. Throws `FormatError` for a cut instruction or a second slot that is none. */
export function decodeInsns(bytes: Uint8Array, endian: Endian = "little", path = ""): Insn[] {
  const view = new InsnView(bytes, endian, path);
  const insns: Insn[] = [];
  for (let slot = 0; slot < view.count; slot++) {
    const insn: Insn = {
      code: view.code(slot),
      dst: view.dst(slot),
      src: view.src(slot),
      off: view.off(slot),
      imm: view.imm(slot),
    };
    if (insn.code === LDIMM64) {
      // Only the second slot's immediate may be set.
      if (
        slot + 1 >= view.count || view.code(slot + 1) !== 0 || bytes[slot * SLOT_SIZE + 9] !== 0 ||
        view.off(slot + 1) !== 0
      ) {
        throw new FormatError(path, `instruction ${slot}: the second half of a 64-bit immediate is missing`);
      }
      insn.imm64 = view.imm64(slot);
      slot++;
    }
    insns.push(insn);
  }
  return insns;
}

/** Instructions → bytes. Throws `RangeError` for a field that does not fit. */
export function encodeInsns(insns: readonly Insn[], endian: Endian = "little"): Uint8Array<ArrayBuffer> {
  let slots = 0;
  for (const insn of insns) slots += slotCount(insn);
  const bytes = new Uint8Array(slots * SLOT_SIZE);
  const view = new InsnView(bytes, endian);
  let slot = 0;
  for (const insn of insns) {
    checkFields(insn, slot);
    view.setCode(slot, insn.code);
    view.setRegs(slot, insn.dst, insn.src);
    view.setOff(slot, insn.off);
    view.setImm(slot, insn.imm);
    if (insn.code === LDIMM64) {
      if (insn.imm64 !== undefined) view.setImm64(slot, insn.imm64);
      slot++;
    }
    slot++;
  }
  return bytes;
}

function checkFields(insn: Insn, slot: number): void {
  const fits = (value: number, low: number, high: number) => Number.isInteger(value) && value >= low && value <= high;
  let wrong: string | undefined;
  if (!fits(insn.code, 0, 255)) wrong = `opcode ${insn.code}`;
  else if (!fits(insn.dst, 0, 15)) wrong = `destination register ${insn.dst}`;
  else if (!fits(insn.src, 0, 15)) wrong = `source register ${insn.src}`;
  else if (!fits(insn.off, -0x8000, 0x7fff)) wrong = `offset ${insn.off}`;
  // Unsigned 32-bit immediates are the same bits.
  else if (!fits(insn.imm, -0x80000000, 0xffffffff)) wrong = `immediate ${insn.imm}`;
  if (wrong !== undefined) throw new RangeError(`Cannot encode instruction ${slot}: ${wrong} is out of range`);
}

/** A row, and the value that each field must have; undefined: any. */
interface Matcher {
  row: OpDef;
  dst: number | undefined;
  src: number | undefined;
  off: number | undefined;
  imm: number | undefined;
}

/** By opcode byte, rows with more fixed fields first. */
let matchers: Matcher[][] | undefined;

/** The table's row of an instruction; undefined if no instruction has this opcode and these fields. */
export function opDef(insn: Insn): OpDef | undefined {
  matchers ??= indexRows();
  return matchers[insn.code]?.find((m) =>
    (m.dst === undefined || m.dst === insn.dst) && (m.src === undefined || m.src === insn.src) &&
    (m.off === undefined || m.off === insn.off) && (m.imm === undefined || m.imm === insn.imm)
  )?.row;
}

/** A field must be what the row says; one that its text does not mention must be zero. */
function matcherOf(row: OpDef): Matcher {
  const mentions = (pattern: RegExp) => pattern.test(row.syntax) ? undefined : 0;
  return {
    row,
    dst: mentions(/\$[wxym]?d/),
    src: row.src ?? mentions(/\$[wxym]?s/),
    off: row.off ?? mentions(/\$[mjo]/),
    imm: row.imm ?? mentions(/\$[iIJca]/),
  };
}

function indexRows(): Matcher[][] {
  const byCode: Matcher[][] = [];
  for (const row of opcodes()) (byCode[row.code] ??= []).push(matcherOf(row));
  const fixed = (m: Matcher) => [m.dst, m.src, m.off, m.imm].filter((v) => v !== undefined).length;
  for (const list of byCode) list?.sort((a, b) => fixed(b) - fixed(a));
  return byCode;
}
