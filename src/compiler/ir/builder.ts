/**
 * Builds an `IrFunction` block by block, with mutable locals turned into SSA values while they are read and written
 * (Braun et al., "Simple and Efficient Construction of Static Single Assignment Form", CC 2013).
 *
 * A block is *sealed* when no further predecessor will be added: seal a block as soon as every jump to it has been
 * emitted, a loop's head after its back edge. Instructions go to the end of the current block. After a terminator the
 * current block is a new one that nothing reaches, so that code behind `return` needs no special care; `finish()` drops it.
 */
import { IrFunction } from "./ir.ts";
import { LocalValues } from "./locals.ts";
import type { Local } from "./locals.ts";
import { isCompare } from "./ops.ts";
import type {
  AccessSize,
  AtomicOp,
  BinaryOp,
  Block,
  CallInfo,
  CompareOp,
  CoreRecord,
  Inst,
  SourcePosition,
  StackSlot,
  Value,
} from "./ir.ts";

export type { Local } from "./locals.ts";

/** Options of `load`. */
export interface LoadOptions {
  signed?: boolean;
  core?: CoreRecord | undefined;
  /** The memory never changes during a run (a tracepoint's context): equal loads may be merged across calls. */
  invariant?: boolean;
  /** Must not be merged or dropped. */
  volatile?: boolean;
  /** The value is a pointer into a packet (data, data_meta, data_end): a bound checked for much holds for less. */
  packet?: boolean;
}

/** Options of `callHelper`, `callKfunc`, `callFunction`: what the optimiser may believe; the defaults are the careful ones. */
export interface CallOptions {
  /** Whether there is a result; true unless said otherwise. */
  returns?: boolean;
  pure?: boolean;
  /** Bit i: the memory behind argument i may be written. All of them unless said otherwise. */
  writes?: number;
  /** Bit i: the stack slot behind argument i is filled and not read. */
  fills?: number;
  fresh?: boolean;
  /** The result is below 2 to the power of `bits`. */
  bits?: number;
}

export class FunctionBuilder {
  readonly fn: IrFunction;
  /** Asked before every call; throws where none may be made. */
  beforeCall: ((name: string) => void) | undefined = undefined;
  #block: Block;
  #pos: SourcePosition | undefined = undefined;
  #locals: LocalValues;
  #params: Value[] = [];

  constructor(name: string, options: { params: number; linkage?: "static" | "global" }) {
    if (options.params > 5) throw new RangeError(`Cannot build "${name}": a BPF function has at most 5 parameters`);
    this.fn = new IrFunction(name, { params: options.params, linkage: options.linkage ?? "global" });
    this.#locals = new LocalValues(this.fn);
    this.#block = this.newBlock();
    this.seal(this.#block);
    for (let i = 0; i < options.params; i++) this.#params.push(this.#emit("param", [], { size: i }));
  }

  // Position and blocks

  /** The source position of every instruction from here on. */
  at(pos: SourcePosition | undefined): void {
    this.#pos = pos;
    this.#locals.pos = pos;
  }

  /** The block that instructions go to. */
  get block(): Block {
    return this.#block;
  }

  newBlock(): Block {
    const block = this.fn.block();
    this.#locals.addBlock(block);
    return block;
  }

  /** Continues at the end of `block`. */
  setBlock(block: Block): void {
    this.#block = block;
  }

  /** Says that every jump to `block` has been emitted. */
  seal(block: Block): void {
    this.#locals.seal(block);
  }

  /** Whether the current block can be reached by what has been emitted so far. */
  get reachable(): boolean {
    return this.#block === this.fn.blocks[0] || this.#block.preds.length > 0 || !this.#locals.isSealed(this.#block);
  }

  // Locals

  newLocal(name: string): Local {
    return this.#locals.create(name);
  }

  setLocal(local: Local, value: Value): void {
    this.#locals.write(this.#block, local, value);
  }

  /** The local's value here; 0 on paths where it was never set. */
  getLocal(local: Local): Value {
    return this.#locals.read(this.#block, local);
  }

  // Values

  /** A 64-bit constant; any bigint is taken modulo 2^64. */
  const(value: bigint | number): Value {
    return this.#emit("const", [], { imm: BigInt.asIntN(64, BigInt(value)) });
  }

  param(index: number): Value {
    const value = this.#params[index];
    if (value === undefined) {
      throw new RangeError(`Cannot use parameter ${index} of "${this.fn.name}": it has ${this.fn.params}`);
    }
    return value;
  }

  binary(op: BinaryOp, a: Value, b: Value): Value {
    return this.#emit(op, [a, b]);
  }

  /** 1 if the comparison holds, else 0. */
  compare(op: CompareOp, a: Value, b: Value): Value {
    return this.#emit(op, [a, b]);
  }

  add(a: Value, b: Value): Value {
    return this.#emit("add", [a, b]);
  }
  sub(a: Value, b: Value): Value {
    return this.#emit("sub", [a, b]);
  }
  mul(a: Value, b: Value): Value {
    return this.#emit("mul", [a, b]);
  }
  div(a: Value, b: Value): Value {
    return this.#emit("div", [a, b]);
  }
  mod(a: Value, b: Value): Value {
    return this.#emit("mod", [a, b]);
  }
  sdiv(a: Value, b: Value): Value {
    return this.#emit("sdiv", [a, b]);
  }
  smod(a: Value, b: Value): Value {
    return this.#emit("smod", [a, b]);
  }
  and(a: Value, b: Value): Value {
    return this.#emit("and", [a, b]);
  }
  or(a: Value, b: Value): Value {
    return this.#emit("or", [a, b]);
  }
  xor(a: Value, b: Value): Value {
    return this.#emit("xor", [a, b]);
  }
  shl(a: Value, b: Value): Value {
    return this.#emit("shl", [a, b]);
  }
  shr(a: Value, b: Value): Value {
    return this.#emit("shr", [a, b]);
  }
  ashr(a: Value, b: Value): Value {
    return this.#emit("ashr", [a, b]);
  }
  neg(a: Value): Value {
    return this.#emit("neg", [a]);
  }
  not(a: Value): Value {
    return this.#emit("not", [a]);
  }
  zext(a: Value, bits: 8 | 16 | 32): Value {
    return this.#emit("zext", [a], { size: bits });
  }
  sext(a: Value, bits: 8 | 16 | 32): Value {
    return this.#emit("sext", [a], { size: bits });
  }
  bound(a: Value, length: number): Value {
    return this.#emit("bound", [a], { size: length });
  }
  bswap(a: Value, bits: 16 | 32 | 64): Value {
    return this.#emit("bswap", [a], { size: bits });
  }
  select(condition: Value, a: Value, b: Value): Value {
    return this.#emit("select", [condition, a, b]);
  }

  /** A new piece of stack; `slotAddress` gives its address as often as wanted. */
  newSlot(name: string, size: number, align: 1 | 2 | 4 | 8 = 8): StackSlot {
    return this.fn.slot(name, size, align, this.#pos);
  }

  slotAddress(slot: StackSlot): Value {
    return this.#emit("stackSlot", [], { slot });
  }
  addCore(ptr: Value, offset: number, core: CoreRecord): Value {
    return this.#emit("addCore", [ptr], { offset, core });
  }
  coreConst(core: CoreRecord, localValue: bigint | number): Value {
    return this.#emit("coreConst", [], { core, imm: BigInt.asIntN(64, BigInt(localValue)) });
  }
  mapFd(map: string): Value {
    return this.#emit("mapFd", [], { name: map });
  }
  mapValue(map: string, offset: number): Value {
    return this.#emit("mapValue", [], { name: map, offset });
  }
  funcAddr(name: string): Value {
    return this.#emit("funcAddr", [], { name });
  }
  externVar(name: string): Value {
    return this.#emit("externVar", [], { name });
  }

  // Memory

  load(size: AccessSize, base: Value, offset: number, options: LoadOptions = {}): Value {
    const { signed = false, core = undefined, invariant = false, volatile = false, packet = false } = options;
    return this.#emit("load", [base], { size, offset, signed, core, invariant, volatile, packet });
  }

  store(size: AccessSize, base: Value, offset: number, value: Value, core?: CoreRecord): void {
    this.#emit("store", [base, value], { size, offset, core });
  }

  zero(base: Value, offset: number, length: number): void {
    if (length > 0) this.#emit("zero", [base], { offset, size: length });
  }

  copy(to: Value, toOffset: number, from: Value, fromOffset: number, length: number): void {
    if (length > 0) this.#emit("copy", [to, from], { offset: toOffset, srcOffset: fromOffset, size: length });
  }

  /** Gives the old value if `fetch`; xchg always does. For cmpxchg see `compareExchange`. */
  atomic(
    op: Exclude<AtomicOp, "cmpxchg">,
    size: 4 | 8,
    base: Value,
    offset: number,
    value: Value,
    fetch = false,
  ): Value {
    return this.#emit("atomic", [base, value], { atomic: op, size, offset, fetch: fetch || op === "xchg" });
  }

  /** Gives the old value. */
  compareExchange(size: 4 | 8, base: Value, offset: number, expected: Value, value: Value): Value {
    return this.#emit("atomic", [base, expected, value], { atomic: "cmpxchg", size, offset, fetch: true });
  }

  // Calls

  callHelper(helper: number, name: string, args: Value[], options: CallOptions = {}): Value {
    return this.#call("helper", helper, name, args, options);
  }

  callKfunc(name: string, args: Value[], options: CallOptions = {}): Value {
    return this.#call("kfunc", 0, name, args, options);
  }

  callFunction(name: string, args: Value[], options: CallOptions = {}): Value {
    return this.#call("function", 0, name, args, options);
  }

  #call(kind: CallInfo["kind"], helper: number, name: string, args: Value[], options: CallOptions): Value {
    if (args.length > 5) {
      throw new RangeError(`Cannot call "${name}": ${args.length} arguments, at most 5 are possible`);
    }
    this.beforeCall?.(name);
    const { returns = true, pure = false, writes = 0b11111, fills = 0, fresh = false, bits = 64 } = options;
    return this.#emit("call", args, { call: { kind, helper, name, returns, pure, writes, fills, fresh, bits } });
  }

  // Terminators

  jump(target: Block): void {
    this.#terminate("jump", [], [target]);
  }

  /** Goes to `yes` if the comparison holds, else to `no`. */
  branchIf(cond: CompareOp, a: Value, b: Value, yes: Block, no: Block): void {
    if (yes === no) return this.jump(yes);
    this.#terminate("branch", [a, b], [yes, no], cond);
  }

  /** Goes to `yes` if the value is not zero. A comparison that was just made is used as it is. */
  branch(condition: Value, yes: Block, no: Block): void {
    if (isCompare(condition.op)) return this.branchIf(condition.op, condition.args[0]!, condition.args[1]!, yes, no);
    this.branchIf("ne", condition, this.const(0n), yes, no);
  }

  ret(value: Value): void {
    this.#terminate("ret", [value], []);
  }

  unreachable(): void {
    this.#terminate("unreachable", [], []);
  }

  #terminate(op: "jump" | "branch" | "ret" | "unreachable", args: Value[], succs: Block[], cond?: CompareOp): void {
    const block = this.#block;
    const term = this.fn.inst(op, args, this.#pos);
    if (cond !== undefined) term.cond = cond;
    block.term = term;
    block.succs = succs;
    for (const succ of succs) {
      if (this.#locals.isSealed(succ)) {
        throw new Error(`Block b${succ.id} of "${this.fn.name}" was sealed before a jump to it`);
      }
      succ.preds.push(block);
    }
    this.#block = this.newBlock();
    this.seal(this.#block);
  }

  #emit(op: Inst["op"], args: Inst[], fields?: Partial<Omit<Inst, "id" | "op" | "args">>): Inst {
    const inst = this.fn.inst(op, args, this.#pos);
    if (fields !== undefined) Object.assign(inst, fields);
    this.#block.insts.push(inst);
    return inst;
  }

  // End

  /** The finished function: unreachable blocks and trivial phis are gone. The builder must not be used afterwards. */
  finish(): IrFunction {
    const reachable = this.#reachableBlocks();
    for (const block of reachable) {
      if (!this.#locals.isSealed(block)) throw new Error(`Block b${block.id} of "${this.fn.name}" was never sealed`);
      if (block.term === undefined) throw new Error(`Block b${block.id} of "${this.fn.name}" has no terminator`);
    }
    this.#dropUnreachablePreds(reachable);
    for (let changed = true; changed;) {
      changed = false;
      for (const block of reachable) {
        for (const inst of block.insts) {
          if (inst.op !== "phi") break;
          if (!this.#locals.isReplaced(inst) && this.#locals.simplifyPhi(inst) !== inst) changed = true;
        }
      }
    }
    for (const block of reachable) {
      block.insts = block.insts.filter((inst) => !this.#locals.isReplaced(inst));
      for (const inst of block.insts) inst.args = inst.args.map((arg) => this.#locals.resolve(arg));
      block.term!.args = block.term!.args.map((arg) => this.#locals.resolve(arg));
    }
    this.fn.blocks = reachable;
    return this.fn;
  }

  /** Depth first, entry first; order of creation otherwise. */
  #reachableBlocks(): Block[] {
    const seen = new Set<Block>();
    const work = [this.fn.blocks[0]!];
    for (let block = work.pop(); block !== undefined; block = work.pop()) {
      if (seen.has(block)) continue;
      seen.add(block);
      work.push(...block.succs);
    }
    return this.fn.blocks.filter((block) => seen.has(block));
  }

  #dropUnreachablePreds(reachable: Block[]): void {
    const alive = new Set(reachable);
    for (const block of reachable) {
      const keep = block.preds.map((pred) => alive.has(pred));
      if (keep.every((k) => k)) continue;
      block.preds = block.preds.filter((_, i) => keep[i]);
      for (const inst of block.insts) {
        if (inst.op === "phi") inst.args = inst.args.filter((_, i) => keep[i]);
      }
    }
  }
}
