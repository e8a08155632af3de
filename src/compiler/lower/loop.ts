/**
 * Loops. The verifier must see that a loop ends. A loop that counts to a constant (or tests a constant bound besides
 * other things) becomes a plain loop, which the verifier walks through; every other one runs inside an open-coded
 * iterator (`bpf_iter_num`, Linux 6.4), which ends it after `MAX_ITERATIONS` whatever its condition says.
 */
import type { DoWhile, Expr, For, ForOf, Stmt, While } from "../syntax/ast.ts";
import { declareName, destructure } from "./assign.ts";
import { branchOn } from "./condition.ts";
import { COUNTER } from "../check/int_types.ts";
import { hasHelper, hasKfunc, helper } from "./helpers.ts";
import { type Iterator, kernelIterator, objectIterator } from "./iterators.ts";
import { overMap } from "./map_loop.ts";
import { elementLayout, elementPlace, readMemory } from "./memory.ts";
import type { Flow, JumpTarget, Lowering } from "./lowering.ts";
import { outlineLoop } from "./outline.ts";
import type { IntVal, IterVal, RangeVal, Val } from "./values.ts";

/** A plain loop may run this often; beyond it the verifier's work grows too large. */
const MAX_PLAIN = 4096n;
/** Where an iterator ends a loop whose bound is not known: BPF_MAX_LOOPS. */
const MAX_ITERATIONS = 1n << 23n;
/** Size and alignment of `struct bpf_iter_num`. */
const ITER_SIZE = 8;

/** The parts of a loop, whatever its keyword. */
interface LoopParts {
  readonly stmt: Stmt;
  readonly label: string | undefined;
  readonly test: Expr | undefined;
  readonly testFirst: boolean;
  readonly body: (f: Lowering) => void;
  readonly update: ((f: Lowering) => void) | undefined;
  /** Provably ends by itself. */
  readonly bounded: boolean;
}

export function lowerFor(f: Lowering, stmt: For, label: string | undefined): void {
  if (stmt.init?.type === "Var") f.rules.statement(f, stmt.init, undefined);
  else if (stmt.init !== undefined) f.rules.lower(f, stmt.init, false);
  const { update } = stmt;
  lowerLoop(f, {
    stmt,
    label,
    test: stmt.test,
    testFirst: true,
    body: (g) => g.rules.statement(g, stmt.body, undefined),
    update: update === undefined ? undefined : (g) => void g.rules.lower(g, update, false),
    bounded: countsToConstant(f, stmt),
  });
}

export function lowerWhile(f: Lowering, stmt: While, label: string | undefined): void {
  lowerLoop(f, {
    stmt,
    label,
    test: stmt.test,
    testFirst: true,
    body: (g) => g.rules.statement(g, stmt.body, undefined),
    update: undefined,
    bounded: false,
  });
}

export function lowerDoWhile(f: Lowering, stmt: DoWhile, label: string | undefined): void {
  lowerLoop(f, {
    stmt,
    label,
    test: stmt.test,
    testFirst: false,
    body: (g) => g.rules.statement(g, stmt.body, undefined),
    update: undefined,
    bounded: false,
  });
}

function lowerLoop(f: Lowering, parts: LoopParts): void {
  f.flush();
  if (!parts.bounded && wantsOutline(f)) return outlineLoop(f, parts);
  const iterator = parts.bounded ? undefined : openIterator(f, parts.stmt, f.constant(0n), f.constant(MAX_ITERATIONS));
  const [head, body, exit, next] = [f.b.newBlock(), f.b.newBlock(), f.b.newBlock(), f.b.newBlock()];
  const target: JumpTarget = {
    label: parts.label,
    breakTo: exit,
    continueTo: next,
    breakFlows: [],
    continueFlows: [],
    isSwitch: false,
    cleanup: iterator?.close,
  };
  forget(f, parts.stmt);
  f.b.jump(head);
  f.b.setBlock(head);
  if (iterator !== undefined) blur(f, parts.stmt, nextIteration(f, iterator, target));
  const entry = f.snapshot();
  if (parts.test !== undefined && parts.testFirst) {
    const outcome = branchOn(f, parts.test, body, exit);
    target.breakFlows.push(outcome.no);
    f.enter(body);
    f.restore(outcome.yes);
  } else {
    f.b.jump(body);
    f.enter(body);
    f.restore(entry);
  }
  runBody(f, parts, target, iterator);
  f.enter(next);
  f.meet(target.continueFlows);
  if (target.continueFlows.length > 0) {
    parts.update?.(f);
    f.flush();
    if (!parts.testFirst) {
      const outcome = branchOn(f, parts.test!, head, exit);
      target.breakFlows.push(outcome.no);
    } else f.b.jump(head);
  }
  f.b.seal(head);
  f.enter(exit);
  f.meet(target.breakFlows);
  iterator?.close();
}

/** bpf_loop is for kernels between 5.17 and 6.4. */
function wantsOutline(f: Lowering): boolean {
  return !hasKfunc(f, "bpf_iter_num_new") && hasHelper(f, "loop");
}

function runBody(f: Lowering, parts: LoopParts, target: JumpTarget, iterator: Iterator | undefined): void {
  f.jumps.push(target);
  f.loops.push(parts.stmt);
  if (iterator !== undefined) f.cleanups.push(iterator.close);
  parts.body(f);
  if (iterator !== undefined) f.cleanups.pop();
  f.loops.pop();
  f.jumps.pop();
  if (!f.b.reachable) return;
  f.flush();
  target.continueFlows.push(f.snapshot());
  f.b.jump(target.continueTo!);
}

/** Variables that may become `undefined` in the loop: that they are there before it need not hold in later rounds. */
function forget(f: Lowering, stmt: Stmt): void {
  for (const symbol of f.rounds.undefinedIn.get(stmt) ?? []) f.present.delete(symbol);
}

function openIterator(f: Lowering, stmt: Stmt, from: IntVal, to: IntVal): Iterator {
  if (!hasKfunc(f, "bpf_iter_num_new")) {
    f.fail("unbounded-loop", "nothing bounds this loop, and the verifier must see that it ends", {
      start: stmt.start,
      end: Math.min(stmt.end, stmt.start + 5),
    }, [
      "count to a constant: `for (let i = 0; i < 64; i++)`, or test one as well: `i < n && i < 64`",
      "Linux 6.4 and later can run it as it is",
    ]);
  }
  return kernelIterator(f, "num", ITER_SIZE, [f.word(from), f.word(to)]);
}

/**
 * The verifier walks such a loop until nothing new comes up, and a counter that it knows by value is new each time. So
 * the integers that the loop assigns are made unknown to it: bits it does not know are changed and changed back. All 64
 * of them at once, since a range that grows by a little in each round is new each time as well.
 */
function blur(f: Lowering, stmt: Stmt, unknownAt: ReturnType<Lowering["word"]>): void {
  const { b } = f;
  const unknown = (): ReturnType<Lowering["word"]> => {
    const half = b.load(4, unknownAt, 0, { volatile: true });
    return b.xor(b.shl(half, b.const(32n)), half);
  };
  let bits: [ReturnType<Lowering["word"]>, ReturnType<Lowering["word"]>] | undefined;
  for (const symbol of f.bindings.assignedIn.get(stmt) ?? []) {
    const binding = f.bound.get(symbol);
    if (binding === undefined || !("cell" in binding)) continue;
    binding.cell.mapInts((word) => {
      bits ??= [unknown(), unknown()];
      return b.xor(b.xor(word, bits[0]), bits[1]);
    });
  }
}

/** Leaves the loop when the iterator is at its end. */
function nextIteration(f: Lowering, iterator: Iterator, target: JumpTarget): ReturnType<Lowering["word"]> {
  const more = f.b.newBlock();
  const pointer = iterator.next();
  f.b.branchIf("ne", pointer, f.b.const(0n), more, target.breakTo);
  target.breakFlows.push(f.snapshot());
  f.enter(more);
  return pointer;
}

export function lowerForOf(f: Lowering, stmt: ForOf, label: string | undefined): void {
  const over = f.rules.lower(f, stmt.iterable);
  if (over.k === "range") return overRange(f, stmt, over, label);
  if (over.k === "iter") return overObjects(f, stmt, over, label);
  if (over.k === "map") return overMap(f, stmt, over, label);
  const items = itemsOf(f, over, stmt);
  overItems(f, stmt, items, label);
}

/** A range is a counting loop: plain if both ends are near constants, else run by an iterator. */
function overRange(f: Lowering, stmt: ForOf, { from, to }: RangeVal, label: string | undefined): void {
  const bounded = from.c !== undefined && to.c !== undefined && to.c - from.c <= MAX_PLAIN;
  const counter = f.b.newLocal("counter");
  f.flush();
  const signed = from.t.signed || to.t.signed;
  const bind = (val: IntVal): void =>
    destructure(f, stmt.target, val, stmt.iterable, (ident, item) => declareName(f, ident, item, stmt.iterable));
  const type = { bits: Math.max(to.t.bits, from.t.bits, 1), signed };
  if (!bounded && wantsOutline(f)) return outlineRange(f, stmt, label, from, to);
  if (!bounded) {
    // The kernel counts in an `int`.
    const itemType = from.c !== undefined && from.c >= 0n ? COUNTER : { bits: 32, signed: true };
    const iterator = openIterator(f, stmt, from, to);
    return iterated(
      f,
      stmt,
      label,
      iterator,
      (pointer) => bind(f.int(f.b.load(4, pointer, 0, { signed: true }), itemType)),
    );
  }
  f.b.setLocal(counter, f.word(from));
  const [head, body, exit, next] = [f.b.newBlock(), f.b.newBlock(), f.b.newBlock(), f.b.newBlock()];
  const target: JumpTarget = {
    label,
    breakTo: exit,
    continueTo: next,
    breakFlows: [],
    continueFlows: [],
    isSwitch: false,
    cleanup: undefined,
  };
  forget(f, stmt);
  f.b.jump(head);
  f.b.setBlock(head);
  target.breakFlows.push(f.snapshot());
  const now = f.b.getLocal(counter);
  f.b.branchIf(signed ? "slt" : "ult", now, f.word(to), body, exit);
  f.enter(body);
  bind(f.int(now, type));
  runBody(
    f,
    {
      stmt,
      label,
      test: undefined,
      testFirst: true,
      body: (g) => g.rules.statement(g, stmt.body, undefined),
      update: undefined,
      bounded,
    },
    target,
    undefined,
  );
  f.enter(next);
  f.b.setLocal(counter, f.b.add(now, f.b.const(1n)));
  f.b.jump(head);
  f.b.seal(head);
  f.enter(exit);
  f.meet(target.breakFlows);
}

/** bpf_loop counts by itself; it takes the number of rounds as unsigned. */
function outlineRange(f: Lowering, stmt: ForOf, label: string | undefined, from: IntVal, to: IntVal): void {
  const { c: start } = from;
  if (start === undefined) {
    f.fail("unbounded-loop", "this kernel has no loop from one variable to another", stmt.iterable, [
      "start at a constant: `range(n)`",
    ]);
  }
  const rounds = f.b.newLocal("rounds");
  const [none, join] = [f.b.newBlock(), f.b.newBlock()];
  f.b.setLocal(rounds, f.b.sub(f.word(to), f.b.const(start)));
  f.b.branchIf(to.t.signed ? "sgt" : "ugt", f.word(to), f.b.const(start), join, none);
  f.enter(none);
  f.b.setLocal(rounds, f.b.const(0n));
  f.b.jump(join);
  f.enter(join);
  const begin = (g: Lowering): void => {
    const item = g.int(g.b.add(g.b.zext(g.b.param(0), 32), g.b.const(start)), COUNTER);
    destructure(g, stmt.target, item, stmt.iterable, (ident, val) => declareName(g, ident, val, stmt.iterable));
  };
  const body = (g: Lowering): void => g.rules.statement(g, stmt.body, undefined);
  outlineLoop(f, {
    stmt,
    label,
    test: undefined,
    testFirst: true,
    begin,
    body,
    update: undefined,
    rounds: f.b.getLocal(rounds),
  });
}

/** What the kernel itself walks over: tasks, cgroups, mappings of memory, … (Linux 6.7). */
function overObjects(f: Lowering, stmt: ForOf, over: IterVal, label: string | undefined): void {
  f.flush();
  const { iterator, item } = objectIterator(f, over, stmt.iterable);
  const unknown = f.b.slotAddress(f.b.newSlot("unknown", 8, 8));
  f.b.store(8, unknown, 0, helper(f, "get_prandom_u32", []));
  iterated(
    f,
    stmt,
    label,
    iterator,
    (pointer) =>
      destructure(
        f,
        stmt.target,
        item(pointer),
        stmt.iterable,
        (ident, val) => declareName(f, ident, val, stmt.iterable),
      ),
    unknown,
  );
}

function iterated(
  f: Lowering,
  stmt: ForOf,
  label: string | undefined,
  iterator: Iterator,
  bindItem: (pointer: ReturnType<Lowering["word"]>) => void,
  unknown?: ReturnType<Lowering["word"]>,
): void {
  const [head, exit] = [f.b.newBlock(), f.b.newBlock()];
  const target: JumpTarget = {
    label,
    breakTo: exit,
    continueTo: head,
    breakFlows: [],
    continueFlows: [],
    isSwitch: false,
    cleanup: iterator.close,
  };
  forget(f, stmt);
  f.b.jump(head);
  f.b.setBlock(head);
  const pointer = nextIteration(f, iterator, target);
  blur(f, stmt, unknown ?? pointer);
  bindItem(pointer);
  runBody(
    f,
    {
      stmt,
      label,
      test: undefined,
      testFirst: true,
      body: (g) => g.rules.statement(g, stmt.body, undefined),
      update: undefined,
      bounded: false,
    },
    target,
    iterator,
  );
  f.b.seal(head);
  f.enter(exit);
  f.meet(target.breakFlows);
  iterator.close();
}

/** Elements of an array literal, or of an array in memory: as many as its type says. */
function itemsOf(f: Lowering, over: Val, stmt: ForOf): (() => Val)[] {
  if (over.k === "tuple") return over.elements.map((element) => () => element);
  const elements = over.k === "mem" && over.desc.kind !== "str" ? elementLayout(over.desc) : undefined;
  if (over.k !== "mem" || elements === undefined || elements.length > 64) {
    return f.fail("for-of", "`for…of` goes over range(…), an array literal or a short array field", stmt.iterable, [
      "write `for (const i of range(array.length))` and index with `i`",
    ]);
  }
  return Array.from({ length: elements.length }, (_, i) => () => readMemory(f, elementPlace(over, BigInt(i))!));
}

/** Unrolled: each element may be of its own type. */
function overItems(f: Lowering, stmt: ForOf, items: readonly (() => Val)[], label: string | undefined): void {
  const exit = f.b.newBlock();
  const breakFlows: Flow[] = [];
  f.flush();
  forget(f, stmt);
  for (const item of items) {
    const next = f.b.newBlock();
    const target: JumpTarget = {
      label,
      breakTo: exit,
      continueTo: next,
      breakFlows,
      continueFlows: [],
      isSwitch: false,
      cleanup: undefined,
    };
    destructure(f, stmt.target, item(), stmt.iterable, (ident, val) => declareName(f, ident, val, stmt.iterable));
    f.jumps.push(target);
    f.loops.push(stmt);
    f.rules.statement(f, stmt.body, undefined);
    f.loops.pop();
    f.jumps.pop();
    if (f.b.reachable) {
      f.flush();
      target.continueFlows.push(f.snapshot());
    }
    f.b.jump(next);
    f.enter(next);
    f.meet(target.continueFlows);
  }
  breakFlows.push(f.snapshot());
  f.b.jump(exit);
  f.enter(exit);
  f.meet(breakFlows);
}

/**
 * Whether a `for` counts a variable by a constant step towards a constant, and nothing in its body assigns that
 * variable. One such test among several joined by `&&` is enough.
 */
function countsToConstant(f: Lowering, stmt: For): boolean {
  if (stmt.test === undefined || stmt.update === undefined) return false;
  const steps = stepsOf(stmt.update);
  return conjuncts(stmt.test).some((test) => {
    if (test.type !== "Binary" || !/^(<=?|>=?|!==?)$/.test(test.op)) return false;
    const [variable, limit] = test.left.type === "Ident" && steps.has(test.left.name)
      ? [test.left, test.right]
      : [test.right, test.left];
    if (variable.type !== "Ident" || !steps.has(variable.name)) return false;
    const symbol = f.symbol(variable);
    const value = symbol === undefined ? undefined : constantOf(f, limit);
    return value !== undefined && value <= MAX_PLAIN && value >= -MAX_PLAIN;
  });
}

function conjuncts(expr: Expr): Expr[] {
  return expr.type === "Logical" && expr.op === "&&" ? [...conjuncts(expr.left), ...conjuncts(expr.right)] : [expr];
}

/** Variables that the update moves by a constant. */
function stepsOf(update: Expr): Set<string> {
  const names = new Set<string>();
  for (const expr of update.type === "Sequence" ? update.exprs : [update]) {
    if (expr.type === "Update" && expr.arg.type === "Ident") names.add(expr.arg.name);
    if (
      expr.type === "Assign" && (expr.op === "+" || expr.op === "-") && expr.target.type === "Ident" &&
      expr.value.type === "Number"
    ) names.add(expr.target.name);
  }
  return names;
}

/** The value of an expression that needs no code; undefined if it is not constant. */
function constantOf(f: Lowering, expr: Expr): bigint | undefined {
  if (expr.type === "Number") return expr.value;
  if (expr.type === "Unary" && expr.op === "-" && expr.arg.type === "Number") return -expr.arg.value;
  if (expr.type !== "Ident") return undefined;
  const symbol = f.symbol(expr);
  const binding = symbol === undefined ? undefined : f.bound.get(symbol);
  return binding !== undefined && "val" in binding && binding.val.k === "int" ? binding.val.c : undefined;
}
