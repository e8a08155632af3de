import { assertEquals, assertThrows } from "@std/assert";
import { str, struct } from "../../src/bytes/composites.ts";
import { u32, u64 } from "../../src/bytes/scalars.ts";
import { aggregationStorage } from "../../src/compiler/definitions.ts";
import * as kinds from "../../src/script/kinds.ts";
import { toGlobal } from "../../src/script/kinds/globals.ts";
import { test } from "../support/harness.ts";

test("hash() and kin carry layouts, sizes and flags", () => {
  const map = kinds.hash(u64, { path: u64 }, { maxEntries: 16, flags: 1, pinned: true });
  assertEquals([map.kind, map.key?.size, map.value?.size, map.maxEntries, map.flags, map.pinned], [
    "hash",
    8,
    8,
    16,
    1,
    true,
  ]);
  assertEquals(kinds.lruHash(u32, u32).maxEntries, kinds.DEFAULT_ENTRIES);
  assertEquals(kinds.percpuArray(u64, 4).key?.size, 4);
  assertEquals(kinds.lpmTrie({ prefix: u32, address: u32 }, u32).flags, 1);
  assertEquals(kinds.taskStorage({ at: u64 }).flags, 1);
  assertEquals(kinds.progArray({ 0: "xdp:a", 3: "xdp:b" }).maxEntries, 4);
});

test("ringbuf() rounds its size up to a power of two of at least a page", () => {
  assertEquals(kinds.ringbuf(u32).maxEntries, 262_144);
  assertEquals(kinds.ringbuf(u32, { bytes: 5000 }).maxEntries, 8192);
  assertEquals(kinds.ringbuf(u32, { bytes: 1 }).maxEntries, 4096);
});

test("kinds refuse what cannot be", () => {
  assertThrows(() => kinds.ringbuf(u32, { bytes: 0 }), RangeError);
  assertThrows(() => kinds.arrayMap(u32, 0), RangeError);
  assertThrows(() => kinds.hash(u32, u32, { maxEntries: 1.5 }), RangeError);
  assertThrows(() => kinds.lpmTrie(u32, u32), TypeError, "prefix");
  assertThrows(() => kinds.linearHistogram({ min: 0, max: 0, step: 1 }), RangeError);
  assertThrows(() => kinds.linearHistogram({ min: 0, max: 5000, step: 1 }), RangeError, "1000");
});

test("aggregationStorage() says where accumulators lie", () => {
  assertEquals(aggregationStorage(kinds.counter()), {
    mapKind: "percpu_array",
    maxEntries: 1,
    slots: 1,
    fields: ["count"],
  });
  assertEquals(aggregationStorage(kinds.stats(u32)).fields, ["count", "sum", "min", "max"]);
  assertEquals(aggregationStorage(kinds.histogram()).maxEntries, 66);
  assertEquals(aggregationStorage(kinds.histogram(str(16))).mapKind, "percpu_hash");
  assertEquals(aggregationStorage(kinds.linearHistogram({ min: 0, max: 100, step: 30 })).slots, 6);
  assertEquals(aggregationStorage(kinds.topK(u32, 5)).mapKind, "lru_percpu_hash");
});

test("toGlobal() takes schemas, globals and constants", () => {
  assertEquals(toGlobal(u32).initial, undefined);
  assertEquals(toGlobal({ a: u32, b: u64 }).layout.size, 16);
  assertEquals(toGlobal(kinds.global(u64, 5n)).initial, 5n);
  assertEquals(toGlobal(kinds.constant(struct({ a: u32 }), { a: 1 })).constant, true);
  assertThrows(() => kinds.constant(u32, -1), RangeError);
});
