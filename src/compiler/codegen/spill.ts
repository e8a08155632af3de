/**
 * Rewrites the code so that the given virtual registers live in memory: each use loads, each definition stores, through
 * registers that live for one instruction. Constants, addresses and invariant loads are made anew instead.
 */
import { forEachDef, forEachUse, LirInst } from "./lir.ts";
import type { LirBlock, LirFunction, Operand, Source } from "./lir.ts";

export function spill(lir: LirFunction, spilled: ReadonlySet<Operand>): void {
  const slots = new Map<Operand, Operand>();
  for (const vreg of spilled) {
    const remat = lir.remat[vreg];
    if (remat?.op === "load") continue;
    if (remat !== undefined) slots.set(vreg, remat.b);
    else slots.set(vreg, lir.source({ kind: "spill", index: lir.spills++ }));
  }
  for (const block of lir.blocks) spillBlock(lir, block, spilled, slots);
}

function spillBlock(
  lir: LirFunction,
  block: LirBlock,
  spilled: ReadonlySet<Operand>,
  slots: ReadonlyMap<Operand, Operand>,
): void {
  const out: LirInst[] = [];
  for (const inst of block.insts) {
    if (!touches(inst, spilled)) {
      out.push(inst);
      continue;
    }
    if (inst.dst >= 0 && spilled.has(inst.dst) && lir.remat[inst.dst] === inst) continue;
    const before: LirInst[] = [];
    const after: LirInst[] = [];
    const direct = (operand: Operand): Operand => spilled.has(operand) ? slots.get(operand) ?? operand : operand;
    takeSourcesDirectly(inst, direct);
    const loaded = new Map<Operand, Operand>();
    const use = (operand: Operand): Operand => {
      if (!spilled.has(operand)) return operand;
      let temporary = loaded.get(operand);
      if (temporary === undefined) {
        temporary = shortVreg(lir);
        loaded.set(operand, temporary);
        before.push(reload(lir, operand, temporary, slots, inst));
      }
      return temporary;
    };
    inst.a = use(inst.a);
    if (inst.op !== "source") inst.b = use(inst.b);
    inst.c = use(inst.c);
    inst.d = use(inst.d);
    inst.args = inst.args.map(use);
    if (spilled.has(inst.dst)) {
      const temporary = shortVreg(lir);
      const store = new LirInst("store");
      store.b = temporary;
      store.spill = spillIndex(lir.sourceOf(slots.get(inst.dst)!));
      store.pos = inst.pos;
      after.push(store);
      inst.dst = temporary;
    }
    out.push(...before.flatMap((load) => baseFirst(lir, load, spilled, slots)), inst, ...after);
  }
  block.insts = out;
}

function touches(inst: LirInst, spilled: ReadonlySet<Operand>): boolean {
  let found = false;
  forEachUse(inst, (vreg) => found ||= spilled.has(vreg));
  forEachDef(inst, (vreg) => found ||= spilled.has(vreg));
  return found;
}

/** Moves of pseudo instructions read memory and constants as well as registers. */
function takeSourcesDirectly(inst: LirInst, direct: (operand: Operand) => Operand): void {
  switch (inst.op) {
    case "call":
      inst.args = inst.args.map(direct);
      break;
    case "copies":
      inst.args = inst.args.map(direct);
      inst.dsts = inst.dsts.map(direct);
      break;
    case "entry":
      inst.dsts = inst.dsts.map(direct);
      break;
    case "exit":
      inst.a = direct(inst.a);
      break;
    case "select":
      inst.c = direct(inst.c);
      inst.d = direct(inst.d);
  }
}

function shortVreg(lir: LirFunction): Operand {
  const vreg = lir.vreg();
  lir.short[vreg] = true;
  return vreg;
}

/** The instruction that brings a spilled value back. */
function reload(
  lir: LirFunction,
  vreg: Operand,
  into: Operand,
  slots: ReadonlyMap<Operand, Operand>,
  user: LirInst,
): LirInst {
  const remat = lir.remat[vreg];
  const inst = new LirInst(remat?.op ?? "load");
  if (remat !== undefined) Object.assign(inst, remat);
  else inst.spill = spillIndex(lir.sourceOf(slots.get(vreg)!));
  inst.dst = into;
  inst.pos = user.pos;
  return inst;
}

/** A repeated load whose base is spilled as well. */
function baseFirst(
  lir: LirFunction,
  load: LirInst,
  spilled: ReadonlySet<Operand>,
  slots: ReadonlyMap<Operand, Operand>,
): LirInst[] {
  if (load.a < 0 || !spilled.has(load.a)) return [load];
  const base = shortVreg(lir);
  const first = reload(lir, load.a, base, slots, load);
  load.a = base;
  return [...baseFirst(lir, first, spilled, slots), load];
}

function spillIndex(source: Source): number {
  if (source.kind !== "spill") throw new Error("Not a spill slot");
  return source.index;
}
