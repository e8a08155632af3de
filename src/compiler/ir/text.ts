/**
 * The text form of the IR, for dumps and golden tests; `parse.ts` reads it back.
 *
 *     function main global params 1
 *     slot key 8 align 8
 *     b0:
 *       v0 = param 0
 *       v1 = load u32 [v0+16] invariant
 *       store u64 [&key+0], v1
 *       v2 = call helper 1 map_lookup_elem(v3, &key) writes 0
 *       branch eq v2, 0, b1, b2
 *
 * Constants and stack addresses are written where they are used. Values are numbered in order of appearance, blocks in
 * order of position, so that equal functions have equal text.
 */
import type { Block, CallInfo, Inst, IrFunction, StackSlot } from "./ir.ts";
import { hasResult, isCompare } from "./ops.ts";

/** The whole function, with a line feed at the end. */
export function printFunction(fn: IrFunction): string {
  return new Printer(fn).print();
}

/** The name of each slot in the text form: its own name where that is unique and a plain word. */
export function slotNames(slots: readonly StackSlot[]): string[] {
  const taken = new Set<string>();
  return slots.map((slot) => {
    let name = slot.name.replaceAll(/[^A-Za-z0-9_.]/g, "_") || "slot";
    if (taken.has(name)) name = `${name}.${slot.index}`;
    taken.add(name);
    return name;
  });
}

class Printer {
  #fn: IrFunction;
  #names = new Map<number, string>();
  #blocks = new Map<Block, string>();
  #slots: string[];

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#slots = slotNames(fn.slots);
    fn.blocks.forEach((block, i) => this.#blocks.set(block, `b${i}`));
    for (const block of fn.blocks) {
      for (const inst of block.insts) {
        if (hasResult(inst) && !isInline(inst)) this.#names.set(inst.id, `v${this.#names.size}`);
      }
    }
  }

  print(): string {
    const fn = this.#fn;
    const lines = [`function ${fn.name} ${fn.linkage} params ${fn.params}`];
    fn.slots.forEach((s, i) => lines.push(`slot ${this.#slots[i]} ${s.size} align ${s.align}`));
    for (const block of fn.blocks) {
      lines.push(`${this.#blocks.get(block)}:`);
      for (const inst of block.insts) if (!isInline(inst)) lines.push(`  ${this.#line(inst, block)}`);
      if (block.term !== undefined) lines.push(`  ${this.#terminator(block.term, block)}`);
    }
    return `${lines.join("\n")}\n`;
  }

  #value(inst: Inst): string {
    if (inst.op === "const") return String(inst.imm);
    if (inst.op === "stackSlot") return `&${this.#slots[inst.slot!.index]}`;
    return this.#names.get(inst.id) ?? `?${inst.id}`;
  }

  #args(args: readonly Inst[]): string {
    return args.map((arg) => this.#value(arg)).join(", ");
  }

  #line(inst: Inst, block: Block): string {
    const body = this.#body(inst, block);
    return hasResult(inst) ? `${this.#value(inst)} = ${body}` : body;
  }

  #body(inst: Inst, block: Block): string {
    const { op, args } = inst;
    switch (op) {
      case "phi":
        return `phi ${this.#phi(args, block.preds)}`;
      case "param":
        return `param ${inst.size}`;
      case "zext":
      case "sext":
      case "bound":
      case "bswap":
        return `${op} ${inst.size} ${this.#args(args)}`;
      case "addCore":
        return `addCore ${this.#args(args)}, ${inst.offset}${core(inst)}`;
      case "coreConst":
        return `coreConst ${inst.imm}${core(inst)}`;
      case "mapFd":
      case "funcAddr":
      case "externVar":
        return `${op} ${inst.name}`;
      case "mapValue":
        return `mapValue ${inst.name} ${inst.offset}`;
      case "call":
        return this.#call(inst.call!, args);
      default:
        return isMemory(inst) ? this.#memory(inst) : `${op} ${this.#args(args)}`;
    }
  }

  /** In order of the blocks, so that the order of predecessors does not show. */
  #phi(args: readonly Inst[], preds: readonly Block[]): string {
    const order = preds.map((_, i) => i).sort((a, b) =>
      this.#fn.blocks.indexOf(preds[a]!) - this.#fn.blocks.indexOf(preds[b]!)
    );
    return order.map((i) => `${this.#blocks.get(preds[i]!) ?? "b?"} ${this.#value(args[i]!)}`).join(", ");
  }

  #memory(inst: Inst): string {
    const [base, ...rest] = inst.args;
    const at = `[${this.#value(base!)}${signed(inst.offset)}]`;
    switch (inst.op) {
      case "load": {
        const flags = `${inst.invariant ? " invariant" : ""}${inst.volatile ? " volatile" : ""}${
          inst.packet ? " packet" : ""
        }`;
        return `load ${inst.signed ? "s" : "u"}${inst.size * 8} ${at}${core(inst)}${flags}`;
      }
      case "store":
        return `store u${inst.size * 8} ${at}${core(inst)}, ${this.#args(rest)}`;
      case "zero":
        return `zero ${at} ${inst.size}`;
      case "copy":
        return `copy ${at} [${this.#value(rest[0]!)}${signed(inst.srcOffset)}] ${inst.size}`;
      default: {
        const always = inst.atomic === "xchg" || inst.atomic === "cmpxchg";
        const fetch = inst.fetch && !always ? " fetch" : "";
        return `atomic ${inst.atomic} u${inst.size * 8}${fetch} ${at}, ${this.#args(rest)}`;
      }
    }
  }

  #call(call: CallInfo, args: readonly Inst[]): string {
    const target = call.kind === "helper" ? `helper ${call.helper} ${call.name}` : `${call.kind} ${call.name}`;
    const flags = [
      call.returns ? "" : " void",
      call.pure ? " pure" : "",
      call.writes === 0b11111 ? "" : ` writes ${call.writes}`,
      call.fills === 0 ? "" : ` fills ${call.fills}`,
      call.fresh ? " fresh" : "",
      call.bits === 64 ? "" : ` bits ${call.bits}`,
    ];
    return `call ${target}(${this.#args(args)})${flags.join("")}`;
  }

  #terminator(term: Inst, block: Block): string {
    const targets = block.succs.map((succ) => this.#blocks.get(succ) ?? "b?").join(", ");
    if (term.op === "branch") return `branch ${term.cond} ${this.#args(term.args)}, ${targets}`;
    if (term.op === "jump") return `jump ${targets}`;
    return term.args.length === 0 ? term.op : `${term.op} ${this.#args(term.args)}`;
  }
}

/** Whether the instruction is written where it is used, not on a line of its own. */
function isInline(inst: Inst): boolean {
  return inst.op === "const" || inst.op === "stackSlot";
}

function isMemory({ op }: Inst): boolean {
  return !isCompare(op) && (op === "load" || op === "store" || op === "zero" || op === "copy" || op === "atomic");
}

function signed(offset: number): string {
  return offset < 0 ? String(offset) : `+${offset}`;
}

function core({ core }: Inst): string {
  return core === undefined ? "" : ` core(${core.typeId} ${core.access} ${core.kind})`;
}
