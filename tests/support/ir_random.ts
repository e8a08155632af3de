/**
 * Random well-typed IR programs from a seed: arithmetic on up to a dozen locals (more than there are registers), nested
 * branches and bounded loops, stack slots at constant and at masked offsets, globals, map lookups with their null check,
 * atomics, calls of helpers and of a second function. Everything computed ends in memory that can be compared. Programs are such that the
 * verifier accepts them: offsets are masked, loops count to constants, slots are set before they are read.
 */
import { FunctionBuilder } from "../../src/compiler/ir/builder.ts";
import type { Local } from "../../src/compiler/ir/builder.ts";
import type { BinaryOp, CompareOp, IrFunction, StackSlot, Value } from "../../src/compiler/ir/ir.ts";

/** Sizes that all parts of the test agree on. */
export const CTX_SIZE = 64;
/** Globals that programs read and write; behind them they leave their locals when they end. */
export const GLOBALS_USED = 64;
export const GLOBALS_SIZE = 256;
export const ARRAY_VALUE = 16;
export const ARRAY_ENTRIES = 4;

/** A small generator of repeatable numbers (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  /** 64 bits that are often small, near a power of two, or all ones. */
  value(): bigint {
    const kind = this.below(6);
    if (kind === 0) return BigInt(this.below(10));
    if (kind === 1) return BigInt(this.below(300)) - 150n;
    if (kind === 2) return (1n << BigInt(this.below(64))) + BigInt(this.below(3)) - 1n;
    if (kind === 3) return BigInt(this.next()) - 0x80000000n;
    return BigInt(this.next()) << 32n | BigInt(this.next());
  }
}

const BINARY: readonly BinaryOp[] = [
  "add",
  "add",
  "sub",
  "sub",
  "mul",
  "div",
  "mod",
  "sdiv",
  "smod",
  "and",
  "or",
  "xor",
  "shl",
  "shr",
  "ashr",
];
const COMPARE: readonly CompareOp[] = ["eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge", "set"];

/** A module: `main(ctx)`, and `helper(...)` that main may call. */
export function randomModule(seed: number, options: { size?: number } = {}): Map<string, IrFunction> {
  const random = new Random(seed);
  const size = options.size ?? 10 + random.below(40);
  const functions = new Map<string, IrFunction>();
  const params = 1 + random.below(5);
  const withCall = random.chance(40);
  const main = new Generator(random, "main", 1, withCall ? params : undefined);
  functions.set("main", main.main(size));
  // The verifier refuses functions that nobody calls.
  if (withCall && main.calls) {
    functions.set("helper", new Generator(random, "helper", params, undefined).sub(size >> 2));
  }
  return functions;
}

class Generator {
  #random: Random;
  #b: FunctionBuilder;
  #locals: Local[] = [];
  #slots: StackSlot[] = [];
  #ctx: Value | undefined;
  /** Parameters of the function that can be called. */
  #callee: number | undefined;
  #budget = 0;
  /** Whether it calls the other function. */
  calls = false;
  #depth = 0;
  /** Product of the trip counts around, to keep what the verifier walks small. */
  #trips = 1;
  #branches = 0;

  constructor(random: Random, name: string, params: number, callee: number | undefined) {
    this.#random = random;
    this.#callee = callee;
    this.#b = new FunctionBuilder(name, { params, linkage: name === "main" ? "global" : "static" });
  }

  main(size: number): IrFunction {
    const b = this.#b;
    this.#ctx = b.param(0);
    this.#makeLocals(
      2 + this.#random.below(11),
      (i) => this.#random.chance(70) ? this.#ctxLoad((i * 8) % CTX_SIZE) : b.const(this.#random.value()),
    );
    this.#makeSlots(this.#random.below(4), 64);
    this.#statements(size);
    this.#locals.forEach((local, i) => b.store(8, b.mapValue("globals", GLOBALS_USED + 8 * i), 0, b.getLocal(local)));
    b.ret(this.#value());
    return b.finish();
  }

  sub(size: number): IrFunction {
    const b = this.#b;
    this.#makeLocals(
      b.fn.params + this.#random.below(4),
      (i) => i < b.fn.params ? b.param(i) : b.const(this.#random.value()),
    );
    this.#makeSlots(this.#random.below(2), 16);
    this.#statements(size);
    b.ret(this.#expression(2));
    return b.finish();
  }

  #makeLocals(count: number, initial: (i: number) => Value): void {
    for (let i = 0; i < count; i++) {
      const local = this.#b.newLocal(`l${i}`);
      this.#b.setLocal(local, initial(i));
      this.#locals.push(local);
    }
  }

  #makeSlots(count: number, largest: number): void {
    for (let i = 0; i < count; i++) {
      const size = this.#random.pick([8, 16, 32, 64].filter((s) => s <= largest));
      const slot = this.#b.newSlot(`s${i}`, size);
      this.#slots.push(slot);
      this.#b.zero(this.#b.slotAddress(slot), 0, size);
    }
  }

  #ctxLoad(offset: number): Value {
    const random = this.#random;
    const size = random.pick([1, 2, 4, 8, 8, 8] as const);
    return this.#b.load(size, this.#ctx!, offset, { signed: random.chance(30), invariant: random.chance(50) });
  }

  #statements(count: number): void {
    this.#budget = count;
    while (this.#budget > 0) this.#statement();
  }

  #body(limit: number): void {
    this.#depth++;
    const count = 1 + this.#random.below(limit);
    for (let i = 0; i < count && this.#budget > 0; i++) this.#statement();
    this.#depth--;
  }

  #statement(): void {
    this.#budget--;
    const random = this.#random;
    const nest = this.#depth < 3 && this.#trips < 30;
    const kind = random.below(100);
    // Every branch doubles the paths that the verifier may have to walk.
    if (kind < 15 && nest && this.#branches < 14) return this.#if();
    if (kind < 22 && nest && this.#depth < 2) return this.#loop();
    if (kind < 32 && this.#slots.length > 0) return this.#slotStore();
    if (kind < 38) return this.#globalStore();
    if (kind < 44) return this.#atomic();
    if (kind < 52 && this.#branches < 14) return this.#lookup();
    if (kind < 57 && this.#callee !== undefined) return this.#call(this.#callee);
    if (kind < 61 && this.#slots.length > 0) return this.#probeRead();
    if (kind < 64 && this.#slots.length > 1) return this.#copySlot();
    if (kind < 67 && this.#slots.length > 0) return this.#copyGlobals();
    if (kind < 72 && this.#ctx !== undefined && this.#trips === 1) return this.#record();
    this.#b.setLocal(random.pick(this.#locals), this.#expression(1 + random.below(3)));
  }

  #if(): void {
    const b = this.#b;
    this.#branches += this.#trips;
    const [yes, no, join] = [b.newBlock(), b.newBlock(), b.newBlock()];
    this.#branchTo(yes, no);
    b.seal(yes);
    b.seal(no);
    b.setBlock(yes);
    this.#body(4);
    b.jump(join);
    b.setBlock(no);
    if (this.#random.chance(60)) this.#body(4);
    b.jump(join);
    b.seal(join);
    b.setBlock(join);
  }

  #branchTo(yes: ReturnType<FunctionBuilder["newBlock"]>, no: ReturnType<FunctionBuilder["newBlock"]>): void {
    const random = this.#random;
    if (random.chance(20)) return this.#b.branch(this.#value(), yes, no);
    this.#b.branchIf(random.pick(COMPARE), this.#value(), this.#value(), yes, no);
  }

  #loop(): void {
    const b = this.#b;
    const random = this.#random;
    const trips = 1 + random.below(4);
    const counter = b.newLocal("i");
    b.setLocal(counter, b.const(0n));
    const limit = this.#value();
    const [head, body, next, end] = [b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()];
    b.jump(head);
    b.setBlock(head);
    b.branchIf("ult", b.getLocal(counter), b.const(trips), body, end);
    b.seal(body);
    b.setBlock(body);
    if (random.chance(30)) {
      // A computed bound besides the constant one: kernels before 6.8 learn nothing from comparing two variables.
      const go = b.newBlock();
      b.branchIf("ult", b.getLocal(counter), b.and(limit, b.const(3n)), go, end);
      b.seal(go);
      b.setBlock(go);
    }
    this.#trips *= trips;
    this.#body(3);
    if (random.chance(20) && this.#branches < 10) {
      this.#branches += this.#trips;
      const on = b.newBlock();
      this.#branchTo(random.chance(50) ? end : next, on);
      b.seal(on);
      b.setBlock(on);
      this.#body(2);
    }
    if (random.chance(50)) b.setLocal(random.pick(this.#locals), b.add(this.#value(), b.getLocal(counter)));
    this.#trips /= trips;
    b.jump(next);
    b.seal(next);
    b.setBlock(next);
    b.setLocal(counter, b.add(b.getLocal(counter), b.const(1n)));
    b.jump(head);
    b.seal(head);
    b.seal(end);
    b.setBlock(end);
  }

  // Memory

  /** An address inside of a slot: at a constant offset or at a masked one. */
  #slotPlace(slot: StackSlot, size: number): { base: Value; offset: number } {
    const b = this.#b;
    const random = this.#random;
    const base = b.slotAddress(slot);
    if (random.chance(70) || slot.size === size) return { base, offset: random.below(slot.size / size) * size };
    const index = b.and(this.#value(), b.const(slot.size - 1 & ~(size - 1)));
    return { base: b.add(base, index), offset: 0 };
  }

  #slotStore(): void {
    const random = this.#random;
    const slot = random.pick(this.#slots);
    if (random.chance(15)) return this.#b.zero(this.#b.slotAddress(slot), 0, random.pick([slot.size, 8, 4, 3]));
    const size = random.pick([1, 2, 4, 8, 8, 8] as const);
    const { base, offset } = this.#slotPlace(slot, size);
    this.#b.store(size, base, offset, random.chance(40) ? this.#b.const(random.value()) : this.#value());
  }

  #globalStore(): void {
    const b = this.#b;
    const size = this.#random.pick([1, 2, 4, 8] as const);
    const offset = this.#random.below(GLOBALS_USED / size) * size;
    b.store(size, b.mapValue("globals", offset), 0, this.#value());
  }

  #atomic(): void {
    const b = this.#b;
    const random = this.#random;
    const size = random.pick([4, 8] as const);
    const offset = random.below(GLOBALS_USED / size) * size;
    const base = b.mapValue("globals", 0);
    const fetch = random.chance(50);
    const local = random.pick(this.#locals);
    if (random.chance(20)) {
      b.setLocal(local, b.compareExchange(size, base, offset, this.#value(), this.#value()));
      return;
    }
    const op = random.pick(["add", "add", "or", "and", "xor", "xchg"] as const);
    const old = b.atomic(op, size, base, offset, this.#value(), fetch);
    if (fetch || op === "xchg") b.setLocal(local, old);
  }

  /** A lookup with its null check, and something done to the value. */
  #lookup(): void {
    const b = this.#b;
    const random = this.#random;
    this.#branches += this.#trips;
    const key = b.newSlot("key", 4, 4);
    b.store(4, b.slotAddress(key), 0, random.chance(50) ? b.and(this.#value(), b.const(7n)) : b.const(random.below(6)));
    const value = b.callHelper(1, "map_lookup_elem", [b.mapFd("array"), b.slotAddress(key)], { writes: 0 });
    const [found, join] = [b.newBlock(), b.newBlock()];
    b.branchIf("ne", value, b.const(0n), found, join);
    b.seal(found);
    b.setBlock(found);
    const offset = random.pick([0, 8]);
    const local = random.pick(this.#locals);
    if (random.chance(50)) b.setLocal(local, b.load(8, value, offset));
    if (random.chance(50)) b.store(8, value, offset, this.#value());
    if (random.chance(30)) b.atomic("add", 8, value, 8 - offset, this.#value());
    b.jump(join);
    b.seal(join);
    b.setBlock(join);
  }

  #call(params: number): void {
    this.calls = true;
    const args = Array.from({ length: params }, () => this.#value());
    this.#b.setLocal(this.#random.pick(this.#locals), this.#b.callFunction("helper", args));
  }

  #probeRead(): void {
    const b = this.#b;
    const random = this.#random;
    const slot = random.pick(this.#slots);
    const length = 1 + random.below(slot.size);
    const from = b.mapValue("globals", random.below(GLOBALS_USED - length + 1));
    const result = b.callHelper(113, "probe_read_kernel", [b.slotAddress(slot), b.const(length), from], { writes: 1 });
    if (random.chance(30)) b.setLocal(random.pick(this.#locals), result);
  }

  #copySlot(): void {
    const b = this.#b;
    const [to, from] = [this.#random.pick(this.#slots), this.#random.pick(this.#slots)];
    if (to === from) return;
    b.copy(b.slotAddress(to), 0, b.slotAddress(from), 0, 1 + this.#random.below(Math.min(to.size, from.size)));
  }

  /** Between a slot and the globals, in either direction, at offsets of any alignment on the side of the map. */
  #copyGlobals(): void {
    const b = this.#b;
    const random = this.#random;
    const slot = random.pick(this.#slots);
    const length = 1 + random.below(slot.size);
    const globals = b.mapValue("globals", random.below(GLOBALS_USED - length + 1));
    if (random.chance(50)) b.copy(b.slotAddress(slot), 0, globals, 0, length);
    else b.copy(globals, 0, b.slotAddress(slot), 0, length);
  }

  /** A record of the ring buffer: reserved, checked, zeroed, filled, submitted. */
  #record(): void {
    const b = this.#b;
    const random = this.#random;
    this.#branches += this.#trips;
    const size = random.pick([8, 12, 24, 40]);
    const args = [b.mapFd("ring"), b.const(size), b.const(0n)];
    const record = b.callHelper(131, "ringbuf_reserve", args, { writes: 0, fresh: true });
    const [got, join] = [b.newBlock(), b.newBlock()];
    b.branchIf("ne", record, b.const(0n), got, join);
    b.seal(got);
    b.setBlock(got);
    b.zero(record, 0, size);
    for (let i = random.below(8); i > 0; i--) {
      const width = random.pick([1, 2, 4, 8] as const);
      const value = random.chance(40) ? b.const(random.value()) : this.#expression(1);
      b.store(width, record, random.below(Math.floor(size / width)) * width, value);
      if (random.chance(15)) b.setLocal(random.pick(this.#locals), b.load(4, record, 4));
    }
    b.callHelper(132, "ringbuf_submit", [record, b.const(0n)], { returns: false });
    b.jump(join);
    b.seal(join);
    b.setBlock(join);
  }

  // Values

  /** A local or a constant. */
  #value(): Value {
    const random = this.#random;
    if (random.chance(25)) return this.#b.const(random.value());
    return this.#b.getLocal(random.pick(this.#locals));
  }

  #expression(depth: number): Value {
    const b = this.#b;
    const random = this.#random;
    if (depth === 0) return this.#value();
    const kind = random.below(100);
    const a = () => this.#expression(depth - 1);
    if (kind < 50) return b.binary(random.pick(BINARY), a(), a());
    if (kind < 58) return b.zext(a(), random.pick([8, 16, 32] as const));
    if (kind < 66) return b.sext(a(), random.pick([8, 16, 32] as const));
    if (kind < 67) return b.bound(a(), 1 + random.below(100));
    if (kind < 69) return b.bswap(a(), random.pick([16, 32, 64] as const));
    if (kind < 72) return random.chance(50) ? b.neg(a()) : b.not(a());
    if (kind < 80) return b.compare(random.pick(COMPARE), a(), a());
    if (kind < 85) return b.select(a(), a(), a());
    if (kind < 90 && this.#slots.length > 0) return this.#slotLoad();
    if (kind < 95) {
      const size = random.pick([1, 2, 4, 8] as const);
      return b.load(size, b.mapValue("globals", random.below(GLOBALS_USED / size) * size), 0, {
        signed: random.chance(40),
      });
    }
    return this.#ctx === undefined ? this.#value() : this.#ctxLoad(random.below(CTX_SIZE / 8) * 8);
  }

  #slotLoad(): Value {
    const random = this.#random;
    const size = random.pick([1, 2, 4, 8, 8] as const);
    const { base, offset } = this.#slotPlace(random.pick(this.#slots), size);
    return this.#b.load(size, base, offset, { signed: random.chance(40) });
  }
}
