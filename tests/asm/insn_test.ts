import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FormatError } from "../../src/errors.ts";
import { decodeInsns, encodeInsns, InsnView, opDef } from "../../src/asm/insn.ts";
import { test } from "../support/harness.ts";

const bytes = (hex: string) => new Uint8Array(hex.split(" ").map((b) => parseInt(b, 16)));

test("`decodeInsns()` reads registers by nibble in either byte order", () => {
  const expected = [{ code: 0x7b, dst: 10, src: 1, off: -8, imm: 0 }];
  assertEquals(decodeInsns(bytes("7b 1a f8 ff 00 00 00 00")), expected);
  assertEquals(decodeInsns(bytes("7b a1 ff f8 00 00 00 00"), "big"), expected);
});

test("`decodeInsns()` joins the halves of a 64-bit immediate", () => {
  const insns = decodeInsns(bytes("18 01 00 00 88 77 66 55 00 00 00 00 44 33 22 11"));
  assertEquals(insns, [{ code: 0x18, dst: 1, src: 0, off: 0, imm: 0x55667788, imm64: 0x1122334455667788n }]);
});

test("`decodeInsns()` refuses cut and foreign bytes with a `FormatError`", () => {
  assertThrows(() => decodeInsns(bytes("95 00 00")), FormatError, "no whole number of instructions");
  const cut = "the second half of a 64-bit immediate is missing";
  assertThrows(() => decodeInsns(bytes("18 01 00 00 00 00 00 00")), FormatError, cut);
  assertThrows(() => decodeInsns(bytes("18 01 00 00 00 00 00 00 95 00 00 00 00 00 00 00")), FormatError, cut);
});

test("`encodeInsns()` refuses fields that do not fit", () => {
  const insn = { code: 0xb7, dst: 0, src: 0, off: 0, imm: 0 };
  const message = (change: Partial<typeof insn>) =>
    assertThrows(() => encodeInsns([insn, { ...insn, ...change }]), RangeError).message;
  assertStringIncludes(message({ off: 0x8000 }), "instruction 1: offset 32768 is out of range");
  assertStringIncludes(message({ imm: 2 ** 32 }), "immediate");
  assertStringIncludes(message({ dst: 16 }), "destination register");
  assertStringIncludes(message({ code: 1.5 }), "opcode");
});

test("`InsnView` patches fields in place in either byte order", () => {
  for (const endian of ["little", "big"] as const) {
    const view = new InsnView(
      encodeInsns([
        { code: 0x18, dst: 3, src: 0, off: 0, imm: 0, imm64: 0n },
        { code: 0x85, dst: 0, src: 1, off: 0, imm: -1 },
      ], endian),
      endian,
    );
    assertEquals([view.count, view.isLdImm64(0), view.isLdImm64(2)], [3, true, false]);
    view.setSrc(0, 1);
    view.setImm64(0, 0xfedcba9876543210n);
    view.setOff(2, -2);
    view.setImm(2, 77);
    assertEquals([view.dst(0), view.src(0), view.imm64(0)], [3, 1, 0xfedcba9876543210n]);
    assertEquals([view.code(2), view.src(2), view.off(2), view.imm(2)], [0x85, 1, -2, 77]);
  }
});

test("`opDef()` tells apart instructions that share an opcode", () => {
  const name = (off: number, imm: number, code: number, src = 2) => opDef({ code, dst: 1, src, off, imm })?.name;
  assertEquals([name(0, 0, 0xbf), name(8, 0, 0xbf), name(1, 1, 0xbf)], ["mov64_reg", "movsx64_8", "addr_space_cast"]);
  assertEquals([name(0, 3, 0x37, 0), name(1, 3, 0x37, 0)], ["div64_imm", "sdiv64_imm"]);
  assertEquals([name(4, 0x01, 0xdb), name(4, 0xf1, 0xdb)], ["atomic64_fetch_add", "atomic64_cmpxchg"]);
  assertEquals(name(4, 0x02, 0xdb), undefined);
});
