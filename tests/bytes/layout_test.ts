import { assertEquals, assertThrows } from "@std/assert";
import { array, bytes, decodeString, str, struct, toLayout, union } from "../../src/bytes/composites.ts";
import { bool, enumeration, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "../../src/bytes/scalars.ts";
import type { Codec } from "../../src/bytes/codec.ts";
import type { Host, Kernel } from "../../src/bytes/layout.ts";
import { test } from "../support/harness.ts";

/** value → bytes and bytes → value, from one row. */
function roundTrip<T>(codec: Codec<T>, value: T, hex: string): void {
  const memory = new Uint8Array(codec.size + 2).fill(0xee);
  const view = new DataView(memory.buffer);
  codec.write(view, 1, value);
  const written = Array.from(memory.subarray(1, -1), (b) => b.toString(16).padStart(2, "0")).join("");
  assertEquals(written, hex);
  assertEquals([memory[0], memory.at(-1)], [0xee, 0xee], "neighbours stay");
  assertEquals(codec.read(view, 1), value);
}

test("scalars encode little-endian and decode to the same value", () => {
  roundTrip(u8, 0xab, "ab");
  roundTrip(u16, 0xabcd, "cdab");
  roundTrip(u32, 0xdeadbeef, "efbeadde");
  roundTrip(u64, 0xffff_ffff_ffff_fffen, "feffffffffffffff");
  roundTrip(i8, -2, "fe");
  roundTrip(i16, -2, "feff");
  roundTrip(i32, -2, "feffffff");
  roundTrip(i64, -2n, "feffffffffffffff");
  roundTrip(bool, true, "01");
  roundTrip(f32, 1.5, "0000c03f");
  roundTrip(f64, 1.5, "000000000000f83f");
});

test("scalars refuse what does not fit, naming the field", () => {
  const view = new DataView(new ArrayBuffer(8));
  assertThrows(() => u8.write(view, 0, 256, "a.b"), RangeError, "a.b: 256 does not fit u8");
  assertThrows(() => i8.write(view, 0, -129), RangeError, "value: -129 does not fit i8");
  assertThrows(() => u32.write(view, 0, 1.5), RangeError, "1.5");
  assertThrows(() => u32.write(view, 0, NaN), RangeError);
  assertThrows(() => u64.write(view, 0, -1n), RangeError, "does not fit u64");
  assertThrows(() => i64.write(view, 0, 1n << 63n), RangeError, "does not fit i64");
  assertThrows(() => u32.write(view, 0, 1n as unknown as number), TypeError, "takes a number");
  assertThrows(() => bool.write(view, 0, 1 as unknown as boolean), TypeError, "takes a boolean");
});

test("u64.write() takes integral numbers too", () => {
  const view = new DataView(new ArrayBuffer(8));
  u64.write(view, 0, 7 as unknown as bigint);
  assertEquals(u64.read(view, 0), 7n);
  assertThrows(() => u64.write(view, 0, 0.5 as unknown as bigint), RangeError, "not an integer");
});

test("enumeration() decodes to names, unknown values to numbers, and widens by need", () => {
  const verdict = enumeration("verdict", { DROP: 1, PASS: 2 });
  roundTrip(verdict, "PASS", "02000000");
  roundTrip(verdict, 9, "09000000");
  assertEquals(enumeration("s", { MINUS: -1 }).desc, {
    kind: "enum",
    name: "s",
    bits: 32,
    signed: true,
    values: [["MINUS", -1n]],
  });
  roundTrip(enumeration("wide", { BIG: 1n << 40n }), "BIG", "0000000000010000");
  const view = new DataView(new ArrayBuffer(4));
  assertThrows(() => verdict.write(view, 0, "KEEP" as "DROP"), RangeError, 'no "KEEP"');
  assertThrows(() => verdict.write(view, 0, "toString" as "DROP"), RangeError, 'no "toString"');
});

test("str() ends with NUL, pads with zeros and decodes UTF-8", () => {
  roundTrip(str(4), "ab", "61620000");
  roundTrip(str(4), "é", "c3a90000");
  const view = new DataView(new ArrayBuffer(4));
  assertThrows(() => str(4).write(view, 0, "abcd"), RangeError, "do not fit str(4)");
  assertEquals(decodeString(new Uint8Array([97, 98])), "ab");
  const long = "x".repeat(40) + "ü";
  assertEquals(decodeString(new TextEncoder().encode(long + "\0rest")), long);
  assertThrows(() => str(0), RangeError);
});

test("bytes() copies, so that a decoded value outlives its buffer", () => {
  const memory = new Uint8Array([1, 2, 3]);
  const value = bytes(3).read(new DataView(memory.buffer), 0);
  memory.fill(0);
  assertEquals(value, new Uint8Array([1, 2, 3]));
  assertThrows(() => bytes(3).write(new DataView(memory.buffer), 0, new Uint8Array(2)), RangeError, "2 bytes where 3");
});

test("struct() places fields like C and zeroes padding", () => {
  const layout = struct({ a: u8, b: u32, c: u16, d: u64 });
  assertEquals([layout.size, layout.align], [24, 8]);
  roundTrip(layout, { a: 1, b: 2, c: 3, d: 4n }, "0100000002000000" + "0300000000000000" + "0400000000000000");
});

test("struct() names the field that is wrong, missing or unknown", () => {
  const layout = struct({ a: { b: array(u8, 2) }, c: u32 });
  const view = new DataView(new ArrayBuffer(layout.size));
  type Value = Host<typeof layout>;
  assertThrows(() => layout.write(view, 0, { a: { b: [1, 300] }, c: 1 }), RangeError, "a.b[1]: 300");
  assertThrows(() => layout.write(view, 0, { a: { b: [1, 2] } } as Value), TypeError, "c: it is missing");
  assertThrows(() => layout.write(view, 0, { a: { b: [1, 2] }, c: 1, d: 1 } as Value), TypeError, 'no field "d"');
  assertThrows(() => layout.write(view, 0, null as unknown as Value), TypeError, "takes an object, not null");
  assertThrows(() => struct({}), TypeError, "no fields");
});

test("union() decodes every member and encodes exactly one", () => {
  const layout = union({ word: u32, half: u16 });
  const view = new DataView(new ArrayBuffer(4));
  layout.write(view, 0, { half: 0x1234 });
  assertEquals(layout.read(view, 0), { word: 0x1234, half: 0x1234 });
  assertThrows(() => layout.write(view, 0, { word: 1, half: 1 }), TypeError, "takes one member, not 2");
});

test("toLayout() takes objects whose fields are called like a codec's", () => {
  const layout = toLayout({ size: u32, align: u32 });
  roundTrip(layout, { size: 1, align: 2 }, "0100000002000000");
});

test("Host and Kernel are the two faces of a schema", () => {
  const schema = { id: u64, name: str(8), parts: array({ x: i32 }, 2) };
  const host: Host<typeof schema> = { id: 1n, name: "a", parts: [{ x: 1 }, { x: 2 }] };
  const kernel: Kernel<typeof schema> = { id: 1, name: "a", parts: [{ x: 1 }] };
  // @ts-expect-error a 64-bit integer is a bigint in the script
  const wrong: Host<typeof schema> = { id: 1, name: "a", parts: [] };
  assertEquals(typeof host.id, "bigint");
  assertEquals(typeof kernel.id, typeof wrong.id);
  roundTrip(toLayout(schema), host, "0100000000000000" + "6100000000000000" + "0100000002000000");
});
