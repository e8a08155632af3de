import { assertEquals, assertThrows } from "@std/assert";
import { bytes, str, struct } from "../../src/bytes/composites.ts";
import type { Layout } from "../../src/bytes/layout.ts";
import { i32, u64, u8 } from "../../src/bytes/scalars.ts";
import { FormatError } from "../../src/errors.ts";
import { printCodec } from "../../src/script/print_format.ts";
import { test } from "../support/harness.ts";

const pair = struct({ a: u64, b: u8 });
const FORMATS = [
  {
    id: 7,
    strings: ["", " opened ", " -> ", ""],
    values: [
      { offset: 8, layout: i32 as Layout<unknown> },
      { offset: 12, layout: str(8) as Layout<unknown> },
      { offset: 24, layout: u64 as Layout<unknown> },
    ],
    size: 32,
  },
  {
    id: 8,
    strings: ["[", "|", "]"],
    values: [
      { offset: 8, layout: bytes(3) as Layout<unknown> },
      { offset: 16, layout: pair as Layout<unknown> },
    ],
    size: 32,
  },
];

test("printCodec() puts values between the texts", () => {
  const record = new DataView(new ArrayBuffer(32));
  record.setUint32(0, 7, true);
  i32.write(record, 8, -2);
  str(8).write(record, 12, "a.txt");
  u64.write(record, 24, 2n ** 63n);
  assertEquals(printCodec(FORMATS).read(record, 0), "-2 opened a.txt -> 9223372036854775808");
});

test("printCodec() prints bytes in hexadecimal and structs as JSON", () => {
  const record = new DataView(new ArrayBuffer(32));
  record.setUint32(0, 8, true);
  bytes(3).write(record, 8, new Uint8Array([1, 0xab, 0]));
  pair.write(record, 16, { a: 5n, b: 1 });
  assertEquals(printCodec(FORMATS).read(record, 0), `[01 ab 00|{"a":"5","b":1}]`);
});

test("printCodec() reads at an offset and refuses records that no print made", () => {
  const record = new DataView(new ArrayBuffer(48));
  record.setUint32(16, 7, true);
  assertEquals(printCodec(FORMATS).read(record, 16), "0 opened  -> 0");
  assertThrows(() => printCodec(FORMATS).read(record, 0), FormatError, "id 0");
});
