/**
 * Loops whose body becomes a function of its own, which a helper calls until it says stop: through bpf_loop (Linux 5.17)
 * on kernels that have no open-coded iterators, and over maps (bpf_for_each_map_elem, 5.13). What the body uses of the
 * function around it travels in a frame on the stack: word 0 the context, word 1 whether and how the body left more than the loop,
 * word 2 what it returned, word 3 scratch memory, then the words of every variable. The body loads them when it starts and stores those that can
 * change when it ends.
 */
import type { Symbol } from "../check/bind.ts";
import type { Block, Value } from "../ir/ir.ts";
import type { Expr, Stmt } from "../syntax/ast.ts";
import { Cell, typeOfVal } from "./cells.ts";
import { branchOn } from "./condition.ts";
import { helper } from "./helpers.ts";
import { type JumpTarget, Lowering } from "./lowering.ts";
import type { Val } from "./values.ts";

/** BPF_MAX_LOOPS. */
const MAX_ITERATIONS = 1n << 23n;
const CTX = 0;
const LEFT = 8;
const RESULT = 16;
const SCRATCH = 24;
const FIRST = 32;
/** Values of word 1: by `return`, or by the first, second, … jump to a label outside. */
const HAS_RETURNED = 1n;
const FIRST_JUMP = 2;

/** The parts of a loop; `body` and `update` lower into whatever function they are given. */
export interface OutlinedLoop {
  readonly stmt: Stmt;
  readonly label: string | undefined;
  readonly test: Expr | undefined;
  readonly testFirst: boolean;
  readonly body: (g: Lowering) => void;
  readonly update: ((g: Lowering) => void) | undefined;
  /** Run before each round, for `for…of`: binds the item. */
  readonly begin?: (g: Lowering) => void;
  /** How often at most. */
  readonly rounds?: Value;
  /** The helper that calls the body, if not bpf_loop. */
  readonly caller?: LoopCaller;
}

/** A helper that calls the body of a loop. */
export interface LoopCaller {
  /** Parameters of the body, and which of them is the frame. */
  readonly params: number;
  readonly frame: number;
  readonly call: (callback: Value, frame: Value) => void;
  /** Something the verifier does not know the value of. */
  readonly unknown: (g: Lowering) => Value;
}

function bpfLoop(f: Lowering, rounds: Value | undefined): LoopCaller {
  return {
    params: 2,
    frame: 1,
    unknown: (g) => g.b.param(0),
    call: (callback, frame) =>
      void helper(f, "loop", [rounds ?? f.b.const(MAX_ITERATIONS), callback, frame, f.b.const(0n)], { writes: 0b100 }),
  };
}

/** A variable that the body shares with the function around it. */
interface Captured {
  readonly symbol: Symbol;
  readonly outer: Cell;
  readonly offset: number;
  /** Stored back: the loop assigns it, and it is a cell itself, not only put into one to travel. */
  readonly shared: boolean;
}

/*
 * Integers that can change are made unknown to the verifier (the number of the round is added and taken away again):
 * up to Linux 6.6 it looks at the first round only, and would take what it knows there for true in all.
 */

export function outlineLoop(f: Lowering, loop: OutlinedLoop): void {
  f.flush();
  const caller = loop.caller ?? bpfLoop(f, loop.rounds);
  const g = openBody(f, loop.stmt, caller);
  const captured = capture(f, g, loop.stmt);
  const words = captured.reduce((sum, { outer }) => sum + outer.words, 0);
  const frame = f.b.newSlot("loop frame", FIRST + words * 8, 8);
  const address = (): Value => f.b.slotAddress(frame);
  f.b.store(8, address(), CTX, f.hook.frameContext(f));
  f.b.store(8, address(), LEFT, f.b.const(0n));
  f.b.store(8, address(), RESULT, f.b.const(0n));
  f.b.store(8, address(), SCRATCH, f.scratchBase ?? f.b.const(0n));
  for (const { outer, offset } of captured) outer.save(address(), offset);
  compileBody(f, g, loop, captured, caller);
  caller.call(f.b.funcAddr(g.b.fn.name), address());
  for (const { outer, offset, shared } of captured) if (shared) outer.restore(address(), offset);
  for (const symbol of f.rounds.undefinedIn.get(loop.stmt) ?? []) f.present.delete(symbol);
  g.escapes.forEach((jump, i) => {
    leaveIf(f, address(), BigInt(FIRST_JUMP + i), () => f.rules.statement(f, jump, undefined));
  });
  if (!g.returns) return;
  leaveIf(f, address(), HAS_RETURNED, () => {
    for (const cleanup of [...f.cleanups].reverse()) cleanup();
    f.exit(f.b.load(8, address(), RESULT));
  });
}

/** Where the body left by a jump or a return, so does the function. */
function leaveIf(f: Lowering, frame: Value, how: bigint, leave: () => void): void {
  const [out, on] = [f.b.newBlock(), f.b.newBlock()];
  const before = f.snapshot();
  f.b.branchIf("eq", f.b.load(8, frame, LEFT), f.b.const(how), out, on);
  f.enter(out);
  leave();
  f.enter(on);
  f.restore(before);
}

/** Variables of this function that the loop names. What `start` binds again in the body need not travel. */
function capture(f: Lowering, g: Lowering, stmt: Stmt): Captured[] {
  const found: Captured[] = [];
  const seen = new Set<Symbol>();
  let offset = FIRST;
  for (const [ident, symbol] of f.bindings.symbols) {
    const inside = ident.start >= stmt.start && ident.end <= stmt.end;
    const binding = f.bound.get(symbol);
    if (!inside || binding === undefined || g.bound.has(symbol) || seen.has(symbol)) continue;
    seen.add(symbol);
    const outer = "cell" in binding ? binding.cell : travelling(f, symbol, binding.val);
    // What the loop leaves alone is not read back: the verifier would no longer know what it is.
    const shared = "cell" in binding && f.bindings.assignedIn.get(stmt)?.has(symbol) === true;
    found.push({ symbol, outer, offset, shared });
    offset += outer.words * 8;
  }
  return found;
}

function travelling(f: Lowering, symbol: Symbol, val: Val): Cell {
  const settled = f.settle(val);
  const cell = new Cell(f, symbol.name, typeOfVal(settled));
  cell.write(settled);
  return cell;
}

/** The body's function, with the parameters of the function around it bound again. */
function openBody(f: Lowering, stmt: Stmt, caller: LoopCaller): Lowering {
  const name = `${f.b.fn.name}__loop${f.outlined.length + 1}`;
  const ctx = (g: Lowering): Value => g.b.load(8, g.b.param(caller.frame), CTX);
  const g = new Lowering(f.module, name, {
    params: caller.params,
    linkage: "static",
    bindings: f.bindings,
    source: f.source,
    hook: { ...f.hook, ...(f.hook.hasContext ? { ctx, frameContext: ctx } : {}) },
    rounds: f.rounds,
  });
  f.at(stmt);
  g.at(stmt);
  g.start = f.start;
  g.scratchUsed = f.scratchUsed;
  if (f.scratchBase !== undefined) g.scratchBase = g.b.load(8, g.b.param(caller.frame), SCRATCH);
  f.start(g);
  return g;
}

function compileBody(
  f: Lowering,
  g: Lowering,
  loop: OutlinedLoop,
  captured: readonly Captured[],
  caller: LoopCaller,
): void {
  const frame = (g: Lowering): Value => g.b.param(caller.frame);
  const unknown = g.b.slotAddress(g.b.newSlot("unknown", 8, 8));
  g.b.store(8, unknown, 0, caller.unknown(g));
  const load = (): Value => g.b.load(8, unknown, 0, { volatile: true });
  const blur = (cell: Cell): void => cell.mapInts((word) => g.b.sub(g.b.add(word, load()), load()));
  const inner = captured.map(({ symbol, outer, offset, shared }) => {
    const cell = new Cell(g, symbol.name, outer.type);
    cell.restore(frame(g), offset);
    if (shared) blur(cell);
    g.bound.set(symbol, { cell });
    return { cell, offset, shared };
  });
  g.present = new Set([...f.present].filter((symbol) => !f.rounds.undefinedIn.get(loop.stmt)?.has(symbol)));
  const leave = (result: bigint): void => {
    for (const { cell, offset, shared } of inner) if (shared) cell.save(frame(g), offset);
    g.b.ret(g.b.const(result));
  };
  g.exit = (value) => {
    g.returns = true;
    g.b.store(8, frame(g), LEFT, g.b.const(HAS_RETURNED));
    g.b.store(8, frame(g), RESULT, value);
    leave(1n);
  };
  g.escape = (jump) => {
    const known = g.escapes.findIndex((other) => other.type === jump.type && other.label === jump.label);
    const i = known < 0 ? g.escapes.push(jump) - 1 : known;
    g.b.store(8, frame(g), LEFT, g.b.const(BigInt(FIRST_JUMP + i)));
    leave(1n);
  };
  f.outlined.push(g);
  lowerBody(g, loop, leave);
  f.scratchUsed = g.scratchUsed;
}

function lowerBody(g: Lowering, loop: OutlinedLoop, leave: (result: bigint) => void): void {
  const [body, exit, next] = [g.b.newBlock(), g.b.newBlock(), g.b.newBlock()];
  const target: JumpTarget = {
    label: loop.label,
    breakTo: exit,
    continueTo: next,
    breakFlows: [],
    continueFlows: [],
    isSwitch: false,
    cleanup: undefined,
  };
  if (loop.test !== undefined && loop.testFirst) {
    const outcome = branchOn(g, loop.test, body, exit);
    g.enter(body);
    g.restore(outcome.yes);
  } else {
    g.b.jump(body);
    g.enter(body);
  }
  g.jumps.push(target);
  g.loops.push(loop.stmt);
  loop.begin?.(g);
  loop.body(g);
  g.loops.pop();
  g.jumps.pop();
  if (g.b.reachable) {
    g.flush();
    target.continueFlows.push(g.snapshot());
    g.b.jump(next);
  }
  g.enter(next);
  g.meet(target.continueFlows);
  finish(g, loop, exit, leave);
}

/** The end of a round: the update, the test of `do … while`, and the next round or the end. */
function finish(g: Lowering, loop: OutlinedLoop, exit: Block, leave: (result: bigint) => void): void {
  loop.update?.(g);
  g.flush();
  if (!loop.testFirst && loop.test !== undefined) {
    const again = g.b.newBlock();
    branchOn(g, loop.test, again, exit);
    g.enter(again);
  }
  leave(0n);
  g.enter(exit);
  leave(1n);
}
