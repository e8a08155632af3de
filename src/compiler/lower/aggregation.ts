/**
 * Aggregations: per-CPU accumulators laid out by `aggregationStorage`, so that adding needs no atomics. A histogram's
 * bucket is an index of the array, or part of the key where there is one.
 */
import { i64, u32, u64 } from "../../bytes/scalars.ts";
import { struct } from "../../bytes/composites.ts";
import type { Layout } from "../../bytes/layout.ts";
import { type AggregationStorage, aggregationStorage, linearSlots } from "../definitions.ts";
import type { Value } from "../ir/ir.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { helper } from "./helpers.ts";
import type { Lowering } from "./lowering.ts";
import { materialise } from "./memory.ts";
import { toInt } from "./operators.ts";
import type { IntVal, MapVal, Val } from "./values.ts";

/** Layout of the accumulators of one bucket. */
export function accumulatorLayout(storage: AggregationStorage): Layout<unknown> {
  return struct(Object.fromEntries(storage.fields.map((field) => [field, field === "count" ? u64 : i64]))) as Layout<
    unknown
  >;
}

/** Layout of the map's key: the bucket, the key, or both. */
export function aggregationKey(storage: AggregationStorage, key: Layout<unknown> | undefined): Layout<unknown> {
  if (key === undefined) return u32 as Layout<unknown>;
  return storage.slots === 1 ? key : struct({ key, slot: u32 }) as Layout<unknown>;
}

export function addToAggregation(f: Lowering, map: MapVal, args: readonly Val[], call: Call): void {
  const { def } = map;
  const storage = aggregationStorage(def);
  const counts = storage.fields.length === 1 && storage.fields[0] === "count" && storage.slots === 1;
  const wanted = (def.key === undefined ? 0 : 1) + (counts ? 0 : 1);
  if (args.length !== wanted) {
    f.fail(
      "arguments",
      `"${map.name}" takes ${wanted} argument${wanted === 1 ? "" : "s"} here, this call has ${args.length}`,
      call,
      [
        def.key === undefined
          ? `${map.name}.${counts ? "count()" : "add(value)"}`
          : `${map.name}.${counts ? "count(key)" : "add(key, value)"}`,
      ],
    );
  }
  const value = counts ? f.constant(1n) : toInt(f, args.at(-1)!, call.args.at(-1)!);
  const slot = storage.slots === 1
    ? f.constant(0n)
    : f.int(def.kind === "histogram" ? log2Slot(f, value) : linearSlot(f, def.linear!, value));
  const key = keyOf(f, map, storage, args[0], slot, call);
  const fd = (): Value => f.b.mapFd(map.name);
  const pointer = helper(f, "map_lookup_elem", [fd(), key]);
  const [there, missing, join] = [f.b.newBlock(), f.b.newBlock(), f.b.newBlock()];
  f.b.branchIf("ne", pointer, f.b.const(0n), there, def.key === undefined ? join : missing);
  f.enter(there);
  accumulate(f, pointer, storage, value);
  f.b.jump(join);
  if (def.key !== undefined) {
    f.enter(missing);
    const first = firstOf(f, storage, value, call);
    helper(f, "map_update_elem", [fd(), key, first, f.b.const(0n)]);
    f.b.jump(join);
  }
  f.enter(join);
}

function keyOf(
  f: Lowering,
  map: MapVal,
  storage: AggregationStorage,
  given: Val | undefined,
  slot: IntVal,
  call: Call,
): Value {
  const layout = aggregationKey(storage, map.def.key);
  const node: Expr = call.args[0] ?? call;
  if (map.def.key === undefined) return f.address(materialise(f, slot, layout, "slot", node));
  if (storage.slots === 1) return f.address(materialise(f, given!, layout, "key", node));
  const fields = new Map<string, Val>([["key", given!], ["slot", slot]]);
  return f.address(materialise(f, { k: "object", fields }, layout, "key", node));
}

function accumulate(f: Lowering, pointer: Value, storage: AggregationStorage, value: IntVal): void {
  const { b } = f;
  const offset = (field: string): number => storage.fields.indexOf(field as "count") * 8;
  const word = f.word(value);
  const count = storage.fields.includes("count") ? b.load(8, pointer, offset("count")) : undefined;
  for (const field of ["min", "max"] as const) {
    if (storage.fields.includes(field)) keepExtreme(f, pointer, offset(field), word, field, count!);
  }
  if (storage.fields.includes("sum")) {
    b.store(8, pointer, offset("sum"), b.add(b.load(8, pointer, offset("sum")), word));
  }
  if (count !== undefined) b.store(8, pointer, offset("count"), b.add(count, b.const(1n)));
}

/** The first value counts whatever it is. */
function keepExtreme(
  f: Lowering,
  pointer: Value,
  offset: number,
  word: Value,
  which: "min" | "max",
  count: Value,
): void {
  const { b } = f;
  const [compare, write, join] = [b.newBlock(), b.newBlock(), b.newBlock()];
  b.branchIf("eq", count, b.const(0n), write, compare);
  f.enter(compare);
  b.branchIf(which === "min" ? "slt" : "sgt", word, b.load(8, pointer, offset), write, join);
  f.enter(write);
  b.store(8, pointer, offset, word);
  b.jump(join);
  f.enter(join);
}

/** The accumulators after one value, for a key that is new on this CPU. */
function firstOf(f: Lowering, storage: AggregationStorage, value: IntVal, call: Call): Value {
  const fields = new Map<string, Val>(
    storage.fields.map((field) => [field, field === "count" ? f.constant(1n) : value]),
  );
  return f.address(materialise(f, { k: "object", fields }, accumulatorLayout(storage), "first", call));
}

/** 0 for negative values, 1 for zero, then one more than the number of bits. */
function log2Slot(f: Lowering, value: IntVal): Value {
  const { b } = f;
  const word = f.word(value);
  const slot = b.newLocal("slot");
  const [positive, join] = [b.newBlock(), b.newBlock()];
  if (value.t.signed) {
    b.setLocal(slot, b.const(0n));
    b.branchIf("slt", word, b.const(0n), join, positive);
    f.enter(positive);
  }
  const nonzero = b.newBlock();
  b.setLocal(slot, b.const(1n));
  b.branchIf("eq", word, b.const(0n), join, nonzero);
  f.enter(nonzero);
  b.setLocal(slot, b.add(highestBit(f, word), b.const(2n)));
  b.jump(join);
  if (!value.t.signed) b.seal(positive);
  f.enter(join);
  return b.getLocal(slot);
}

/** Position of the highest bit, by halving: 32, 16, … 1. */
export function highestBit(f: Lowering, word: Value): Value {
  const { b } = f;
  let rest = word;
  let position: Value | undefined;
  for (const bits of [32, 16, 8, 4, 2, 1]) {
    const large = b.compare("ugt", rest, b.const((1n << BigInt(bits)) - 1n));
    const step = b.shl(large, b.const(BigInt(Math.log2(bits))));
    rest = b.shr(rest, step);
    position = position === undefined ? step : b.or(position, step);
  }
  return position!;
}

/** Below `min` is bucket 0, `max` and above the last one. */
function linearSlot(f: Lowering, linear: { min: number; max: number; step: number }, value: IntVal): Value {
  const { b } = f;
  const word = f.word(value);
  const last = linearSlots(linear) - 1;
  const slot = b.newLocal("slot");
  const [notBelow, inside, join] = [b.newBlock(), b.newBlock(), b.newBlock()];
  const [min, max] = [b.const(BigInt(linear.min)), b.const(BigInt(linear.max))];
  const less = value.t.signed || linear.min < 0 ? "slt" : "ult";
  b.setLocal(slot, b.const(0n));
  b.branchIf(less, word, min, join, notBelow);
  f.enter(notBelow);
  b.setLocal(slot, b.const(BigInt(last)));
  b.branchIf(less, word, max, inside, join);
  f.enter(inside);
  b.setLocal(slot, b.add(b.div(b.sub(word, min), b.const(BigInt(linear.step))), b.const(1n)));
  b.jump(join);
  f.enter(join);
  return b.getLocal(slot);
}
