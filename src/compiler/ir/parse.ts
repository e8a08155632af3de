/** Reads the text form of the IR (see `text.ts`): the input of golden tests and of hand-written experiments. */
import { FormatError } from "../../errors.ts";
import type { CoreKind } from "../../object/spec.ts";
import { IrFunction } from "./ir.ts";
import type { AtomicOp, Block, CompareOp, CoreRecord, Inst, Op } from "./ir.ts";
import { OPS } from "./ops.ts";

/** The functions in a text; `;` and `#` start comments. Throws FormatError with the line. */
export function parseIr(text: string): IrFunction[] {
  return new Parser(text).functions();
}

/** A value used before its line, as phis of loops do. */
interface Pending {
  inst: Inst;
  arg: number;
  name: string;
  line: number;
}

class Parser {
  #lines: string[];
  #at = 0;
  #fn!: IrFunction;
  #block!: Block;
  #values = new Map<string, Inst>();
  #blocks = new Map<string, Block>();
  #pending: Pending[] = [];
  #phis: { inst: Inst; block: Block; from: Block[]; values: string[]; line: number }[] = [];

  constructor(text: string) {
    this.#lines = text.split("\n").map((line) => line.replace(/[;#].*/, "").trim());
  }

  functions(): IrFunction[] {
    const functions: IrFunction[] = [];
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!;
      if (line === "") continue;
      if (line.startsWith("function ")) {
        if (functions.length > 0) this.#end();
        functions.push(this.#start(line));
      } else if (line.startsWith("slot ")) this.#slot(line);
      else if (line.endsWith(":")) this.#startBlock(line.slice(0, -1));
      else this.#instruction(line);
    }
    if (functions.length > 0) this.#end();
    return functions;
  }

  #fail(problem: string, line = this.#at): never {
    throw new FormatError(`IR line ${line + 1}`, `${problem}: ${this.#lines[line]}`);
  }

  #match(text: string, pattern: RegExp): RegExpMatchArray {
    return text.match(pattern) ?? this.#fail("syntax");
  }

  #start(line: string): IrFunction {
    const [, name, linkage, params] = this.#match(line, /^function (\S+) (static|global) params (\d)$/);
    this.#fn = new IrFunction(name!, { params: Number(params), linkage: linkage as "static" | "global" });
    this.#values.clear();
    this.#blocks.clear();
    this.#pending = [];
    this.#phis = [];
    return this.#fn;
  }

  #slot(line: string): void {
    const [, name, size, align] = this.#match(line, /^slot (\S+) (\d+) align (\d)$/);
    this.#fn.slot(name!, Number(size), Number(align));
  }

  #named(name: string): Block {
    let block = this.#blocks.get(name);
    if (block === undefined) {
      block = this.#fn.block();
      this.#fn.blocks.pop(); // listed where its label stands
      this.#blocks.set(name, block);
    }
    return block;
  }

  #startBlock(name: string): void {
    this.#block = this.#named(name);
    this.#fn.blocks.push(this.#block);
  }

  /** An operand; constants and slot addresses become instructions of `block`. */
  #operand(text: string, block: Block, inst: Inst, arg: number): Inst {
    if (/^-?(0x[0-9a-f]+|\d+)$/.test(text)) {
      const constant = this.#fn.inst("const", []);
      constant.imm = BigInt.asIntN(64, text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text));
      block.insts.push(constant);
      return constant;
    }
    if (text.startsWith("&")) {
      const address = this.#fn.inst("stackSlot", []);
      address.slot = this.#fn.slots.find((s) => s.name === text.slice(1)) ?? this.#fail("unknown slot");
      block.insts.push(address);
      return address;
    }
    const known = this.#values.get(text);
    if (known === undefined) this.#pending.push({ inst, arg, name: text, line: this.#at });
    return known ?? inst;
  }

  #operands(inst: Inst, texts: readonly string[]): void {
    inst.args = texts.filter((t) => t !== "").map((text, i) => this.#operand(text, this.#block, inst, i));
  }

  #instruction(line: string): void {
    const [, name, op, rest] = this.#match(line, /^(?:(v\d+) = )?(\w+)\s*(.*)$/);
    if (!(op! in OPS)) this.#fail("unknown operation");
    const inst = this.#fn.inst(op as Op, []);
    this.#body(inst, rest!.trim());
    if (name !== undefined) this.#values.set(name, inst);
    if (["jump", "branch", "ret", "unreachable"].includes(inst.op)) this.#block.term = inst;
    else this.#block.insts.push(inst);
  }

  #body(inst: Inst, rest: string): void {
    switch (inst.op) {
      case "param":
        inst.size = Number(rest);
        return;
      case "phi":
        return this.#phi(inst, rest);
      case "zext":
      case "sext":
      case "bound":
      case "bswap": {
        const [, bits, value] = this.#match(rest, /^(\d+) (\S+)$/);
        inst.size = Number(bits);
        return this.#operands(inst, [value!]);
      }
      case "addCore": {
        const [, ptr, offset, core] = this.#match(rest, /^(\S+), (-?\d+) core\((.*)\)$/);
        inst.offset = Number(offset);
        inst.core = this.#core(core!);
        return this.#operands(inst, [ptr!]);
      }
      case "coreConst": {
        const [, imm, core] = this.#match(rest, /^(-?\d+) core\((.*)\)$/);
        inst.imm = BigInt(imm!);
        inst.core = this.#core(core!);
        return;
      }
      case "mapFd":
      case "funcAddr":
      case "externVar":
        inst.name = rest;
        return;
      case "mapValue":
        [inst.name, inst.offset] = [rest.split(" ")[0]!, Number(rest.split(" ")[1])];
        return;
      case "call":
        return this.#call(inst, rest);
      case "load":
      case "store":
      case "zero":
      case "copy":
      case "atomic":
        return this.#memory(inst, rest);
      default:
        return this.#plain(inst, rest);
    }
  }

  #plain(inst: Inst, rest: string): void {
    if (inst.op === "branch") {
      const [, cond, operands] = this.#match(rest, /^(\w+) (.*)$/);
      inst.cond = cond as CompareOp;
      const parts = operands!.split(/,\s*/);
      this.#block.succs = parts.slice(2).map((name) => this.#named(name));
      return this.#operands(inst, parts.slice(0, 2));
    }
    if (inst.op === "jump") {
      this.#block.succs = [this.#named(rest)];
      return;
    }
    this.#operands(inst, rest.split(/,\s*/));
  }

  #phi(inst: Inst, rest: string): void {
    const pairs = rest.split(/,\s*/).map((pair) => pair.split(" "));
    const from = pairs.map(([block]) => this.#named(block!));
    this.#phis.push({ inst, block: this.#block, from, values: pairs.map((pair) => pair[1]!), line: this.#at });
  }

  #core(text: string): CoreRecord {
    const [typeId, access, kind] = text.split(" ");
    return { typeId: Number(typeId), access: access!, kind: kind as CoreKind };
  }

  #memory(inst: Inst, rest: string): void {
    const core = /^(.*?) core\((.*?)\)(.*)$/.exec(rest);
    if (core !== null) inst.core = this.#core(core[2]!);
    const text = core === null ? rest : core[1]! + core[3]!;
    const pattern =
      /^(?:(add|or|and|xor|xchg|cmpxchg) )?(?:([us])(\d+) )?(fetch )?\[(\S+?)([+-]\d+)\](?: \[(\S+?)([+-]\d+)\])?(?: (\d+))?(.*)$/;
    const [, atomic, sign, bits, fetch, base, offset, from, srcOffset, length, tail] = this.#match(text, pattern);
    inst.size = bits === undefined ? Number(length) : Number(bits) / 8;
    inst.signed = sign === "s";
    inst.offset = Number(offset);
    inst.srcOffset = Number(srcOffset ?? 0);
    if (atomic !== undefined) inst.atomic = atomic as AtomicOp;
    inst.fetch = fetch !== undefined || atomic === "xchg" || atomic === "cmpxchg";
    inst.invariant = tail!.includes(" invariant");
    inst.volatile = tail!.includes(" volatile");
    inst.packet = tail!.includes(" packet");
    const values = tail!.startsWith(",") ? tail!.slice(1).trim().split(/,\s*/) : [];
    this.#operands(inst, from === undefined ? [base!, ...values] : [base!, from]);
  }

  #call(inst: Inst, rest: string): void {
    const [, kind, number, name, args, flags] = this.#match(
      rest,
      /^(helper|kfunc|function) (?:(\d+) )?(\S+?)\((.*)\)(.*)$/,
    );
    const flag = (word: string) => new RegExp(` ${word}( (\\d+))?`).exec(flags!);
    inst.call = {
      kind: kind as "helper" | "kfunc" | "function",
      helper: Number(number ?? 0),
      name: name!,
      returns: flag("void") === null,
      pure: flag("pure") !== null,
      writes: Number(flag("writes")?.[2] ?? 0b11111),
      fills: Number(flag("fills")?.[2] ?? 0),
      fresh: flag("fresh") !== null,
      bits: Number(flag("bits")?.[2] ?? 64),
    };
    this.#operands(inst, args!.split(/,\s*/));
  }

  /** What a function leaves open: predecessors, phi arguments, forward references. */
  #end(): void {
    for (const block of this.#fn.blocks) {
      if (block.term === undefined) this.#fail(`block without terminator in "${this.#fn.name}"`, this.#at - 1);
      for (const succ of block.succs) succ.preds.push(block);
    }
    const at = this.#at;
    for (const { inst, block, from, values, line } of this.#phis) {
      this.#at = line; // for messages
      inst.args = block.preds.map((pred, i) => {
        const index = from.indexOf(pred);
        if (index < 0) this.#fail("phi without a value for a predecessor", line);
        return this.#operand(values[index]!, pred, inst, i);
      });
    }
    for (const { inst, arg, name, line } of this.#pending) {
      inst.args[arg] = this.#values.get(name) ?? this.#fail(`unknown value ${name}`, line);
    }
    this.#at = at;
  }
}
