/**
 * Expressions with several ways to a value: `&&`, `||`, `??`, `? :`. Each way ends in a block of its own; the values meet
 * in a cell whose type holds all of them.
 */
import type { Conditional, Expr, Logical } from "../syntax/ast.ts";
import { Cell, joinVarTypes, typeOfVal, type VarType } from "./cells.ts";
import { branchOn, branchPresence, branchTruth } from "./condition.ts";
import { read } from "./access.ts";
import type { Flow, Lowering } from "./lowering.ts";
import { UNDEFINED, type Val } from "./values.ts";

/** One of several ways to a value: where it ends, and with what. */
export interface Way {
  readonly val: Val;
  readonly block: Lowering["b"]["block"];
  readonly flow: Flow;
  readonly reachable: boolean;
}

/** Ends a way; the block is left open for the value to be written. */
export function endWay(f: Lowering, given: Val): Way {
  const val = f.settle(given);
  f.flush();
  return { val, block: f.b.block, flow: f.snapshot(), reachable: f.b.reachable };
}

/** Joins ways: all values go into one cell whose type holds them all. */
export function joinWays(f: Lowering, ways: readonly Way[], node: Expr, wanted: boolean): Val {
  const join = f.b.newBlock();
  const live = ways.filter((way) => way.reachable);
  const type = wanted ? joinedType(f, live.length > 0 ? live : ways, node) : undefined;
  const cell = type === undefined ? undefined : new Cell(f, "value", type);
  for (const way of ways) {
    f.b.setBlock(way.block);
    cell?.write(f.convert(way.val, cell.type));
    f.b.jump(join);
  }
  f.enter(join);
  f.meet((live.length > 0 ? live : ways).map((way) => way.flow));
  return cell?.read() ?? UNDEFINED;
}

function joinedType(f: Lowering, ways: readonly Way[], node: Expr): VarType {
  const texts = ways.map((way) => way.val.k === "text" ? way.val.text : undefined);
  if (texts.length > 1 && texts.every((text) => text !== undefined) && new Set(texts).size > 1) {
    const length = Math.max(...texts.map((text) => new TextEncoder().encode(text).length)) + 1;
    return {
      k: "mem",
      desc: { kind: "str", length },
      size: length,
      align: 8,
      memory: { space: "stack", shared: false, writable: true },
    };
  }
  const mem = ways.find((way) => way.val.k === "mem" && way.val.desc.kind === "str")?.val;
  const types = ways.map((way) => typeOfVal(way.val.k === "text" && mem !== undefined ? mem : way.val));
  return types.reduce((a, b) => {
    const joined = joinVarTypes(a, b);
    return typeof joined === "string"
      ? f.fail("type-change", `the two values cannot become one: ${joined}`, node)
      : joined;
  });
}

export function lowerLogical(f: Lowering, expr: Logical, wanted: boolean): Val {
  if (!wanted) return logicalStatement(f, expr);
  if (expr.op === "??") return lowerDefault(f, expr);
  const left = f.rules.lower(f, expr.left);
  if (left.k === "bool" && left.c === undefined) return conditionLogical(f, expr, left);
  const [more, done] = [f.b.newBlock(), f.b.newBlock()];
  const settled = f.settle(left);
  const and = expr.op === "&&";
  f.flush();
  const ways: Way[] = [];
  const before = f.snapshot();
  const known = new Set(before);
  const symbol = expr.left.type === "Ident" ? f.symbol(expr.left) : undefined;
  if (settled.k === "opt") {
    const there = f.b.newBlock();
    f.b.branchIf("ne", settled.test(), f.b.const(0n), there, and ? done : more);
    f.enter(there);
    if (symbol !== undefined && and) known.add(symbol);
    branchTruth(f, settled.inner(), expr.left, and ? more : done, and ? done : more);
  } else branchTruth(f, settled, expr.left, and ? more : done, and ? done : more);
  f.enter(done);
  ways.push(endWay(f, !and && settled.k === "opt" ? settled.inner() : settled));
  f.enter(more);
  f.present = known;
  ways.push(endWay(f, f.rules.lower(f, expr.right)));
  return joinWays(f, ways, expr, wanted);
}

/** `bool && x`: the left side is false where the right is skipped, so nothing of it needs keeping. */
function conditionLogical(f: Lowering, expr: Logical, left: Val & { k: "bool" }): Val {
  const [more, done] = [f.b.newBlock(), f.b.newBlock()];
  const and = expr.op === "&&";
  f.flush();
  f.b.branch(left.ir!, and ? more : done, and ? done : more);
  f.enter(done);
  const ways = [endWay(f, { k: "bool", ir: undefined, c: !and })];
  f.enter(more);
  ways.push(endWay(f, f.rules.lower(f, expr.right)));
  return joinWays(f, ways, expr, true);
}

/** `a && b()` as a statement is an `if`. */
function logicalStatement(f: Lowering, expr: Logical): Val {
  const [more, join] = [f.b.newBlock(), f.b.newBlock()];
  if (expr.op === "??") {
    const left = f.rules.lower(f, expr.left);
    if (left.k !== "opt") return UNDEFINED;
    const flows = branchPresence(f, left, undefined, join, more);
    return endStatement(f, expr.right, more, join, flows.absent, flows.there);
  }
  const outcome = expr.op === "&&" ? branchOn(f, expr.left, more, join) : branchOn(f, expr.left, join, more);
  const [into, past] = expr.op === "&&" ? [outcome.yes, outcome.no] : [outcome.no, outcome.yes];
  return endStatement(f, expr.right, more, join, into, past);
}

function endStatement(
  f: Lowering,
  right: Expr,
  more: Lowering["b"]["block"],
  join: Lowering["b"]["block"],
  into: Flow,
  past: Flow,
): Val {
  f.enter(more);
  f.restore(into);
  f.rules.lower(f, right, false);
  f.flush();
  const flows = f.b.reachable ? [f.snapshot(), past] : [past];
  f.b.jump(join);
  f.enter(join);
  f.meet(flows);
  return UNDEFINED;
}

/** `a ?? b`. */
function lowerDefault(f: Lowering, expr: Logical): Val {
  const left = read(f, f.rules.place(f, expr.left), expr.left);
  if (left.k === "undefined") return f.rules.lower(f, expr.right);
  if (left.k !== "opt") return left.k === "ptr" ? pointerDefault(f, left, expr) : left;
  const [there, absent] = [f.b.newBlock(), f.b.newBlock()];
  const symbol = expr.left.type === "Ident" ? f.symbol(expr.left) : undefined;
  const flows = branchPresence(f, left, symbol, there, absent);
  f.enter(there);
  f.restore(flows.there);
  const ways = [endWay(f, left.inner())];
  f.enter(absent);
  f.restore(flows.absent);
  ways.push(endWay(f, f.rules.lower(f, expr.right)));
  return joinWays(f, ways, expr, true);
}

function pointerDefault(f: Lowering, left: Val & { k: "ptr" }, expr: Logical): Val {
  const [there, absent] = [f.b.newBlock(), f.b.newBlock()];
  f.flush();
  f.b.branchIf("ne", left.ir, f.b.const(0n), there, absent);
  f.enter(there);
  const ways = [endWay(f, left)];
  f.enter(absent);
  ways.push(endWay(f, f.rules.lower(f, expr.right)));
  return joinWays(f, ways, expr, true);
}

export function lowerConditional(f: Lowering, expr: Conditional, wanted: boolean): Val {
  const [yes, no] = [f.b.newBlock(), f.b.newBlock()];
  const outcome = branchOn(f, expr.test, yes, no);
  const ways: Way[] = [];
  for (const [block, flow, value] of [[yes, outcome.yes, expr.then], [no, outcome.no, expr.else]] as const) {
    f.enter(block);
    f.restore(flow);
    const val = f.rules.lower(f, value, wanted);
    f.flush();
    ways.push(endWay(f, wanted ? val : UNDEFINED));
  }
  return joinWays(f, ways, expr, wanted);
}
