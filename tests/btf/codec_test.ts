import { assert, assertEquals, assertThrows } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../src/errors.ts";
import { Btf } from "../../src/btf/btf.ts";
import { btfCodec, btfFields } from "../../src/btf/codec.ts";
import { btfView } from "../../src/btf/view.ts";
import { BtfBuilder } from "../../src/btf/write.ts";
import type { BtfType } from "../../src/btf/types.ts";
import { alignOf, sizeOf } from "../../src/btf/walk.ts";
import { test } from "../support/harness.ts";
import { compileBtf, inFolder, run, toolTest } from "./support.ts";

const TYPES = `
typedef unsigned char __u8; typedef signed char __s8; typedef unsigned short __u16; typedef unsigned int __u32;
typedef int __s32; typedef unsigned long long __u64; typedef long long __s64;
enum color { RED, GREEN = 5, BLUE = -1 };
enum big { HUGE_VALUE = 0xffffffff00000001ULL, ONE = 1 };
struct point { short x, y; };
struct record {
  __u8 a; __s8 b; __u16 c; short d; __u32 e; __s32 f; __u64 g; __s64 h;
  _Bool yes; char comm[16]; unsigned char text[8]; signed char stext[4]; __u8 mac[6]; __s8 small[2];
  float fl; double db; enum color color; enum color other; enum big big; void *ptr;
  __u32 b1 : 1; __u32 b2 : 5; __s32 b3 : 7; __u64 b4 : 50; _Bool b5 : 1; enum color b6 : 4; __u32 : 3; __s32 b7 : 32;
  struct point p, line[2]; int grid[2][3]; char words[2][4]; const volatile __u32 cv;
  union { __u32 whole; struct { __u16 low, high; }; __u8 parts[4]; };
  struct { int deep; };
  unsigned __int128 wide;
  struct { __u8 one; __u32 two; } __attribute__((packed)) packed;
};
struct locked { struct bpf_spin_lock { __u32 val; } lock; int count; };
union either { int number; char text[8]; };
struct flexible { __u32 n; __u64 items[]; };
`;

const VALUE = `{
  .a = 200, .b = -100, .c = 65000, .d = -30000, .e = 4000000000u, .f = -2000000000, .g = 0xfedcba9876543210ull,
  .h = -0x7edcba9876543210ll, .yes = 1, .comm = "waggle", .text = "bytes", .stext = "abc", .mac = {1, 2, 3, 4, 5, 255},
  .small = {-1, 127}, .fl = 1.5f, .db = -2.25, .color = BLUE, .other = (enum color)77, .big = HUGE_VALUE,
  .ptr = (void *)0xffff888012345678ull, .b1 = 1, .b2 = 21, .b3 = -33, .b4 = 0x2bcdef0123456ull, .b5 = 1, .b6 = GREEN,
  .b7 = -5, .p = {1, -2}, .line = {{3, 4}, {5, 6}}, .grid = {{1, 2, 3}, {-4, -5, -6}}, .words = {"abc", "d"}, .cv = 9,
  .low = 0x1234, .high = 0x5678, .deep = 42, .wide = ((unsigned __int128)0x1122334455667788ull << 64) | 0x99, .packed = {7, 0x01020304},
}`;

/** What the codec must make of VALUE. */
function expected(): Record<string, unknown> {
  return {
    a: 200,
    b: -100,
    c: 65000,
    d: -30000,
    e: 4000000000,
    f: -2000000000,
    g: 0xfedcba9876543210n,
    h: -0x7edcba9876543210n,
    yes: true,
    comm: "waggle",
    text: "bytes",
    stext: "abc",
    mac: new Uint8Array([1, 2, 3, 4, 5, 255]),
    small: [-1, 127],
    fl: 1.5,
    db: -2.25,
    color: "BLUE",
    other: 77,
    big: "HUGE_VALUE",
    ptr: 0xffff888012345678n,
    b1: 1,
    b2: 21,
    b3: -33,
    b4: 0x2bcdef0123456n,
    b5: true,
    b6: "GREEN",
    b7: -5,
    p: { x: 1, y: -2 },
    line: [{ x: 3, y: 4 }, { x: 5, y: 6 }],
    grid: [[1, 2, 3], [-4, -5, -6]],
    words: ["abc", "d"],
    cv: 9,
    whole: 0x56781234,
    low: 0x1234,
    high: 0x5678,
    parts: new Uint8Array([0x34, 0x12, 0x78, 0x56]),
    deep: 42,
    wide: 0x11223344556677880000000000000099n,
    packed: { one: 7, two: 0x01020304 },
  };
}

/** The bytes that the C compiler of this machine makes of VALUE; x86-64 and arm64 lay structs out as BPF does. */
function bytesFromC(): Uint8Array {
  return inFolder((folder) => {
    const [source, program] = [join(folder, "a.c"), join(folder, "a")];
    writeFileSync(
      source,
      `${TYPES}
      #include <stdio.h>
      int main(void) {
        static const struct record r = ${VALUE};
        for (unsigned i = 0; i < sizeof r; i++) printf("%02x", ((const unsigned char *)&r)[i]);
      }`,
    );
    run("clang-19", "-w", "-o", program, source);
    return Uint8Array.from(run(program).match(/../g)!, (hex) => parseInt(hex, 16));
  });
}

function recordBtf(): Btf {
  return compileBtf(`${TYPES} struct record r; struct locked l; union either u; struct flexible *f;`, ["-w"]);
}

toolTest("`btfCodec()` reads and writes what a C compiler lays out", ["clang-19"], () => {
  const btf = recordBtf();
  const id = btf.find("record", "STRUCT")!;
  const codec = btfCodec(btf, id);
  const bytes = bytesFromC();
  assertEquals(codec.size, bytes.length);
  assertEquals([codec.align, alignOf(btf, id)], [16, 16]);
  assertEquals(codec.read(new DataView(bytes.buffer), 0), expected());
  const { whole: _, parts: __, ...value } = expected();
  const out = new DataView(new ArrayBuffer(bytes.length + 8));
  new Uint8Array(out.buffer).fill(0xee);
  codec.write(out, 4, value);
  assertEquals(new Uint8Array(out.buffer, 4, bytes.length), bytes);
  assertEquals(out.getUint32(0), 0xeeeeeeee, "writes before its place");
  assertEquals(out.getUint32(bytes.length + 4), 0xeeeeeeee, "writes behind its place");
});

toolTest("`btfView()` reads single fields where the window stands", ["clang-19"], () => {
  const btf = recordBtf();
  const bytes = bytesFromC();
  const View = btfView(btf, btf.find("record", "STRUCT")!);
  assertEquals(View.size, bytes.length);
  const two = new Uint8Array(bytes.length * 2);
  two.set(bytes, bytes.length);
  const view = new View();
  const data = new DataView(two.buffer);
  assertEquals(view.$at(data, 0)["e"], 0);
  assertEquals(view.$at(data, bytes.length)["e"], 4000000000);
  assertEquals([view["comm"], view["deep"], view["b4"], view["high"]], ["waggle", 42, 0x2bcdef0123456n, 0x5678]);
  assertEquals(view.$read(), expected());
  assert(btfView(btf, btf.find("record", "STRUCT")!) === View);
});

toolTest("`btfCodec()` explains wrong values by the path of the field", ["clang-19"], () => {
  const btf = recordBtf();
  const codec = btfCodec(btf, btf.find("record", "STRUCT")!);
  const view = new DataView(new ArrayBuffer(codec.size));
  const { whole: _, parts: __, ...good } = expected();
  const write = (change: Record<string, unknown>) => () => codec.write(view, 0, { ...good, ...change });
  assertThrows(write({ e: -1 }), RangeError, "e: -1 does not fit");
  assertThrows(write({ e: "1" }), TypeError, "e: ");
  assertThrows(write({ g: 1n << 64n }), RangeError, "g: ");
  assertThrows(write({ b2: 32 }), RangeError, "b2: 32 does not fit");
  assertThrows(write({ b3: -65 }), RangeError, "b3: -65 does not fit");
  assertThrows(write({ comm: "sixteen bytes !!" }), RangeError, "comm: 16 bytes and NUL");
  assertThrows(write({ mac: new Uint8Array(5) }), RangeError, "mac: 5 bytes where 6");
  assertThrows(write({ color: "PINK" }), RangeError, "RED, GREEN, BLUE");
  assertThrows(write({ line: [{ x: 1, y: 2 }] }), TypeError, "line: takes an array of 2");
  assertThrows(write({ line: [{ x: 1, y: 2 }, { x: 1, z: 2 }] }), TypeError, 'line[1]: has no field "z"');
  assertThrows(write({ p: undefined }), TypeError, "p: it is missing");
  assertThrows(write({ com: "x" }), TypeError, 'did you mean "comm"');
  assertThrows(write({ whole: 1 }), TypeError, "one member, not 2 (whole, low, high, parts)");
  assertThrows(() => codec.write(view, 0, null), TypeError, "takes an object");
  codec.write(view, 0, { ...good, g: 5, color: -1, big: 1n, comm: new Uint8Array(16).fill(65) });
  const back = codec.read(view, 0) as Record<string, unknown>;
  assertEquals([back["g"], back["color"], back["big"], back["comm"]], [5n, "BLUE", "ONE", "A".repeat(16)]);
});

toolTest("`btfCodec()` lets locks be left out, unions take one member, flexible arrays be empty", ["clang-19"], () => {
  const btf = recordBtf();
  const view = new DataView(new ArrayBuffer(16));
  const locked = btfCodec(btf, btf.find("locked", "STRUCT")!);
  locked.write(view, 0, { count: 3 });
  assertEquals(locked.read(view, 0), { lock: { val: 0 }, count: 3 });
  const either = btfCodec(btf, btf.find("either", "UNION")!);
  either.write(view, 0, { text: "hi" });
  assertEquals(either.read(view, 0), { number: 0x6968, text: "hi" });
  assertThrows(() => either.write(view, 0, {}), TypeError, "one member, not 0");
  const flexible = btfCodec(btf, btf.find("flexible", "STRUCT")!);
  assertEquals([flexible.size, flexible.read(view, 0)], [8, { n: 0, items: [] }]);
  assertEquals(btfFields(btf, btf.find("either", "UNION")!).map((f) => [f.name, f.offset]), [["number", 0], [
    "text",
    0,
  ]]);
});

function build(types: readonly BtfType[]): Btf {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  return builder.build("bad");
}

const int = (over: Partial<Extract<BtfType, { kind: "INT" }>> = {}): BtfType => ({
  kind: "INT",
  name: "int",
  size: 4,
  bits: 32,
  bitOffset: 0,
  signed: false,
  char: false,
  bool: false,
  ...over,
});

test("`btfCodec()` reads bit-fields as compilers described them before kind_flag", () => {
  const btf = build([
    int({ bits: 5, bitOffset: 3 }),
    { kind: "STRUCT", name: "old", size: 4, kflag: false, members: [{ name: "f", type: 1, bitOffset: 8, bitSize: 0 }] },
  ]);
  const codec = btfCodec(btf, 2);
  const view = new DataView(new Uint8Array([0, 0b10101000, 0, 0]).buffer);
  assertEquals(codec.read(view, 0), { f: 0b10101 });
});

test("`btfCodec()` refuses what has no values and what does not hold together", () => {
  const struct = (members: [string, number, number, number?][], size = 4): BtfType => ({
    kind: "STRUCT",
    name: "s",
    size,
    kflag: true,
    members: members.map(([name, type, bitOffset, bitSize = 0]) => ({ name, type, bitOffset, bitSize })),
  });
  const cases: [BtfType[], string][] = [
    [[{ kind: "FWD", name: "f", union: false }], 'type 1 FWD "f": has no values'],
    [[{ kind: "CONST", name: "", type: 0 }], "has no values: it is void"],
    [[{ kind: "CONST", name: "", type: 1 }], "refers to itself"],
    [[struct([["m", 2, 8]]), int()], 'STRUCT "s": member 0: ends at byte 5 of 4'],
    [[struct([["m", 2, 3]]), int()], "member 0: does not start at a byte"],
    [[struct([["m", 2, 30, 5]]), int()], "member 0: ends at byte 5 of 4"],
    [[struct([["", 2, 8]]), struct([], 4)], "member 0: ends at byte 5 of 4"],
    [[struct([["m", 1, 0]])], "contains itself"],
    [[struct([["", 1, 0]])], "contains itself"],
    [[{ kind: "ARRAY", name: "", type: 2, indexType: 2, nelems: 0xffffffff }, int()], "too many"],
    [[{ kind: "ARRAY", name: "", type: 2, indexType: 2, nelems: 0xffffffff }, struct([], 0)], "too many"],
    [[int({ size: 1 << 30 })], "size 1073741824 is impossible"],
  ];
  for (const [types, message] of cases) assertThrows(() => btfCodec(build(types), 1), FormatError, message);
  // Two anonymous members of the next type, 20 levels deep: a million fields.
  const bomb: BtfType[] = Array.from({ length: 20 }, (_, i) => struct([["", i + 2, 0], ["", i + 2, 0]]));
  assertThrows(() => btfCodec(build([...bomb, struct([["x", 22, 0]]), int()]), 1), FormatError, "65536 fields");
  const big = new BtfBuilder({ endian: "big" });
  big.add(int());
  assertThrows(() => btfCodec(big.build(), 1), FormatError, "big-endian");
});

test("`sizeOf()` and `alignOf()` end in cycles, overflow and types without size", () => {
  const btf = build([
    int(),
    { kind: "ARRAY", name: "", type: 2, indexType: 1, nelems: 1 },
    { kind: "ARRAY", name: "", type: 1, indexType: 1, nelems: 0x7fffffff },
    { kind: "FUNC_PROTO", name: "", type: 0, params: [] },
    { kind: "TYPEDEF", name: "t", type: 5 },
    { kind: "ARRAY", name: "", type: 7, indexType: 1, nelems: 5 },
    { kind: "ARRAY", name: "", type: 1, indexType: 1, nelems: 3 },
  ]);
  assertEquals([sizeOf(btf, 1), sizeOf(btf, 6), alignOf(btf, 6)], [4, 60, 4]);
  assertThrows(() => sizeOf(btf, 2), FormatError, "refers to itself");
  assertThrows(() => alignOf(btf, 2), FormatError, "refers to itself");
  assertThrows(() => sizeOf(btf, 3), FormatError, "32 bits");
  assertThrows(() => sizeOf(btf, 4), FormatError, "no size: it is FUNC_PROTO");
  assertThrows(() => sizeOf(btf, 5), FormatError, "refers to itself");
  assertThrows(() => sizeOf(btf, 0), FormatError, "void");
});
