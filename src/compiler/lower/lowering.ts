/**
 * The state of lowering one function: the IR builder, what variables are bound to, which of them are known to be there
 * (not `undefined`) at this point, and where in the source it stands. Expressions, statements, maps and kernel memory
 * are lowered by the other files of this folder, each taking this state first.
 *
 * Variables that are assigned once hold whatever their initialiser is, compile-time things included; the others are
 * cells. A function may be lowered several times: cells' types only grow, and the last run starts with the final ones.
 */
import type { LayoutDesc } from "../../bytes/layout.ts";
import type { Bindings, Symbol } from "../check/bind.ts";
import { typeOfConstant, U64 } from "../check/int_types.ts";
import { Abandon } from "../diagnostics.ts";
import { FunctionBuilder } from "../ir/builder.ts";
import type { Block, SourcePosition, Value } from "../ir/ir.ts";
import type { Break, Continue, Expr, Ident, Range, Stmt } from "../syntax/ast.ts";
import type { SourceText } from "../syntax/source.ts";
import { Cell, joinVarTypes, typeOfVal, type VarType } from "./cells.ts";
import { convert as convertHook, settle as settleHook } from "./memory.ts";
import type { Module, Rules } from "./module.ts";
import type { HookFacts } from "./hook.ts";
import { describe, type IntVal, type MemVal, type OptVal, type Val } from "./values.ts";

/** What a variable stands for. */
export type Binding = { val: Val } | { cell: Cell };

export type Jump = Break | Continue;

/** A loop or a switch that `break` and `continue` may mean. */
export interface JumpTarget {
  readonly label: string | undefined;
  readonly breakTo: Block;
  readonly continueTo: Block | undefined;
  readonly breakFlows: Flow[];
  readonly continueFlows: Flow[];
  readonly isSwitch: boolean;
  /** Gives back what the loop holds, where a jump leaves it for one further out; behind the loop itself that is done anyway. */
  readonly cleanup: (() => void) | undefined;
}

/** What is known at a point of the program: variables that are there, not `undefined`. */
export type Flow = ReadonlySet<Symbol>;

/** What carries over from one run to the next. */
export interface Rounds {
  readonly types: Map<Symbol, VarType>;
  /** The same from this run alone: what a run before found may follow from types that were too narrow then. */
  readonly own: Map<Symbol, VarType>;
  result: VarType | undefined;
  /** For each loop, the variables that may become `undefined` in it. */
  readonly undefinedIn: Map<Stmt, Set<Symbol>>;
  usesScratch: boolean;
  changed: boolean;
}

export class Lowering {
  readonly module: Module;
  readonly b: FunctionBuilder;
  readonly bindings: Bindings;
  readonly source: SourceText;
  readonly hook: HookFacts;
  readonly rounds: Rounds;
  readonly bound = new Map<Symbol, Binding>();
  readonly jumps: JumpTarget[] = [];
  /** The loops around this point, outermost first. */
  readonly loops: Stmt[] = [];
  present = new Set<Symbol>();
  /** For each open `?.` chain, where to go when a part is missing. */
  readonly chains: { absent: Block; used: boolean }[] = [];
  /** Run before `return`: what an enclosing loop holds must be given back. */
  readonly cleanups: (() => void)[] = [];
  /** Scratch memory: its address, and how much of it is taken. */
  scratchBase: Value | undefined = undefined;
  scratchUsed = 0;
  /** Binds again, in a function made of a loop's body, those parameters that do not travel there as variables do. */
  start: (f: Lowering) => void = () => {};
  /** The function that is run in place here: where its `return` goes. */
  closure: { readonly end: Block; readonly flows: Flow[] } | undefined = undefined;
  /** What is lowered now, for mistakes found while code is made. */
  node: Range = { start: 0, end: 0 };
  /** Functions made of the bodies of loops. */
  readonly outlined: Lowering[] = [];
  /** A body of a loop: whether it has a `return`. */
  returns = false;
  /** Its jumps to labels outside of it, and how such a jump leaves it. */
  readonly escapes: Jump[] = [];
  escape: ((jump: Jump) => void) | undefined = undefined;
  /** Ends the function with a value. */
  exit: (value: Value) => void = (value) => this.b.ret(value);
  /** Statements' positions are cheap to repeat and dear to compute. */
  readonly #positions = new Map<number, SourcePosition>();
  #pending: OptVal[] = [];

  constructor(
    module: Module,
    name: string,
    options: {
      params: number;
      linkage: "static" | "global";
      bindings: Bindings;
      source: SourceText;
      hook: HookFacts;
      rounds: Rounds;
    },
  ) {
    this.module = module;
    this.b = new FunctionBuilder(name, options);
    this.bindings = options.bindings;
    this.source = options.source;
    this.hook = options.hook;
    this.rounds = options.rounds;
  }

  get rules(): Rules {
    return this.module.rules;
  }

  // Positions and messages

  at(node: Range): void {
    this.node = node;
    let pos = this.#positions.get(node.start);
    if (pos === undefined) {
      const { file, line, column, lineText } = this.source.locate(node.start, node.end);
      this.#positions.set(node.start, pos = { file, line, column, text: lineText });
    }
    this.b.at(pos);
  }

  report(code: string, text: string, node: Range, notes: readonly string[] = []): void {
    this.module.diagnostics.error(code, text, this.source.locate(node.start, node.end), notes);
  }

  warn(code: string, text: string, node: Range, notes: readonly string[] = []): void {
    this.module.diagnostics.warning(code, text, this.source.locate(node.start, node.end), notes);
  }

  /** Reports and gives up the statement. */
  fail(code: string, text: string, node: Range, notes: readonly string[] = []): never {
    this.report(code, text, node, notes);
    throw new Abandon(text);
  }

  // Values

  int(ir: Value, t = U64): IntVal {
    return { k: "int", t, ir, c: undefined };
  }

  constant(c: bigint): IntVal {
    const wrapped = c >= 1n << 64n || c < -(1n << 63n) ? BigInt.asIntN(64, c) : c;
    return { k: "int", t: typeOfConstant(wrapped), ir: undefined, c: wrapped };
  }

  /** The machine word of an integer, boolean or pointer. */
  word(val: Val): Value {
    switch (val.k) {
      case "int":
        return val.ir ?? this.b.const(val.c!);
      case "bool":
        return val.ir ?? this.b.const(val.c ? 1n : 0n);
      case "ptr":
        return val.ir;
      case "ctx":
        return val.ir;
      case "mem":
        return this.address(val);
      default:
        return this.b.const(0n);
    }
  }

  address(mem: MemVal): Value {
    return mem.offset === 0 ? mem.base : this.b.add(mem.base, this.b.const(BigInt(mem.offset)));
  }

  /** Gives values that are only recipes a place: strings not yet read, parts of kernel structs. Set by memory.ts. */
  settle(val: Val): Val {
    return settleHook(this, val);
  }

  /** Makes a settled value one of `type`, which its own type joins into. */
  convert(val: Val, type: VarType): Val {
    return convertHook(this, val, type);
  }

  // Optional values from maps

  /** Keeps a scalar that was looked up but not read yet. */
  pend(opt: OptVal): OptVal {
    this.#pending.push(opt);
    return opt;
  }

  /** Reads scalars that were looked up, before what follows could change them or hide where they come from. */
  flush(except?: OptVal): void {
    const pending = this.#pending;
    this.#pending = except === undefined ? [] : pending.filter((opt) => opt === except && opt.pending !== undefined);
    for (const opt of pending) {
      if (opt === except || opt.pending === undefined) continue;
      const { load } = opt.pending;
      const [there, join] = [this.b.newBlock(), this.b.newBlock()];
      this.b.branchIf("ne", opt.test(), this.b.const(0n), there, join);
      this.enter(there);
      load();
      this.b.jump(join);
      this.enter(join);
      opt.pending = undefined;
    }
  }

  /** To be called before anything that writes memory others can see. */
  effect(): void {
    this.flush();
  }

  /** Seals a block that all jumps to have been made, and goes on there. */
  enter(block: Block): void {
    this.b.seal(block);
    this.b.setBlock(block);
  }

  // Variables

  symbol(ident: Ident): Symbol | undefined {
    return this.bindings.symbols.get(ident);
  }

  /** Binds a declaration to its first value; `undefined` if it has none yet. */
  declare(symbol: Symbol, val: Val, node: Range): void {
    this.present.delete(symbol);
    if (!symbol.reassigned && !(symbol.mutated && val.k === "object")) {
      this.bound.set(symbol, { val: val.k === "fill" ? this.settle(val) : val });
      return;
    }
    this.bound.delete(symbol);
    this.write(symbol, val, node);
  }

  /** Assigns a variable; its cell's type grows as needed. */
  write(symbol: Symbol, given: Val, node: Range): void {
    const val = this.settle(given);
    const cell = this.#cellFor(symbol, typeOfVal(val), node);
    cell.write(this.convert(val, cell.type));
    if (val.k === "undefined" || val.k === "opt") this.#becomesUndefined(symbol);
    else this.present.add(symbol);
  }

  #becomesUndefined(symbol: Symbol): void {
    this.present.delete(symbol);
    for (const loop of this.loops) {
      const known = this.rounds.undefinedIn.get(loop) ?? new Set();
      if (known.has(symbol)) continue;
      this.rounds.undefinedIn.set(loop, known.add(symbol));
      this.rounds.changed = true;
    }
  }

  #cellFor(symbol: Symbol, type: VarType, node: Range): Cell {
    const known = this.rounds.types.get(symbol);
    const joined = this.#joinVariable(symbol, known, type);
    if (typeof joined === "string") {
      this.fail("type-change", `\`${symbol.name}\` cannot hold both values: ${joined}`, node, [
        "use a second variable",
      ]);
    }
    const bound = this.bound.get(symbol);
    if (known === undefined || !sameType(known, joined)) {
      if (known !== undefined && bound !== undefined) this.rounds.changed = true;
      this.rounds.types.set(symbol, joined);
    }
    if (bound !== undefined && "cell" in bound && sameType(bound.cell.type, joined)) return bound.cell;
    if (bound !== undefined) this.rounds.changed = true;
    const cell = new Cell(this, symbol.name, joined);
    this.bound.set(symbol, { cell });
    return cell;
  }

  /** What the variable holds and may hold now; a string says why it cannot. */
  #joinVariable(symbol: Symbol, known: VarType | undefined, type: VarType): VarType | string {
    const { own } = this.rounds;
    const before = own.get(symbol);
    const mine = before === undefined ? type : joinVarTypes(before, type);
    if (typeof mine !== "string") own.set(symbol, mine);
    const joined = known === undefined ? type : joinVarTypes(known, type);
    return typeof joined === "string" ? mine : joined;
  }

  /** The value of a variable here. */
  read(symbol: Symbol): Val | undefined {
    const binding = this.bound.get(symbol);
    if (binding === undefined) {
      // A `var` that is set in a branch not lowered yet.
      return symbol.kind === "variable" && symbol.reassigned ? { k: "undefined" } : undefined;
    }
    const there = this.present.has(symbol);
    if ("cell" in binding) return there ? binding.cell.readPresent() : binding.cell.read();
    const { val } = binding;
    return val.k === "opt" && there ? val.inner() : val;
  }

  /** The variable's own binding, not narrowed. */
  optional(symbol: Symbol): OptVal | undefined {
    if (this.present.has(symbol)) return undefined;
    const val = this.read(symbol);
    return val?.k === "opt" ? val : undefined;
  }

  // Flow

  snapshot(): Flow {
    return new Set(this.present);
  }

  restore(flow: Flow): void {
    this.present = new Set(flow);
  }

  /** Goes on where several ways meet: what is known is what all of them know. */
  meet(flows: readonly Flow[]): void {
    // Nothing comes here: what is known stays, so that code behind `if (true) return` is not found fault with.
    if (flows.length === 0) return;
    const [first, ...others] = flows;
    this.present = new Set([...first ?? []].filter((symbol) => others.every((flow) => flow.has(symbol))));
  }

  // Stack and scratch memory

  /** Memory for `size` bytes: on the stack, or in per-CPU scratch memory if it is large. */
  temporary(name: string, desc: LayoutDesc, size: number): MemVal {
    const inScratch = size > SCRATCH_LIMIT && this.hook.scratch;
    const base = inScratch
      ? this.#takeScratch(size)
      : this.b.slotAddress(this.b.newSlot(name, Math.ceil(size / 8) * 8, 8));
    const offset = inScratch ? this.scratchUsed - Math.ceil(size / 8) * 8 : 0;
    return { k: "mem", desc, size, align: 8, base, offset, memory: { space: "stack", shared: false, writable: true } };
  }

  #takeScratch(size: number): Value {
    this.rounds.usesScratch = true;
    this.scratchUsed += Math.ceil(size / 8) * 8;
    if (this.scratchBase !== undefined) return this.scratchBase;
    // Found out in the first run; the second one looks the memory up at the function's start.
    this.rounds.changed = true;
    return this.b.const(0n);
  }

  /** A diagnostic for a value that does not fit where it stands; returns for `return`. */
  wrong(wanted: string, val: Val, node: Expr): never {
    if (val.k === "error") throw new Abandon(wanted);
    const notes = val.k === "opt" ? ["test it first: `if (x === undefined) return;`, or give a default: `x ?? 0`"] : [];
    this.fail(
      val.k === "opt" ? "maybe-undefined" : "type",
      `expected ${wanted}, this is ${describe(val)}`,
      node,
      notes,
    );
  }
}

/** Larger objects do not go on the stack, of which there are 512 bytes. */
export const SCRATCH_LIMIT = 64;

function sameType(a: VarType, b: VarType): boolean {
  const joined = joinVarTypes(a, b);
  return typeof joined !== "string" && equalTypes(a, joined) && equalTypes(b, joined);
}

function equalTypes(a: VarType, b: VarType): boolean {
  if (a === b) return true;
  if (a.k !== b.k) return false;
  if (a.k === "int" && b.k === "int") return a.t.bits === b.t.bits && a.t.signed === b.t.signed;
  if (a.k === "ptr" && b.k === "ptr") return a.type === b.type && a.prov === b.prov;
  if (a.k === "opt" && b.k === "opt") return equalTypes(a.of, b.of);
  if (a.k === "mem" && b.k === "mem") {
    return a.size === b.size && a.memory.space === b.memory.space && a.memory.shared === b.memory.shared &&
      a.memory.writable === b.memory.writable;
  }
  if (a.k === "object" && b.k === "object") {
    return a.fields.size === b.fields.size &&
      [...a.fields].every(([name, type]) => equalTypes(type, b.fields.get(name)!));
  }
  if (a.k === "tuple" && b.k === "tuple") return a.elements.every((type, i) => equalTypes(type, b.elements[i]!));
  return true;
}
