import { assert, assertEquals, assertThrows } from "@std/assert";
import { array, bytes, str, struct, union } from "../../src/bytes/composites.ts";
import { bool, enumeration, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "../../src/bytes/scalars.ts";
import type { Codec } from "../../src/bytes/codec.ts";
import { bytesCodec, perCpuCodec, sumValues, u32Codec } from "../../src/maps/codecs.ts";
import { formatIp, parseIp } from "../../src/bytes/ip.ts";
import { prefixCodec } from "../../src/maps/lpm.ts";
import { compileReader, WarmReader } from "../../src/maps/reader.ts";
import { recordWindow } from "../../src/maps/record_window.ts";
import { cachedText } from "../../src/maps/text_cache.ts";
import { test } from "../support/harness.ts";

function view(length: number, fill = (i: number) => (i * 37 + 11) & 0xff): DataView {
  return new DataView(Uint8Array.from({ length }, (_, i) => fill(i)).buffer);
}

const WIDE = struct({
  a: u8,
  b: i8,
  c: u16,
  d: i16,
  e: u32,
  f: i32,
  g: u64,
  h: i64,
  i: bool,
  j: f32,
  k: f64,
  comm: str(16),
  name: str(5),
  raw: bytes(3),
  list: array(u16, 3),
  nested: struct({ x: u8, deep: struct({ y: i64 }) }),
  kind: enumeration("kind", { ONE: 1, TWO: 2 }),
  either: union({ u: u32, s: i32 }),
  "odd name": u8,
});

test("`compileReader()` reads what the codec reads, for every kind of field", () => {
  const read = compileReader(WIDE as Codec<unknown>);
  for (let seed = 0; seed < 50; seed++) {
    const data = view(WIDE.size + 16, (i) => (Math.imul(i + seed, 0x9e3779b1) >>> 24) & (seed % 3 === 0 ? 0x7f : 0xff));
    for (const offset of [0, 8, 16]) assertEquals(read(data, offset), WIDE.read(data, offset));
  }
});

test("`compileReader()` reads task names from its cache, right also after collisions", () => {
  const read = compileReader(struct({ comm: str(16) }) as Codec<{ comm: string }>);
  const data = view(16, () => 0);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 2000; i++) {
      const name = `task-${i}-é`;
      new Uint8Array(data.buffer).fill(0).set(new TextEncoder().encode(name));
      assertEquals(read(data, 0).comm, name);
    }
  }
});

test("`cachedText()` is the text up to the first NUL, whatever was read before", () => {
  const data = view(128, () => 0);
  const bytes = new Uint8Array(data.buffer);
  for (let round = 0; round < 20_000; round++) {
    // Few letters and lengths, so that slots are shared, and fields that are full.
    const length = [4, 8, 16, 64, 68, 96][round % 6]!;
    const used = (round * 7919) % (length + 1);
    for (let i = 0; i < length; i++) bytes[8 + i] = i < used ? 97 + ((round >> 3) + i * (round % 3)) % 4 : 0;
    if (round % 5 === 0) bytes.fill(0x78, 8 + used + 1, 8 + length); // behind the NUL
    const end = bytes.subarray(8, 8 + length).indexOf(0);
    const want = String.fromCharCode(...bytes.subarray(8, 8 + (end < 0 ? length : end)));
    assertEquals(cachedText(data, 8, length), want);
  }
});

test("windows read what the codec reads, generated and as closures, and end", () => {
  const data = view(WIDE.size + 16, (i) => (i * 37 + 5) & 0x7f);
  for (const odd of [WIDE, struct({ constructor: u8, toString: u16, "a b": u32, $view: u8 })]) {
    const codec = odd as unknown as Codec<Record<string, unknown>>;
    const window = recordWindow(codec);
    const plain = withoutFunction(() => recordWindow(codec));
    for (const offset of [0, 8, 16]) {
      const want = codec.read(data, offset);
      for (const { move } of [window, plain]) {
        const record = move(data, offset);
        for (const name of Object.keys(want)) assertEquals(record[name], want[name], name);
      }
    }
    for (const { move, release } of [window, plain]) {
      const record = move(data, 0);
      release();
      assertThrows(() => record[Object.keys(codec.read(data, 0))[0]!], RangeError);
    }
  }
  assertEquals(recordWindow(u32 as Codec<number>).move(data, 0), u32.read(data, 0));
});

test("`compileReader()` works where code generation is forbidden", () => {
  const read = withoutFunction(() => compileReader(WIDE as Codec<unknown>));
  const data = view(WIDE.size);
  assertEquals(read(data, 0), WIDE.read(data, 0));
});

/** As in a process that forbids code generation. */
function withoutFunction<T>(fn: () => T): T {
  const { Function } = globalThis;
  globalThis.Function = function () {
    throw new EvalError("Code generation from strings disallowed for this context");
  } as unknown as FunctionConstructor;
  try {
    return fn();
  } finally {
    globalThis.Function = Function;
  }
}

test("`compileReader()` leaves other codecs as they are", () => {
  const codec: Codec<number> = { size: 1, align: 1, read: () => 42, write() {} };
  assertEquals(compileReader(codec)(view(1), 0), 42);
  const many = struct(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, u8])));
  assertEquals(compileReader(many)(view(300), 0), many.read(view(300), 0));
});

test("`WarmReader` changes its reader after enough values, not what it reads", () => {
  const reader = new WarmReader(struct({ a: u32 }));
  const first = reader.read;
  reader.warm(10);
  assert(reader.read === first);
  reader.warm(1000);
  assert(reader.read !== first);
  assertEquals(reader.read(view(8), 4), first(view(8), 4));
});

test("`perCpuCodec()` keeps 8 bytes between the slots", () => {
  const codec = perCpuCodec(u32, 3);
  assertEquals(codec.size, 24);
  const data = view(24, () => 0);
  codec.write(data, 0, [1, 2, 3]);
  assertEquals([0, 8, 16].map((at) => data.getUint32(at, true)), [1, 2, 3]);
  assertEquals(codec.read(data, 0), [1, 2, 3]);
  assertThrows(() => codec.write(data, 0, [1, 2]), RangeError, "3 values");
  assertThrows(() => codec.write(data, 0, [1, -2, 3], "value"), RangeError, "value[1]");
  assertThrows(() => codec.write(data, 0, 5 as unknown as number[]), TypeError, "array of 3");
});

test("`sumValues()` adds what can be added", () => {
  assertEquals(sumValues([1, 2, 3]), 6);
  assertEquals(sumValues([2n ** 64n - 1n, 2n]), 1n);
  assertEquals(sumValues([{ a: -5n }, { a: 3n }]), { a: -2n }); // signed
  assertEquals(sumValues([{ a: 1, l: [1, 2], s: "x" }, { a: 2, l: [3, 4], s: "y" }]), { a: 3, l: [4, 6], s: "x" });
  assertEquals(sumValues([]), undefined);
});

test("`bytesCodec()` and `u32Codec` refuse what does not fit", () => {
  const data = view(8);
  assertThrows(() => bytesCodec(4).write(data, 0, new Uint8Array(5), "key"), RangeError, "key: takes 4 bytes, not 5");
  assertThrows(() => bytesCodec(4).write(data, 0, "abcd" as unknown as Uint8Array, "key"), TypeError, "Uint8Array");
  for (const bad of [-1, 2 ** 32, 0.5, NaN]) assertThrows(() => u32Codec.write(data, 0, bad), RangeError);
  const copy = bytesCodec(4).read(data, 0);
  data.setUint8(0, 99);
  assertEquals(copy[0], 11);
});

test("`parseIp()` and `formatIp()` are inverse, and RFC 5952", () => {
  for (
    const text of [
      "0.0.0.0",
      "255.1.2.3",
      "::",
      "::1",
      "2001:db8::1",
      "1:0:1:2:3:4:5:6",
      "fe80::1:0:0:1",
      "::ffff:1.2.3.4",
    ]
  ) {
    assertEquals(formatIp(parseIp(text)), text);
  }
  assertEquals(formatIp(parseIp("2001:0DB8:0:0:1:0:0:1")), "2001:db8::1:0:0:1");
  for (
    const bad of [
      "",
      "1.2.3",
      "1.2.3.256",
      "01.2.3.4",
      ":::",
      "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7",
      "g::",
      "1:2:3:4:5:6:7::8",
    ]
  ) {
    assertThrows(() => parseIp(bad), TypeError, "no IP address");
  }
});

test("`prefixCodec()` refuses prefixes that cannot be", () => {
  const codec = prefixCodec(8);
  const data = view(8);
  assertThrows(() => codec.write(data, 0, "10.0.0.0/33"), RangeError, "0 to 32 bits, not 33");
  assertThrows(() => codec.write(data, 0, "2001:db8::/32"), RangeError, "4 bytes of data, not 16");
  assertThrows(() => codec.write(data, 0, "10.0.0.0/x"), TypeError, "no prefix");
  assertThrows(() => codec.write(data, 0, 5 as unknown as string), TypeError, "takes a prefix");
  codec.write(data, 0, "10.1.0.0/16");
  assertEquals([data.getUint32(0, true), data.getUint8(4), codec.read(data, 0)], [16, 10, "10.1.0.0/16"]);
  assertEquals(prefixCodec(12).read(view(12, (i) => i === 0 ? 9 : 0), 0), { prefixLength: 9, data: new Uint8Array(8) });
});
