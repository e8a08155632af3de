/**
 * One function from text to IR: parse, bind, lower. Lowering runs until the types of variables stand still, usually
 * once; what an abandoned run had to say is forgotten.
 */
import { bind } from "../check/bind.ts";
import { Abandon } from "../diagnostics.ts";
import type { ProgramSource } from "../definitions.ts";
import { IrFunction, type Value } from "../ir/ir.ts";
import type { Func, Param } from "../syntax/ast.ts";
import { SyntaxProblem } from "../syntax/lex.ts";
import { parseFunction } from "../syntax/parse.ts";
import { SourceText } from "../syntax/source.ts";
import { destructure } from "./assign.ts";
import { contextOf } from "./context.ts";
import { memberOf } from "./access.ts";
import { type HookFacts, hookOf } from "./hook.ts";
import { Lowering, type Rounds } from "./lowering.ts";
import { helper } from "./helpers.ts";
import type { Module, ParsedFunction } from "./module.ts";
import { jsGlobal, scopeNames, scopeOf } from "./scope.ts";
import { leave, lowerStatements } from "./statement.ts";
import { structOpsMistake } from "./struct_ops.ts";
import { UNDEFINED, type Val } from "./values.ts";

/** Types only grow, and there are few steps from the narrowest to the widest. */
const MAX_ROUNDS = 12;

/** Parses a function; reports and returns undefined if that fails. */
export function parseSource(
  module: Module,
  source: { text: string; site: ProgramSource["site"] },
  key: string,
): ParsedFunction | undefined {
  const text = SourceText.of(source, key);
  try {
    return { key, func: parseFunction(source.text), source: text };
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    module.diagnostics.error(error.code, error.message, text.locate(error.start, error.end), error.notes);
    return undefined;
  }
}

/** Lowers a program; undefined if its text cannot be parsed. */
export function lowerProgram(module: Module, program: ProgramSource): IrFunction | undefined {
  const parsed = parseSource(module, program, program.key);
  if (parsed === undefined) return undefined;
  const { func, source } = parsed;
  if (func.params.length > 2) {
    module.diagnostics.error(
      "parameters",
      "a kernel function has two parameters: the context, and the scope",
      source.locate(func.start, func.body.start),
      ["(ctx, { pid, comm }) => …"],
    );
    return undefined;
  }
  const hook = hookOf(program.section, program.key, jsGlobal);
  if (hook.def === undefined) {
    module.diagnostics.error(
      "unknown-hook",
      `there is no hook "${program.key}"`,
      source.locate(func.start, func.start + 1),
      ["see docs/sections.md for all of them"],
    );
    return undefined;
  }
  const mistake = hook.def.attach === "struct_ops" ? structOpsMistake(module.types, program.section) : undefined;
  if (mistake !== undefined) {
    module.diagnostics.error("unknown-hook", mistake[0], source.locate(func.start, func.start + 1), mistake[1]);
    return undefined;
  }
  return lowerRounds(module, parsed, { name: program.name, params: 1, linkage: "global", hook }, (f) => {
    bindParameter(f, func, func.params[0], () => contextOf(f));
    bindParameter(f, func, func.params[1], () => scopeOf(f));
  }).fn;
}

/** Binds one parameter to what it stands for. */
export function bindParameter(f: Lowering, func: Func, param: Param | undefined, make: () => Val): void {
  if (param === undefined) return;
  const { target } = param;
  f.at(target);
  const node = { type: "Null", start: func.start, end: func.start + 1 } as const;
  if (target.type === "Ident") {
    const symbol = f.symbol(target);
    if (symbol !== undefined) f.bound.set(symbol, { val: make() });
    return;
  }
  const val = make();
  for (const prop of target.type === "ObjectPattern" ? target.props : []) {
    try {
      destructureParameter(f, prop.target, val, prop.key, prop);
    } catch (error) {
      if (!(error instanceof Abandon)) throw error;
    }
  }
  if (target.type === "ArrayPattern") f.report("parameters", "this parameter is an object", node);
}

/** A global stays a place, so that assigning to its name writes the variable. */
function destructureParameter(
  f: Lowering,
  target: Param["target"],
  val: Val,
  key: string,
  node: { start: number; end: number },
): void {
  const at = { type: "Ident", name: key, start: node.start, end: node.end } as const;
  const part = memberOf(f, val, key, at);
  destructure(f, target, part, at, (ident, item) => {
    const symbol = f.symbol(ident);
    if (symbol !== undefined) f.bound.set(symbol, { val: item });
  });
}

export interface RoundOptions {
  readonly name: string;
  readonly params: number;
  readonly linkage: "static" | "global";
  readonly hook: HookFacts;
  /** See `Lowering.start`; `start` itself unless given. */
  readonly restart?: (f: Lowering) => void;
  /** See `Lowering.exit`. */
  readonly exit?: (f: Lowering, value: Value) => void;
}

/** Lowers until nothing changes. */
export function lowerRounds(
  module: Module,
  parsed: ParsedFunction,
  options: RoundOptions,
  start: (f: Lowering) => void,
): { fn: IrFunction; rounds: Rounds } {
  const { func, source } = parsed;
  const report = (code: string, text: string, node: { start: number; end: number }, notes?: readonly string[]): void =>
    module.diagnostics.error(code, text, source.locate(node.start, node.end), notes);
  const bindings = bind(func, scopeNames(module), report);
  const rounds: Rounds = {
    types: new Map(),
    own: new Map(),
    result: undefined,
    undefinedIn: new Map(),
    usesScratch: false,
    changed: false,
  };
  for (let round = 0;; round++) {
    const mark = module.mark();
    rounds.changed = false;
    rounds.result = undefined;
    const f = new Lowering(module, options.name, { ...options, bindings, source, rounds });
    f.at({ start: func.start, end: func.start + 1 });
    if (rounds.usesScratch) openScratch(f);
    f.start = options.restart ?? start;
    const { exit } = options;
    if (exit !== undefined) f.exit = (value) => exit(f, value);
    start(f);
    for (const symbol of new Set(bindings.symbols.values())) if (symbol.hoisted) f.write(symbol, UNDEFINED, func);
    lowerStatements(f, func.body.body);
    if (f.b.reachable) leaveAtEnd(f, func);
    if (f.scratchUsed > 0) module.scratch.set(options.name, f.scratchUsed);
    if (!rounds.changed || round === MAX_ROUNDS) {
      // A statement given up half-way leaves blocks open; nobody will look at the function.
      const wrong = module.diagnostics.errors.length > mark.said.errors;
      if (!wrong) module.functions.push(...bodiesOf(f).map((g) => g.b.finish()));
      return { fn: wrong ? new IrFunction(options.name, options) : f.b.finish(), rounds };
    }
    module.rollback(mark);
    rounds.own.clear();
  }
}

/** Bodies of loops that became functions, and the bodies inside them. */
function bodiesOf(f: Lowering): Lowering[] {
  return f.outlined.flatMap((g) => [g, ...bodiesOf(g)]);
}

function leaveAtEnd(f: Lowering, func: Func): void {
  try {
    leave(f, UNDEFINED, { type: "Null", start: Math.max(func.start, func.end - 1), end: func.end });
  } catch (error) {
    if (!(error instanceof Abandon)) throw error;
    f.b.ret(f.b.const(0n));
  }
}

/** Name of the per-CPU map that holds what does not fit the stack: one entry a function. */
export const SCRATCH_MAP = "waggle_scratch";

/**
 * Looks the function's scratch memory up. An entry belongs to one function, and the kernel never runs a program twice at
 * once on one CPU, so nobody else writes to it meanwhile.
 */
function openScratch(f: Lowering): void {
  const { module, b } = f;
  const name = b.fn.name;
  if (!module.scratch.has(name)) module.scratch.set(name, 0);
  const index = [...module.scratch.keys()].indexOf(name);
  const key = b.slotAddress(b.newSlot("scratch key", 8, 8));
  b.store(4, key, 0, b.const(BigInt(index)));
  const base = helper(f, "map_lookup_elem", [b.mapFd(SCRATCH_MAP), key]);
  const [there, missing] = [b.newBlock(), b.newBlock()];
  b.branchIf("ne", base, b.const(0n), there, missing);
  f.enter(missing);
  b.ret(b.const(f.hook.defaultReturn));
  f.enter(there);
  f.scratchBase = base;
}
