import { assertEquals, assertThrows } from "@std/assert";
import { Cursor } from "../../src/bytes/cursor.ts";
import { Writer } from "../../src/bytes/writer.ts";
import { FormatError } from "../../src/errors.ts";
import { test } from "../support/harness.ts";

for (const endian of ["little", "big"] as const) {
  test(`Cursor reads what Writer wrote, ${endian}-endian`, () => {
    const writer = new Writer({ endian, capacity: 1 });
    writer.u8(1).u16(0x0203).align(4).u32(0xdeadbeef).u64(-2n).raw(new Uint8Array([9, 9])).zeros(1);
    writer.patchU32(4, 0xcafebabe);
    const cursor = new Cursor(writer.toBytes(), { endian });
    assertEquals([cursor.u8(), cursor.u16()], [1, 0x0203]);
    cursor.offset = 4;
    assertEquals(cursor.u32(), 0xcafebabe);
    cursor.offset = 4;
    assertEquals(cursor.i32(), 0xcafebabe | 0);
    assertEquals(cursor.u64(), 0xffff_ffff_ffff_fffen);
    assertEquals(cursor.take(2), new Uint8Array([9, 9]));
    assertEquals(cursor.remaining, 1);
  });
}

test("Writer honours the byte order", () => {
  assertEquals(new Writer({ endian: "big" }).u32(1).toBytes(), new Uint8Array([0, 0, 0, 1]));
  assertEquals(new Writer().u32(1).toBytes(), new Uint8Array([1, 0, 0, 0]));
  assertThrows(() => new Writer().u8(1).patchU32(0, 1), RangeError);
});

test("Cursor throws FormatError with path, field and offset past the end", () => {
  const cursor = new Cursor(new Uint8Array(6), { path: "foo.o: .BTF", offset: 4 });
  const error = assertThrows(
    () => cursor.u32("hdr_len"),
    FormatError,
    "foo.o: .BTF: hdr_len needs 4 bytes at offset 4",
  );
  assertEquals([error.path, error.offset], ["foo.o: .BTF", 4]);
  assertThrows(() => cursor.slice(2, 9, "x"), FormatError, "x: needs bytes 2 to 11");
  assertThrows(() => cursor.slice(-1, 2, "x"), FormatError);
  cursor.offset = -1;
  assertThrows(() => cursor.u8(), FormatError);
});

test("Cursor.size64() refuses what a number cannot hold", () => {
  const cursor = new Cursor(new Writer().u64(1n << 60n).u64(5).toBytes());
  assertThrows(() => cursor.size64("sh_size"), FormatError, "sh_size");
  assertEquals(cursor.size64(), 5);
});
