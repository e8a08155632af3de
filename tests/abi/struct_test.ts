import { assertEquals, assertThrows } from "@std/assert";
import { BPF_ATTR } from "../../src/abi/attr.ts";
import { type Fields, readStruct, writeStruct } from "../../src/abi/struct.ts";
import { test } from "../support/harness.ts";

const view = () => new DataView(new ArrayBuffer(256));
const FIELDS = {
  a: [0, "u8"],
  b: [2, "u16"],
  c: [4, "s32"],
  d: [8, "u64"],
  e: [16, "char[4]"],
  f: [20, "u8[2]"],
  g: [24, "s64"],
} as const satisfies Fields;

test("`writeStruct()` and `readStruct()` are inverse for every type", () => {
  const at = view();
  const values = { a: 255, b: 0xffff, c: -5, d: 2n ** 64n - 1n, e: "abc", f: new Uint8Array([1, 2]), g: -(2n ** 63n) };
  assertEquals(writeStruct(at, 16, FIELDS, values), 32);
  assertEquals(readStruct(at, 16, FIELDS), values);
});

test("`writeStruct()` returns where the last field that is not zero ends", () => {
  assertEquals(writeStruct(view(), 0, BPF_ATTR.BPF_MAP_CREATE, { map_type: 1, key_size: 4, map_name: "" }), 8);
  assertEquals(writeStruct(view(), 0, BPF_ATTR.BPF_MAP_CREATE, { map_type: 1, map_extra: 0n, map_name: "x" }), 44);
  assertEquals(writeStruct(view(), 0, BPF_ATTR.BPF_PROG_LOAD, {}), 0);
});

test("`writeStruct()` refuses what does not fit before it writes past anything", () => {
  const write = (values: Record<string, unknown>) => () => writeStruct(view(), 0, FIELDS, values as never);
  assertThrows(write({ a: 256 }), RangeError, 'field "a": 256 does not fit u8');
  assertThrows(write({ a: -1 }), RangeError, 'field "a"');
  assertThrows(write({ c: 2 ** 31 }), RangeError, 'field "c"');
  assertThrows(write({ d: 2 ** 53 }), RangeError, 'field "d"');
  assertThrows(write({ d: 2n ** 64n }), RangeError, 'field "d"');
  assertThrows(write({ e: "abcd" }), RangeError, 'field "e": 4 bytes do not fit 3');
  assertThrows(write({ e: 5 }), TypeError, "takes a string");
  assertThrows(write({ a: "5" }), TypeError, "takes a number");
  assertThrows(write({ nope: 1 }), TypeError, 'field "nope"');
  assertThrows(write({ a: 1.5 }), RangeError, 'field "a"');
});
