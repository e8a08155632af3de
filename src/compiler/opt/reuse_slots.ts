/**
 * Uses one stack slot for two that hold the same: the key of a lookup is still there when the entry is deleted. Only for slots that
 * are written once, by one store, and otherwise only read, and only where the first store dominates the second.
 */
import { dominates, dominators } from "../ir/cfg.ts";
import type { Dominators } from "../ir/cfg.ts";
import { applyReplacements } from "../ir/edit.ts";
import type { Replacements } from "../ir/edit.ts";
import type { Block, Inst, IrFunction } from "../ir/ir.ts";

/** A slot that one store fills. */
interface Filled {
  readonly address: Inst;
  store: Inst | undefined;
  block: Block | undefined;
  /** Position in the block. */
  at: number;
  usable: boolean;
}

export function reuseSlots(fn: IrFunction): void {
  const filled = collect(fn).filter((slot) => slot?.usable && slot.store !== undefined) as Filled[];
  if (filled.length < 2) return;
  const doms = dominators(fn);
  const replaced: Replacements = [];
  const gone = new Set<Inst>();
  filled.sort((a, b) => doms.position[a.block!.id]! - doms.position[b.block!.id]! || a.at - b.at);
  filled.forEach((later, i) => {
    const earlier = filled.slice(0, i).find((slot) =>
      replaced[slot.address.id] === undefined && holdsSame(slot, later, doms)
    );
    if (earlier === undefined) return;
    replaced[later.address.id] = earlier.address;
    gone.add(later.store!);
  });
  if (gone.size === 0) return;
  for (const block of fn.blocks) block.insts = block.insts.filter((inst) => !gone.has(inst));
  applyReplacements(fn, replaced);
}

/** By slot index. Every slot has one address instruction (pass "leaves"). */
function collect(fn: IrFunction): (Filled | undefined)[] {
  const slots: (Filled | undefined)[] = [];
  for (const block of fn.blocks) {
    block.insts.forEach((inst, at) => {
      if (inst.op === "stackSlot") {
        const known = slots[inst.slot!.index];
        slots[inst.slot!.index] = {
          address: inst,
          store: undefined,
          block: undefined,
          at,
          usable: known === undefined,
        };
      }
      inst.args.forEach((arg, i) => {
        const slot = arg.op === "stackSlot" ? slots[arg.slot!.index] : undefined;
        if (slot === undefined) return;
        const fills = inst.op === "store" && i === 0 && slot.store === undefined && inst.core === undefined;
        if (fills) Object.assign(slot, { store: inst, block, at });
        else if (!readsOnly(inst, i)) slot.usable = false;
      });
    });
    for (const arg of block.term!.args) {
      const slot = arg.op === "stackSlot" ? slots[arg.slot!.index] : undefined;
      if (slot !== undefined) slot.usable = false;
    }
  }
  return slots;
}

function readsOnly(inst: Inst, index: number): boolean {
  if (inst.op === "load") return !inst.volatile;
  return inst.op === "call" && inst.call!.kind !== "function" && (inst.call!.writes >> index & 1) === 0;
}

function holdsSame(earlier: Filled, later: Filled, doms: Dominators): boolean {
  const [a, b] = [earlier.store!, later.store!];
  const [x, y] = [earlier.address.slot!, later.address.slot!];
  if (a.args[1] !== b.args[1] || a.offset !== b.offset || a.size !== b.size || x.size !== y.size || x.align < y.align) {
    return false;
  }
  return earlier.block === later.block ? earlier.at < later.at : dominates(doms, earlier.block!, later.block!);
}
