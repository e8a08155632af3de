/**
 * Register allocation: linear scan over live ranges with holes, in two rounds. Values that live across a call can only be
 * in r6 to r9 and go first; the others take r0 to r5 where they can. A value keeps one register for its whole life, which is what
 * the verifier wants too: a bound or null check and the access behind it name the same register.
 *
 * When registers run out, the values that cost least are spilled (spill.ts rewrites the code) and everything starts again.
 */
import { coalesce } from "./coalesce.ts";
import { buildIntervals } from "./intervals.ts";
import type { Intervals } from "./intervals.ts";
import { isCommutative, NONE } from "./lir.ts";
import type { LirFunction, Operand } from "./lir.ts";
import { spillCosts } from "./spill_cost.ts";
import { shareSpillSlots } from "./spill_slots.ts";
import { spill } from "./spill.ts";

export interface Allocation {
  /** By virtual register: 0 to 9. */
  readonly registers: Int8Array;
  /** By `register * positions + position`: the virtual register there, FREE or CLOBBERED. */
  readonly owners: Int32Array;
  readonly intervals: Intervals;
}

/** In `Allocation.owners`. */
export const FREE = -1;
/** In `Allocation.owners`: destroyed by a call. */
export const CLOBBERED = -2;

const REGISTERS = 10;
const ACROSS_CALLS = [6, 7, 8, 9];
/** Arguments start at r1, results are in r0: what has no wish of its own stays out of their way. */
const BETWEEN_CALLS = [0, 5, 4, 3, 2, 1, 6, 7, 8, 9];

/** Changes `lir` (coalescing, spills) until every virtual register has a machine register. */
export function allocateRegisters(lir: LirFunction): Allocation {
  let intervals = buildIntervals(lir);
  coalesce(lir, intervals);
  for (let round = 0; round < 100; round++) {
    const scan = new Scan(lir, intervals);
    if (scan.spilled.size === 0) {
      shareSpillSlots(lir);
      return { registers: scan.registers, owners: scan.owners, intervals };
    }
    spill(lir, scan.spilled);
    intervals = buildIntervals(lir);
  }
  throw new Error(`Register allocation of "${lir.name}" does not end`);
}

class Scan {
  readonly registers: Int8Array;
  readonly owners: Int32Array;
  readonly spilled = new Set<Operand>();
  #ranges: readonly number[][];
  #positions: number;
  #costs: Float64Array;
  /** By virtual register: registers it would like, best first, and registers of values that it would like to share with. */
  #hints: number[][];
  #friends: Operand[][];

  constructor(lir: LirFunction, intervals: Intervals) {
    this.#ranges = intervals.ranges;
    this.#positions = intervals.positions;
    this.registers = new Int8Array(lir.vregs).fill(-1);
    this.owners = new Int32Array(REGISTERS * intervals.positions).fill(FREE);
    this.#costs = spillCosts(lir, intervals);
    this.#hints = Array.from({ length: lir.vregs }, () => []);
    this.#friends = Array.from({ length: lir.vregs }, () => []);
    const calls = this.#clobber(lir, intervals);
    this.#collectHints(lir);
    const order: Operand[] = [];
    for (let v = 0; v < lir.vregs; v++) if (this.#ranges[v]!.length > 0) order.push(v);
    order.sort((a, b) => this.#ranges[a]![0]! - this.#ranges[b]![0]!);
    const across = order.map((v) => crosses(this.#ranges[v]!, calls));
    order.forEach((v, i) => across[i] && this.#place(v, ACROSS_CALLS));
    order.forEach((v, i) => !across[i] && this.#place(v, BETWEEN_CALLS));
  }

  /** Marks what calls destroy; returns the number of calls before each position. */
  #clobber(lir: LirFunction, { blockStart, positions }: Intervals): Int32Array {
    const calls = new Int32Array(positions + 1);
    lir.blocks.forEach((block, b) => {
      block.insts.forEach((inst, i) => {
        const at = 2 * (blockStart[b]! + i);
        if (inst.op === "call") {
          for (let r = 0; r <= 5; r++) this.owners[r * positions + at + 1] = CLOBBERED;
          calls[at + 2] = 1;
        } else if (inst.op === "atomic" && inst.atomic === "cmpxchg") {
          // The expected value goes in and the old one comes out in r0.
          this.owners[at] = this.owners[at + 1] = CLOBBERED;
        }
      });
    });
    for (let p = 1; p <= positions; p++) calls[p]! += calls[p - 1]!;
    return calls;
  }

  #collectHints(lir: LirFunction): void {
    const hint = (vreg: Operand, register: number) => vreg >= 0 && this.#hints[vreg]!.push(register);
    const friends = (a: Operand, b: Operand) => {
      if (a < 0 || b < 0) return;
      this.#friends[a]!.push(b);
      this.#friends[b]!.push(a);
    };
    for (const block of lir.blocks) {
      for (const inst of block.insts) {
        switch (inst.op) {
          case "call":
            inst.args.forEach((arg, i) => hint(arg, i + 1));
            hint(inst.dst, 0);
            break;
          case "entry":
            inst.dsts.forEach((dst, i) => hint(dst, i + 1));
            break;
          case "exit":
            hint(inst.a, 0);
            break;
          case "copies":
            inst.dsts.forEach((dst, i) => friends(dst, inst.args[i]!));
            break;
          case "select":
            friends(inst.dst, inst.c);
            break;
          case "atomic":
            if (inst.atomic === "cmpxchg") hint(inst.dst, 0);
            else friends(inst.dst, inst.b);
            break;
          case "alu":
          case "bound":
          case "neg":
          case "be":
          case "movsx":
            friends(inst.dst, inst.a);
            if (isCommutative(inst)) friends(inst.dst, inst.b);
        }
      }
    }
  }

  #place(vreg: Operand, pool: readonly number[]): void {
    for (const register of this.#hints[vreg]!) {
      if (pool.includes(register) && this.#take(vreg, register)) return;
    }
    for (const friend of this.#friends[vreg]!) {
      const register = this.registers[friend]!;
      if (register >= 0 && pool.includes(register) && this.#take(vreg, register)) return;
    }
    for (const friend of this.#friends[vreg]!) {
      for (const register of this.#hints[friend]!) {
        if (pool.includes(register) && this.#take(vreg, register)) return;
      }
    }
    for (const register of pool) if (this.#take(vreg, register)) return;
    this.#evict(vreg, pool);
  }

  /** Occupies the register for all of the value's ranges if it is free there. */
  #take(vreg: Operand, register: number): boolean {
    const ranges = this.#ranges[vreg]!;
    const base = register * this.#positions;
    for (let i = 0; i < ranges.length; i += 2) {
      for (let p = ranges[i]!; p < ranges[i + 1]!; p++) if (this.owners[base + p] !== FREE) return false;
    }
    this.#fill(vreg, register, vreg);
    this.registers[vreg] = register;
    return true;
  }

  #fill(vreg: Operand, register: number, owner: number): void {
    const ranges = this.#ranges[vreg]!;
    const base = register * this.#positions;
    for (let i = 0; i < ranges.length; i += 2) this.owners.fill(owner, base + ranges[i]!, base + ranges[i + 1]!);
  }

  /** No register is free: spills this value or, if that costs less, those in the way. */
  #evict(vreg: Operand, pool: readonly number[]): void {
    let best = this.#costs[vreg]!;
    let victims: Set<Operand> | undefined;
    let at = NONE;
    for (const register of pool) {
      const owners = this.#owners(vreg, register);
      if (owners === undefined) continue;
      let cost = 0;
      for (const owner of owners) cost += this.#costs[owner]!;
      if (cost < best) [best, victims, at] = [cost, owners, register];
    }
    if (victims === undefined) {
      if (best === Infinity) throw new Error(`No register for a value that must have one`);
      this.spilled.add(vreg);
      return;
    }
    for (const victim of victims) {
      this.#fill(victim, at, FREE);
      this.registers[victim] = -1;
      this.spilled.add(victim);
    }
    this.#take(vreg, at);
  }

  /** The values that are in a register while `vreg` is live; undefined if a call destroys it then. */
  #owners(vreg: Operand, register: number): Set<Operand> | undefined {
    const ranges = this.#ranges[vreg]!;
    const base = register * this.#positions;
    const owners = new Set<Operand>();
    for (let i = 0; i < ranges.length; i += 2) {
      for (let p = ranges[i]!; p < ranges[i + 1]!; p++) {
        const owner = this.owners[base + p]!;
        if (owner === CLOBBERED) return undefined;
        if (owner !== FREE) owners.add(owner);
      }
    }
    return owners;
  }
}

/** Whether a call happens inside of the ranges, given the number of calls before each position. */
function crosses(ranges: readonly number[], calls: Int32Array): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    // A call at position p destroys at p + 1 and counts from p + 2 on.
    if (calls[ranges[i + 1]!]! > calls[ranges[i]!]!) return true;
  }
  return false;
}
