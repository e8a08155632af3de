/** Evaluates IR directly: what a function means, said once more in the simplest way, for comparing with compiled code. */
import type { Block, Inst, IrFunction, Op } from "../../src/compiler/ir/ir.ts";
import { hasResult, isCompare } from "../../src/compiler/ir/ops.ts";
import type { Machine } from "./bpf_machine.ts";

const STEPS = 1_000_000;
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);

/** Runs a function of the module; gives its result, unsigned. */
export function evaluate(
  machine: Machine,
  functions: ReadonlyMap<string, IrFunction>,
  name: string,
  args: readonly bigint[],
): bigint {
  return new Evaluator(machine, functions).call(name, args);
}

class Evaluator {
  #machine: Machine;
  #functions: ReadonlyMap<string, IrFunction>;
  #steps = 0;

  constructor(machine: Machine, functions: ReadonlyMap<string, IrFunction>) {
    this.#machine = machine;
    this.#functions = functions;
  }

  call(name: string, args: readonly bigint[]): bigint {
    const fn = this.#functions.get(name);
    if (fn === undefined) throw new Error(`No function "${name}"`);
    // A frame of its own, larger than the machine's: the optimiser may shrink, never grow what a program needs.
    const frame = fn.slots.reduce((sum, slot) => sum + Math.ceil(slot.size / 8) * 8, 0);
    this.#machine.stack -= frame;
    const slots: bigint[] = [];
    let at = this.#machine.stack;
    for (const slot of fn.slots) {
      slots.push(BigInt(at));
      at += Math.ceil(slot.size / 8) * 8;
    }
    this.#machine.memory.fill(0x5a, this.#machine.stack, this.#machine.stack + frame);
    const result = this.#run(fn, args, slots);
    this.#machine.stack += frame;
    return result;
  }

  #run(fn: IrFunction, args: readonly bigint[], slots: readonly bigint[]): bigint {
    const values = new Map<Inst, bigint>();
    const get = (value: Inst): bigint => {
      const known = values.get(value);
      if (known === undefined) throw new Error(`${value.op} ${value.id} is used before it is made`);
      return known;
    };
    let from: Block | undefined;
    for (let block = fn.blocks[0]!;;) {
      const index = from === undefined ? -1 : block.preds.indexOf(from);
      const phis = block.insts.filter((inst) => inst.op === "phi").map((phi) => [phi, get(phi.args[index]!)] as const);
      for (const [phi, value] of phis) values.set(phi, value);
      for (const inst of block.insts) {
        if (++this.#steps > STEPS) throw new Error("Too many steps");
        if (inst.op === "phi") continue;
        const result = inst.op === "param"
          ? args[inst.size]!
          : inst.op === "stackSlot"
          ? slots[inst.slot!.index]!
          : this.#inst(inst, inst.args.map(get));
        if (hasResult(inst)) values.set(inst, u64(result));
      }
      const term = block.term!;
      const operands = term.args.map(get);
      if (term.op === "ret") return operands[0]!;
      if (term.op === "unreachable") throw new Error("Reached the unreachable");
      from = block;
      block = block.succs[term.op === "branch" && !holds(term.cond, operands[0]!, operands[1]!) ? 1 : 0]!;
    }
  }

  #inst(inst: Inst, args: readonly bigint[]): bigint {
    const { op } = inst;
    const machine = this.#machine;
    const at = (args[0] ?? 0n) + BigInt(inst.offset);
    switch (op) {
      case "const":
      case "coreConst":
        return inst.imm;
      case "addCore":
        return at;
      case "mapFd":
        return machine.handle(inst.name);
      case "mapValue":
        return BigInt(machine.map(inst.name).address + inst.offset);
      case "load": {
        const value = machine.read(at, inst.size);
        return inst.signed ? BigInt.asIntN(inst.size * 8, value) : value;
      }
      case "store":
        machine.write(at, inst.size, args[1]!);
        return 0n;
      case "zero":
        for (let i = 0; i < inst.size; i++) machine.write(at + BigInt(i), 1, 0n);
        return 0n;
      case "copy":
        machine.copy(at, args[1]! + BigInt(inst.srcOffset), inst.size);
        return 0n;
      case "atomic":
        return machine.atomic(inst.atomic, at, inst.size, args[args.length - 1]!, args[1]!);
      case "call":
        return this.#call(inst, args);
      default:
        return isCompare(op) ? BigInt(holds(op, args[0]!, args[1]!)) : compute(op, inst.size, args);
    }
  }

  #call(inst: Inst, args: readonly bigint[]): bigint {
    const { kind, helper, name } = inst.call!;
    if (kind === "function") return this.call(name, args);
    if (kind === "helper") return this.#machine.helper(helper, args);
    throw new Error(`No kfunc "${name}" in the test machine`);
  }
}

/** Whether a comparison of two unsigned values holds. */
export function holds(op: Op, a: bigint, b: bigint): boolean {
  switch (op) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "ult":
      return a < b;
    case "ule":
      return a <= b;
    case "ugt":
      return a > b;
    case "uge":
      return a >= b;
    case "slt":
      return s64(a) < s64(b);
    case "sle":
      return s64(a) <= s64(b);
    case "sgt":
      return s64(a) > s64(b);
    case "sge":
      return s64(a) >= s64(b);
    default:
      return (a & b) !== 0n;
  }
}

function compute(op: Op, bits: number, args: readonly bigint[]): bigint {
  const [a = 0n, b = 0n, c = 0n] = args;
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return b === 0n ? 0n : a / b;
    case "mod":
      return b === 0n ? a : a % b;
    case "sdiv":
      return b === 0n ? 0n : s64(a) / s64(b);
    case "smod":
      return b === 0n ? a : s64(a) % s64(b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << (b & 63n);
    case "shr":
      return a >> (b & 63n);
    case "ashr":
      return s64(a) >> (b & 63n);
    case "neg":
      return -a;
    case "not":
      return ~a;
    case "zext":
      return BigInt.asUintN(bits, a);
    case "sext":
      return BigInt.asIntN(bits, a);
    case "bound":
      return BigInt.asUintN(64, a) < BigInt(bits) ? a : 0n;
    case "bswap": {
      let out = 0n;
      for (let i = 0; i < bits; i += 8) out = out << 8n | a >> BigInt(i) & 0xffn;
      return out;
    }
    case "select":
      return a !== 0n ? b : c;
    default:
      throw new Error(`Cannot evaluate ${op}`);
  }
}
