/**
 * Statements. A mistake in one is reported and the next one is lowered all the same, so that a run shows them all;
 * variables whose initialiser was wrong are bound to an error that stays silent.
 */
import { Abandon } from "../diagnostics.ts";
import type { Block as IrBlock } from "../ir/ir.ts";
import type { Expr, If, Pattern, Return, Stmt, Switch, VarDecl } from "../syntax/ast.ts";
import { declareName, destructure } from "./assign.ts";
import { joinVarTypes, typeOfVal } from "./cells.ts";
import { branchOn } from "./condition.ts";
import { lower } from "./expression.ts";
import { lowerDoWhile, lowerFor, lowerForOf, lowerWhile } from "./loop.ts";
import type { Flow, Jump, JumpTarget, Lowering } from "./lowering.ts";
import { equality } from "./operators.ts";
import { ERROR, UNDEFINED, type Val } from "./values.ts";

export function lowerStatements(f: Lowering, body: readonly Stmt[]): void {
  for (const stmt of body) lowerStatement(f, stmt, undefined);
}

export function lowerStatement(f: Lowering, stmt: Stmt, label: string | undefined): void {
  f.at(stmt);
  try {
    statement(f, stmt, label);
  } catch (error) {
    if (!(error instanceof Abandon)) throw error;
    if (stmt.type === "Var") forgive(f, stmt);
  }
}

function statement(f: Lowering, stmt: Stmt, label: string | undefined): void {
  switch (stmt.type) {
    case "Var":
      return lowerVariables(f, stmt);
    case "Expr":
      if (stmt.expr.type !== "String") lower(f, stmt.expr, false);
      return;
    case "If":
      return lowerIf(f, stmt);
    case "Return":
      return lowerReturn(f, stmt);
    case "Block":
      return label === undefined ? lowerStatements(f, stmt.body) : lowerLabeledBlock(f, stmt.body, label);
    case "Labeled":
      return lowerStatement(f, stmt.body, stmt.label);
    case "Switch":
      return lowerSwitch(f, stmt, label);
    case "For":
      return lowerFor(f, stmt, label);
    case "ForOf":
      return lowerForOf(f, stmt, label);
    case "While":
      return lowerWhile(f, stmt, label);
    case "DoWhile":
      return lowerDoWhile(f, stmt, label);
    case "Break":
    case "Continue":
      return lowerJump(f, stmt);
    default:
  }
}

function lowerVariables(f: Lowering, decl: VarDecl): void {
  if (decl.kind === "using") {
    f.fail("using", "`using` cannot be compiled to BPF yet", decl, ["call the release function yourself"]);
  }
  for (const { target, init, start, end } of decl.decls) {
    const node: Expr = init ?? { type: "Null", start, end };
    if (init === undefined && decl.kind === "var" && target.type === "Ident" && f.bound.has(f.symbol(target)!)) {
      continue;
    }
    const val = init === undefined ? UNDEFINED : lower(f, init);
    destructure(f, target, val, node, (ident, part) => declareName(f, ident, part, node));
  }
}

/** Names of a declaration that went wrong: bound, so that their uses are not reported too. */
function forgive(f: Lowering, decl: VarDecl): void {
  const bindAll = (pattern: Pattern): void => {
    if (pattern.type === "Ident") {
      const symbol = f.symbol(pattern);
      if (symbol !== undefined && !f.bound.has(symbol)) f.bound.set(symbol, { val: ERROR });
      return;
    }
    for (const item of pattern.type === "ObjectPattern" ? pattern.props : pattern.elements) {
      if (item !== undefined) bindAll(item.target);
    }
  };
  for (const { target } of decl.decls) bindAll(target);
}

function lowerIf(f: Lowering, stmt: If): void {
  const [yes, no, join] = [f.b.newBlock(), f.b.newBlock(), f.b.newBlock()];
  const outcome = branchOn(f, stmt.test, yes, no);
  const flows: Flow[] = [];
  const way = (block: IrBlock, flow: Flow, body: Stmt | undefined): void => {
    f.enter(block);
    f.restore(flow);
    if (body !== undefined) lowerStatement(f, body, undefined);
    if (!f.b.reachable) return;
    f.flush();
    flows.push(f.snapshot());
    f.b.jump(join);
  };
  way(yes, outcome.yes, stmt.then);
  way(no, outcome.no, stmt.else);
  f.enter(join);
  f.meet(flows);
}

function lowerReturn(f: Lowering, stmt: Return): void {
  if (f.closure !== undefined) {
    if (stmt.value !== undefined) lower(f, stmt.value, false);
    f.flush();
    f.closure.flows.push(f.snapshot());
    return f.b.jump(f.closure.end);
  }
  const val = stmt.value === undefined ? UNDEFINED : lower(f, stmt.value);
  f.at(stmt);
  leave(f, val, stmt.value ?? { type: "Null", start: stmt.start, end: stmt.end });
}

/** Returns from the function. */
export function leave(f: Lowering, given: Val, node: Expr): void {
  const val = f.settle(given);
  if (val.k === "error") return;
  f.hook.checkReturn(f, val, node);
  const type = typeOfVal(val);
  const joined = f.rounds.result === undefined ? type : joinVarTypes(f.rounds.result, type);
  // What a program returns is 32 bits wide, whatever their sign.
  if (typeof joined === "string" && f.hook.key === "") {
    f.fail("type-change", `this function returns values that cannot become one: ${joined}`, node);
  }
  if (typeof joined !== "string") f.rounds.result = joined;
  for (const cleanup of [...f.cleanups].reverse()) cleanup();
  f.exit(val.k === "undefined" ? f.b.const(f.hook.defaultReturn) : f.word(val));
}

/** The loop or switch that a jump leaves. */
function lowerJump(f: Lowering, stmt: Jump): void {
  const isBreak = stmt.type === "Break";
  const target = [...f.jumps].reverse().find((jump) =>
    stmt.label === undefined
      ? (isBreak
        ? jump.label === undefined || jump.continueTo !== undefined || jump.isSwitch
        : jump.continueTo !== undefined)
      : jump.label === stmt.label
  );
  if (target === undefined && f.escape !== undefined) {
    f.flush();
    f.escape(stmt);
    return;
  }
  if (target === undefined) f.fail("syntax", `there is nothing to ${isBreak ? "break out of" : "continue"} here`, stmt);
  f.flush();
  for (const inner of [...f.jumps].reverse()) {
    if (inner === target) break;
    inner.cleanup?.();
  }
  if (!f.b.reachable) return;
  if (isBreak) target.breakFlows.push(f.snapshot());
  else target.continueFlows.push(f.snapshot());
  f.b.jump(isBreak ? target.breakTo : target.continueTo!);
}

function lowerLabeledBlock(f: Lowering, body: readonly Stmt[], label: string): void {
  const breakTo = f.b.newBlock();
  const target: JumpTarget = {
    label,
    breakTo,
    continueTo: undefined,
    breakFlows: [],
    continueFlows: [],
    isSwitch: false,
    cleanup: undefined,
  };
  f.jumps.push(target);
  lowerStatements(f, body);
  f.jumps.pop();
  if (f.b.reachable) {
    f.flush();
    target.breakFlows.push(f.snapshot());
  }
  f.b.jump(breakTo);
  f.enter(breakTo);
  f.meet(target.breakFlows);
}

/** Cases are tested in order, bodies fall through, as in JavaScript. */
function lowerSwitch(f: Lowering, stmt: Switch, label: string | undefined): void {
  const val = f.settle(lower(f, stmt.value));
  f.flush();
  const bodies = stmt.cases.map(() => f.b.newBlock());
  const end = f.b.newBlock();
  const fallback = stmt.cases.findIndex((c) => c.test === undefined);
  stmt.cases.forEach((c, i) => {
    if (c.test === undefined) return;
    const next = f.b.newBlock();
    branchCase(f, val, stmt.value, c.test, bodies[i]!, next);
    f.enter(next);
  });
  const entry = f.snapshot();
  const target: JumpTarget = {
    label,
    breakTo: end,
    continueTo: undefined,
    breakFlows: [],
    continueFlows: [],
    isSwitch: true,
    cleanup: undefined,
  };
  if (fallback < 0) target.breakFlows.push(entry);
  f.b.jump(fallback < 0 ? end : bodies[fallback]!);
  f.jumps.push(target);
  lowerCases(f, stmt, bodies, end, target, entry);
  f.jumps.pop();
  f.enter(end);
  f.meet(target.breakFlows);
}

function lowerCases(
  f: Lowering,
  stmt: Switch,
  bodies: readonly IrBlock[],
  end: IrBlock,
  target: JumpTarget,
  entry: Flow,
): void {
  let falls: Flow | undefined;
  stmt.cases.forEach((c, i) => {
    f.enter(bodies[i]!);
    f.meet(falls === undefined ? [entry] : [entry, falls]);
    lowerStatements(f, c.body);
    falls = undefined;
    if (!f.b.reachable) return;
    f.flush();
    falls = f.snapshot();
    if (i + 1 === bodies.length) target.breakFlows.push(falls);
    f.b.jump(bodies[i + 1] ?? end);
  });
}

function branchCase(f: Lowering, val: Val, node: Expr, test: Expr, yes: IrBlock, no: IrBlock): void {
  const wanted = lower(f, test);
  const equal = equality(f, val, wanted, {
    type: "Binary",
    op: "===",
    left: node,
    right: test,
    opStart: test.start,
    start: test.start,
    end: test.end,
  });
  if (equal.c !== undefined) f.b.jump(equal.c ? yes : no);
  else f.b.branch(equal.ir!, yes, no);
}
