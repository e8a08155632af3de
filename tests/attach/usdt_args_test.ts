/** Arguments of static probes: what assemblers write for both machines, and what nobody may write. */
import { assertEquals, assertThrows } from "@std/assert";
import { MACHINES } from "../../src/abi/pt_regs.ts";
import { FormatError, NotSupportedError } from "../../src/errors.ts";
import { parseUsdtArguments } from "../../src/kernel/usdt_args.ts";
import { usdtNotes } from "../../src/kernel/usdt_notes.ts";
import { readElf } from "../../src/object/elf.ts";
import { test } from "../support/harness.ts";

const x86 = MACHINES.x86_64.regs;
const arm = MACHINES.aarch64.regs;
const one = (text: string, arch: "x86_64" | "aarch64" = "x86_64") => {
  const [argument, ...more] = parseUsdtArguments(text, arch);
  assertEquals(more, []);
  return { ...argument!.place, size: argument!.size, signed: argument!.signed };
};

test("parseUsdtArguments() reads the operands of x86-64", () => {
  const cases: Record<string, object> = {
    "8@$5": { kind: "constant", value: 5n, size: 8, signed: false },
    "-4@$-9": { kind: "constant", value: -9n, size: 4, signed: true },
    "4@$0x10": { kind: "constant", value: 16n, size: 4, signed: false },
    "8@%rdi": { kind: "register", register: x86.di, size: 8, signed: false },
    "-2@%ax": { kind: "register", register: x86.ax, size: 2, signed: true },
    "1@%sil": { kind: "register", register: x86.si, size: 1, signed: false },
    "1@%bl": { kind: "register", register: x86.bx, size: 1, signed: false },
    "4@%r10d": { kind: "register", register: x86.r10, size: 4, signed: false },
    "8@(%rsp)": { kind: "memory", register: x86.sp, offset: 0n, size: 8, signed: false },
    "-4@-1204(%rbp)": { kind: "memory", register: x86.bp, offset: -1204n, size: 4, signed: true },
    "8@0x20(%rip)": { kind: "memory", register: x86.ip, offset: 32n, size: 8, signed: false },
    "4@(%rax,%rcx)": {
      kind: "indexed",
      register: x86.ax,
      index: x86.cx,
      shift: 0,
      offset: 0n,
      size: 4,
      signed: false,
    },
    "-8@-16(%rbx,%r9,8)": {
      kind: "indexed",
      register: x86.bx,
      index: x86.r9,
      shift: 3,
      offset: -16n,
      size: 8,
      signed: true,
    },
  };
  for (const [text, expected] of Object.entries(cases)) assertEquals(one(text), expected as never, text);
});

test("parseUsdtArguments() reads the operands of arm64", () => {
  const cases: Record<string, object> = {
    "8@5": { kind: "constant", value: 5n, size: 8, signed: false },
    "-4@-9": { kind: "constant", value: -9n, size: 4, signed: true },
    "8@x19": { kind: "register", register: arm.x19, size: 8, signed: false },
    "-4@w0": { kind: "register", register: arm.x0, size: 4, signed: true },
    "8@sp": { kind: "register", register: arm.sp, size: 8, signed: false },
    "8@[x2]": { kind: "memory", register: arm.x2, offset: 0n, size: 8, signed: false },
    "-4@[sp, 60]": { kind: "memory", register: arm.sp, offset: 60n, size: 4, signed: true },
    "-4@[x29,#-8]": { kind: "memory", register: arm.x29, offset: -8n, size: 4, signed: true },
    "8@[x1, x2, lsl 3]": {
      kind: "indexed",
      register: arm.x1,
      index: arm.x2,
      shift: 3,
      offset: 0n,
      size: 8,
      signed: false,
    },
  };
  for (const [text, expected] of Object.entries(cases)) assertEquals(one(text, "aarch64"), expected as never, text);
});

test("parseUsdtArguments() separates arguments, also where an operand has spaces", () => {
  assertEquals(parseUsdtArguments("", "x86_64"), []);
  assertEquals(parseUsdtArguments("8@%rdi  -4@4(%rsp) 1@$1 ", "x86_64").map((a) => a.size), [8, 4, 1]);
  assertEquals(parseUsdtArguments("8@[sp, 8] 4@x1 -2@[x3, #4]", "aarch64").map((a) => a.size), [8, 4, 2]);
});

test("parseUsdtArguments() refuses what BPF cannot read by name, and damaged text", () => {
  for (const text of ["8@%xmm0", "8f@%rax", "-4@global+8(%rip)", "8@%ah", "8@global"]) {
    assertThrows(() => parseUsdtArguments(text, "x86_64"), NotSupportedError, text);
  }
  for (const text of ["3@%rax", "8@", "%rax", "8@%rax junk", "8@(%rax", "16@%rax"]) {
    assertThrows(() => parseUsdtArguments(text, "x86_64"), FormatError);
  }
  for (const text of ["8@d0", "8@[x1, x40]", "8@x31"]) {
    assertThrows(() => parseUsdtArguments(text, "aarch64"), NotSupportedError, text);
  }
  assertThrows(() => parseUsdtArguments(Array(13).fill("8@%rax").join(" "), "x86_64"), NotSupportedError, "13");
});

/** An executable of one code segment at 0x1000 and a section of notes. */
function fileWithNotes(notes: Uint8Array): Uint8Array {
  const names = "\0.note.stapsdt\0.shstrtab\0";
  const bytes = new Uint8Array(0x2000 + notes.length + 300);
  const view = new DataView(bytes.buffer);
  const [notesAt, namesAt, headersAt] = [0x2000, 0x2000 + notes.length, 0x2000 + notes.length + 64];
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  [2, 62].forEach((v, i) => view.setUint16(16 + 2 * i, v, true));
  view.setUint32(20, 1, true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, BigInt(headersAt), true);
  [64, 56, 1, 64, 3, 2].forEach((v, i) => view.setUint16(52 + 2 * i, v, true));
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  [0x1000, 0x401000, 0x401000, 0x1000, 0x1000, 0x1000].forEach((v, i) =>
    view.setBigUint64(72 + 8 * i, BigInt(v), true)
  );
  bytes.set(notes, notesAt);
  bytes.set(new TextEncoder().encode(names), namesAt);
  const section = (i: number, name: number, type: number, offset: number, size: number) => {
    view.setUint32(headersAt + 64 * i, name, true);
    view.setUint32(headersAt + 64 * i + 4, type, true);
    view.setBigUint64(headersAt + 64 * i + 24, BigInt(offset), true);
    view.setBigUint64(headersAt + 64 * i + 32, BigInt(size), true);
  };
  section(1, 1, 7, notesAt, notes.length);
  section(2, 15, 3, namesAt, names.length);
  return bytes;
}

function note(location: number, text: string): Uint8Array {
  const strings = new TextEncoder().encode(text);
  const size = 24 + strings.length;
  const bytes = new Uint8Array(20 + Math.ceil(size / 4) * 4);
  const view = new DataView(bytes.buffer);
  [8, size, 3].forEach((v, i) => view.setUint32(4 * i, v, true));
  bytes.set(new TextEncoder().encode("stapsdt\0"), 12);
  view.setBigUint64(20, BigInt(location), true);
  bytes.set(strings, 44);
  return bytes;
}

test("usdtNotes() gives places in the file", () => {
  const found = usdtNotes(readElf(fileWithNotes(note(0x401010, "p\0n\0" + "8@%rax\0")), "x"));
  assertEquals(found, [
    { provider: "p", name: "n", args: "8@%rax", address: 0x401010n, offset: 0x1010, semaphore: 0 },
  ]);
});

test("usdtNotes() refuses damaged notes", () => {
  const read = (notes: Uint8Array) => () => usdtNotes(readElf(fileWithNotes(notes), "x"));
  assertThrows(read(note(0x500000, "p\0n\0\0")), FormatError, "no executable segment");
  assertThrows(read(note(0x401010, "p\0n")), FormatError);
  const good = note(0x401010, "p\0n\0\0");
  for (let end = 12; end < good.length; end++) {
    try {
      usdtNotes(readElf(fileWithNotes(good.subarray(0, end)), "x"));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  const huge = good.slice();
  new DataView(huge.buffer).setUint32(4, 0xffffffff, true);
  assertThrows(read(huge), FormatError, "cut off");
});
