/**
 * BPF instructions: decode and encode them, build them in code, assemble and disassemble text. Pure: needs no
 * permission.
 *
 * @module
 */
export * from "./build.ts";
export { helperId } from "./helpers.ts";
export { decodeInsns, encodeInsns, type Insn, InsnView, slotCount } from "./insn.ts";
export {
  ALU_OPS,
  type AluOp,
  ATOMIC_OPS,
  type AtomicOp,
  JMP_OPS,
  type JmpOp,
  opcodes,
  type OpDef,
  type Size,
  SIZES,
} from "./opcodes.ts";
export { assemble, disassemble, type DisassembleOptions, formatInsn } from "./text.ts";
