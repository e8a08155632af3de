/**
 * Conditions: an expression as a branch to one of two blocks. `!`, `&&`, `||` become jumps without a value; tests of
 * something that may be `undefined` also say, for each side, what is known there. A value from a map is read on the
 * side where it is there, so that the common `if (!x) return;` costs one comparison with zero.
 */
import type { Symbol } from "../check/bind.ts";
import type { Block } from "../ir/ir.ts";
import type { Binary, Chain, Expr, Logical } from "../syntax/ast.ts";
import { read } from "./access.ts";
import type { Flow, Lowering } from "./lowering.ts";
import { readMemory } from "./memory.ts";
import { binary } from "./operators.ts";
import type { OptVal, Val } from "./values.ts";

/** What is known behind each of the two ways. */
export interface Outcome {
  readonly yes: Flow;
  readonly no: Flow;
}

/** Branches to `yes` or `no`; the current block is left. */
export function branchOn(f: Lowering, expr: Expr, yes: Block, no: Block): Outcome {
  f.at(expr);
  switch (expr.type) {
    case "Unary":
      if (expr.op === "!") {
        const outcome = branchOn(f, expr.arg, no, yes);
        return { yes: outcome.no, no: outcome.yes };
      }
      break;
    case "Logical":
      if (expr.op !== "??") return branchLogical(f, expr, yes, no);
      break;
    case "Sequence":
      for (const first of expr.exprs.slice(0, -1)) f.rules.lower(f, first, false);
      return branchOn(f, expr.exprs.at(-1)!, yes, no);
    case "Binary":
      if (isEquality(expr)) {
        const tested = comparedWithNothing(f, expr);
        if (tested !== undefined) return branchNothing(f, tested, expr, yes, no);
      }
      if (expr.left.type === "Chain" && COMPARISONS.has(expr.op)) {
        return branchChainComparison(f, expr, expr.left, yes, no);
      }
      break;
    case "Chain":
      return branchChain(f, expr, yes, no, no, (val) => {
        if (val.k === "opt") return void branchOptional(f, val, undefined, expr, yes, no);
        f.flush();
        branchTruth(f, val, expr, yes, no);
      });
    case "Assign":
      if (expr.target.type === "Ident") {
        f.rules.lower(f, expr, false);
        return branchOn(f, expr.target, yes, no);
      }
      break;
    case "Ident": {
      const symbol = f.symbol(expr);
      const opt = symbol === undefined ? undefined : f.optional(symbol);
      if (opt !== undefined) return branchOptional(f, opt, symbol, expr, yes, no);
      break;
    }
    default:
  }
  const val = f.rules.lower(f, expr);
  if (val.k === "opt") return branchOptional(f, val, undefined, expr, yes, no);
  f.flush();
  branchTruth(f, val, expr, yes, no);
  const flow = f.snapshot();
  return { yes: flow, no: flow };
}

const COMPARISONS = new Set(["===", "!==", "==", "!=", "<", "<=", ">", ">="]);

/** `a?.b === c`: where `a` is missing the comparison is false (`!==`: true), and where it holds `a` is there. */
function branchChainComparison(f: Lowering, expr: Binary, chain: Chain, yes: Block, no: Block): Outcome {
  const negative = expr.op.startsWith("!");
  return branchChain(f, chain, yes, no, negative ? yes : no, (left) => {
    const result = binary(f, expr, left, f.rules.lower(f, expr.right));
    f.flush();
    branchTruth(f, result, expr, yes, no);
  });
}

/** Evaluates a chain whose missing parts lead to `missing`; `test` branches on the value of the whole. */
function branchChain(
  f: Lowering,
  chain: Chain,
  yes: Block,
  no: Block,
  missing: Block,
  test: (val: Val) => void,
): Outcome {
  const before = f.snapshot();
  const state = { absent: f.b.newBlock(), used: false };
  f.flush(firstTested(f, rootOf(chain.expr)));
  f.chains.push(state);
  const val = read(f, f.rules.place(f, chain.expr), chain);
  f.chains.pop();
  test(val);
  const known = f.snapshot();
  f.b.seal(state.absent);
  if (state.used) {
    f.enter(state.absent);
    f.b.jump(missing);
  }
  return { yes: missing === yes ? before : known, no: missing === no ? before : known };
}

function rootOf(expr: Expr): Expr {
  return expr.type === "Member" || expr.type === "Index" ? rootOf(expr.object) : expr;
}

function branchLogical(f: Lowering, expr: Logical, yes: Block, no: Block): Outcome {
  const next = f.b.newBlock();
  const and = expr.op === "&&";
  // What is pending must be read on both ways, except what the first test itself reads.
  f.flush(firstTested(f, expr.left));
  const first = and ? branchOn(f, expr.left, next, no) : branchOn(f, expr.left, yes, next);
  f.enter(next);
  f.restore(and ? first.yes : first.no);
  const second = branchOn(f, expr.right, yes, no);
  return and ? { yes: second.yes, no: both(first.no, second.no) } : { yes: both(first.yes, second.yes), no: second.no };
}

function both(a: Flow, b: Flow): Flow {
  return new Set([...a].filter((symbol) => b.has(symbol)));
}

/** The optional that a condition tests before anything else. */
function firstTested(f: Lowering, expr: Expr): OptVal | undefined {
  if (expr.type === "Unary" && expr.op === "!") return firstTested(f, expr.arg);
  if (expr.type === "Binary" && isEquality(expr)) {
    const tested = comparedWithNothing(f, expr);
    return tested === undefined ? undefined : firstTested(f, tested);
  }
  if (expr.type !== "Ident") return undefined;
  const symbol = f.symbol(expr);
  return symbol === undefined ? undefined : f.optional(symbol);
}

function isEquality(expr: Binary): boolean {
  return /^[!=]==?$/.test(expr.op);
}

/** The other side of a comparison with `undefined` or `null`. */
function comparedWithNothing(f: Lowering, expr: Binary): Expr | undefined {
  if (isNothing(f, expr.right)) return expr.left;
  return isNothing(f, expr.left) ? expr.right : undefined;
}

export function isNothing(f: Lowering, expr: Expr): boolean {
  if (expr.type === "Null" || (expr.type === "Unary" && expr.op === "void")) return true;
  return expr.type === "Ident" && expr.name === "undefined" && f.symbol(expr)?.kind === "js";
}

/** `x === undefined`. */
function branchNothing(f: Lowering, tested: Expr, expr: Binary, yes: Block, no: Block): Outcome {
  const [absent, there] = expr.op.startsWith("!") ? [no, yes] : [yes, no];
  const symbol = tested.type === "Ident" ? f.symbol(tested) : undefined;
  const val = symbol === undefined ? f.rules.lower(f, tested) : f.optional(symbol) ?? f.rules.lower(f, tested);
  if (val.k !== "opt") {
    f.flush();
    const settled = f.settle(val);
    if (settled.k === "ptr") f.b.branchIf("eq", settled.ir, f.b.const(0n), absent, there);
    else f.b.jump(settled.k === "undefined" ? absent : there);
    const flow = f.snapshot();
    return { yes: flow, no: flow };
  }
  const flows = branchPresence(f, val, symbol, there, absent);
  return expr.op.startsWith("!") ? { yes: flows.there, no: flows.absent } : { yes: flows.absent, no: flows.there };
}

/** Branches on whether an optional is there, and reads it on that side. */
export function branchPresence(
  f: Lowering,
  opt: OptVal,
  symbol: Symbol | undefined,
  there: Block,
  absent: Block,
): { there: Flow; absent: Flow } {
  f.flush(opt);
  const without = f.snapshot();
  const pending = opt.pending;
  if (pending === undefined) f.b.branch(opt.test(), there, absent);
  else {
    const read = f.b.newBlock();
    f.b.branchIf("ne", opt.test(), f.b.const(0n), read, absent);
    f.enter(read);
    pending.load();
    opt.pending = undefined;
    f.b.jump(there);
  }
  const known = new Set(without);
  if (symbol !== undefined) known.add(symbol);
  return { there: known, absent: without };
}

/** Truth of an optional: it is there, and not zero. */
function branchOptional(
  f: Lowering,
  opt: OptVal,
  symbol: Symbol | undefined,
  node: Expr,
  yes: Block,
  no: Block,
): Outcome {
  const there = f.b.newBlock();
  const flows = branchPresence(f, opt, symbol, there, no);
  f.enter(there);
  branchTruth(f, opt.inner(), node, yes, no);
  return { yes: flows.there, no: flows.absent };
}

/** JavaScript's truth: not zero, not empty. */
export function branchTruth(f: Lowering, given: Val, node: Expr, yes: Block, no: Block): void {
  const val = given.k === "mem" ? readMemory(f, given, node) : f.settle(given);
  switch (val.k) {
    case "bool":
    case "int":
      if (val.c !== undefined) return f.b.jump(val.c ? yes : no);
      return val.k === "bool" ? f.b.branch(val.ir!, yes, no) : f.b.branchIf("ne", val.ir!, f.b.const(0n), yes, no);
    case "ptr":
      return f.b.branchIf("ne", val.ir, f.b.const(0n), yes, no);
    case "text":
      return f.b.jump(val.text === "" ? no : yes);
    case "undefined":
      return f.b.jump(no);
    case "mem":
      if (val.desc.kind !== "str") return f.b.jump(yes);
      return f.b.branchIf("ne", f.b.load(1, val.base, val.offset), f.b.const(0n), yes, no);
    case "error":
      return f.wrong("a condition", val, node);
    default:
      return f.b.jump(yes);
  }
}
