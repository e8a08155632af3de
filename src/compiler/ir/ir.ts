/**
 * The compiler's intermediate representation, between typed syntax and BPF instructions.
 *
 * A FUNCTION has a name, up to five parameters, stack slots and basic blocks; the first block is the entry, which no
 * block jumps to. A BLOCK has phi instructions first, then instructions, then exactly one terminator, and knows its
 * predecessors and successors. The i-th argument of a phi is the value that comes from the i-th predecessor.
 *
 * A VALUE is the instruction that makes it (SSA: made once, and its block dominates every use). Every value is 64 bits wide,
 * integer or pointer alike; nothing records which. Narrow integers are a matter of the instructions: a load extends what it
 * read by zeros or by the sign, a store truncates, `zext` and `sext` extend the low `bits` bits of a value. Arithmetic wraps
 * at 64 bits.
 *
 *   const imm                  a 64-bit constant, kept signed
 *   param index                the function's parameter; only in the entry block
 *   add sub mul and or xor     two values
 *   div mod                    unsigned; x / 0 = 0, x mod 0 = x
 *   sdiv smod                  truncating towards zero; x / 0 = 0, x mod 0 = x, INT64_MIN / -1 = INT64_MIN
 *   shl shr ashr               the count is taken modulo 64
 *   neg not                    one value
 *   zext sext bits             bits is 8, 16 or 32
 *   bound length               the value if it is below `length` (unsigned), else 0: an index that the verifier knows
 *   bswap bits                 bytes of the low 16, 32 or 64 bits reversed, upper bits zero
 *   eq ne ult ule ugt uge      comparisons: 1 or 0. u is unsigned, s signed; set is (a & b) != 0
 *   slt sle sgt sge set
 *   select c a b               a if c is not zero, else b; both are evaluated
 *   stackSlot slot             the address of a stack slot
 *   addCore ptr offset core    ptr + offset, the offset being patched by a CO-RE record (`offset` is its local value)
 *   coreConst imm core         an immediate patched by a CO-RE record (`imm` is its local value)
 *   mapFd name                 the map itself, for helpers
 *   mapValue name offset       the address in the value of a data map (globals)
 *   funcAddr name              the address of a function of the module, for callbacks
 *   externVar name             the address or value of a kconfig or ksym variable
 *   load [base+offset]         size bytes 1, 2, 4, 8; signed or not; `core` makes offset relocatable
 *   store [base+offset] v      size bytes
 *   zero [base+offset] size    size bytes are set to zero, any length
 *   copy [d+offset] [s+srcOffset] size   both sides directly accessible memory, not overlapping
 *   atomic [base+offset] ...   4 or 8 bytes: add or and xor (value; fetch gives the old value), xchg (value) and cmpxchg
 *                              (expected, value), which always give the old value; 4-byte results are zero-extended
 *   call                       a helper, kfunc or function of the module, up to five arguments; may have a result
 *
 * Terminators: `jump`; `branch` compares two values (cond) and goes to the first successor if that holds, else to the second, which is
 * a different block; `ret` with one value; `unreachable` behind calls that never return.
 *
 * MEMORY. Alignment: base pointers are taken as 8-byte aligned (packet pointers excepted: only load and store them); an access to a
 * stack slot must be aligned to its size. A call reads and writes what its pointer arguments point to (see `CallInfo.writes`) and all memory that is not a stack slot; a stack slot
 * whose address is stored somewhere or otherwise lost from sight may be touched by every call. Slot contents are undefined at the
 * function's start. A load is never moved above a branch; `invariant` loads read memory that never changes while the program
 * runs and may be merged or repeated anywhere behind the first.
 */

import type { CoreKind } from "../../object/spec.ts";

/** A place in the user's source, shared by all instructions that come from it. */
export interface SourcePosition {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** The source line's text. */
  readonly text: string;
}

export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "mod"
  | "sdiv"
  | "smod"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | "ashr";
export type CompareOp = "eq" | "ne" | "ult" | "ule" | "ugt" | "uge" | "slt" | "sle" | "sgt" | "sge" | "set";
export type TerminatorOp = "jump" | "branch" | "ret" | "unreachable";
export type Op =
  | BinaryOp
  | CompareOp
  | TerminatorOp
  | "const"
  | "param"
  | "phi"
  | "neg"
  | "not"
  | "zext"
  | "sext"
  | "bound"
  | "bswap"
  | "select"
  | "stackSlot"
  | "addCore"
  | "coreConst"
  | "mapFd"
  | "mapValue"
  | "funcAddr"
  | "externVar"
  | "load"
  | "store"
  | "zero"
  | "copy"
  | "atomic"
  | "call";

/** Bytes of a memory access. */
export type AccessSize = 1 | 2 | 4 | 8;
export type AtomicOp = "add" | "or" | "and" | "xor" | "xchg" | "cmpxchg";

/** A CO-RE record: `typeId` in the object's own BTF, `access` as in `CoreRelocation`, `kind` in `enum bpf_core_relo_kind` spelling. */
export interface CoreRecord {
  readonly typeId: number;
  readonly access: string;
  readonly kind: CoreKind;
}

/** A piece of the stack frame; slots whose lifetimes do not overlap share bytes. */
export interface StackSlot {
  /** Position in `IrFunction.slots`. */
  readonly index: number;
  /** Shown in messages about the stack limit. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** 1, 2, 4 or 8. */
  readonly align: number;
  /** Where it was asked for, for messages about the stack limit. */
  readonly pos: SourcePosition | undefined;
}

/** Who is called, and what the optimiser may believe about it. */
export interface CallInfo {
  readonly kind: "helper" | "kfunc" | "function";
  /** Helper number; 0 for others. */
  readonly helper: number;
  /** Name of the kfunc or function; for helpers only shown in dumps. */
  readonly name: string;
  /** Whether r0 holds a value after the call. */
  readonly returns: boolean;
  /** No effect, and the same result for the same arguments during one run: bpf_get_current_pid_tgid and the like. */
  readonly pure: boolean;
  /** Bit i: the memory behind argument i may be written. */
  readonly writes: number;
  /** Bit i: the stack slot behind argument i is filled and not read, as far as anybody reads it afterwards. */
  readonly fills: number;
  /** The result is memory that nothing else points to, until it is passed to a call: bpf_ringbuf_reserve. */
  readonly fresh: boolean;
  /** The result is below 2 to the power of `bits`; 64 says nothing. */
  readonly bits: number;
}

/**
 * An instruction, and the value it makes. One class for all of them keeps the passes monomorphic; the table at the top says
 * which fields an operation uses, the others stay at their defaults.
 */
export class Inst {
  /** Unique in its function, below `IrFunction.nextId`: an index for side tables. */
  readonly id: number;
  op: Op;
  args: Inst[];
  /** const, coreConst. Signed 64-bit. */
  imm = 0n;
  /** zext, sext, bswap: bits. bound: the length. load, store, atomic, zero, copy: bytes. param: index. */
  size = 0;
  /** Byte offset of the memory access (copy: of the destination), of addCore and of mapValue. */
  offset = 0;
  /** copy: byte offset in the source. */
  srcOffset = 0;
  /** load: sign-extending. */
  signed = false;
  /** load: of memory that never changes during a run. */
  invariant = false;
  /** load: must happen, and happen once. */
  volatile = false;
  /** The verifier must know the bounds that a branch gave this value: it stays in its register. */
  pinned = false;
  /** load: of a packet pointer (data, data_meta, data_end). */
  packet = false;
  /** atomic: the old value is wanted (always true for xchg and cmpxchg). */
  fetch = false;
  atomic: AtomicOp = "add";
  /** branch. */
  cond: CompareOp = "ne";
  /** mapFd, mapValue, externVar, funcAddr. */
  name = "";
  slot: StackSlot | undefined = undefined;
  core: CoreRecord | undefined = undefined;
  call: CallInfo | undefined = undefined;
  pos: SourcePosition | undefined = undefined;

  constructor(id: number, op: Op, args: Inst[]) {
    this.id = id;
    this.op = op;
    this.args = args;
  }
}

/** What front ends hold: an instruction that has a result. */
export type Value = Inst;

export class Block {
  /** Unique in its function, below `IrFunction.nextBlockId`; not its position. */
  readonly id: number;
  /** Phis first. */
  insts: Inst[] = [];
  /** The terminator; undefined only while the function is built. */
  term: Inst | undefined = undefined;
  /** jump: one; branch: if true, if false; others: none. */
  succs: Block[] = [];
  /** In the order of the phis' arguments. */
  preds: Block[] = [];

  constructor(id: number) {
    this.id = id;
  }
}

export class IrFunction {
  readonly name: string;
  readonly linkage: "static" | "global";
  /** Number of parameters, at most 5. */
  readonly params: number;
  /** The entry first. */
  blocks: Block[] = [];
  slots: StackSlot[] = [];
  nextId = 0;
  nextBlockId = 0;

  constructor(name: string, options: { params: number; linkage: "static" | "global" }) {
    this.name = name;
    this.params = options.params;
    this.linkage = options.linkage;
  }

  /** A new instruction that is in no block yet. */
  inst(op: Op, args: Inst[], pos?: SourcePosition): Inst {
    const inst = new Inst(this.nextId++, op, args);
    inst.pos = pos;
    return inst;
  }

  /** A new block at the end of the list. */
  block(): Block {
    const block = new Block(this.nextBlockId++);
    this.blocks.push(block);
    return block;
  }

  slot(name: string, size: number, align: number, pos?: SourcePosition): StackSlot {
    const slot: StackSlot = { index: this.slots.length, name, size, align, pos };
    this.slots.push(slot);
    return slot;
  }
}

/** The functions of one object, programs and subprograms alike. */
export interface IrModule {
  functions: IrFunction[];
}
