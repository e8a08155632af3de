import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { FormatError } from "../../src/errors.ts";
import { readElf } from "../../src/object/elf.ts";
import { writeElf } from "../../src/object/elf_write.ts";
import type { ElfDraft } from "../../src/object/elf_write.ts";
import {
  EM_BPF,
  R_BPF_64_64,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHT_NOBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STT_FUNC,
  STT_NOTYPE,
  STT_SECTION,
} from "../../src/abi/elf.ts";

function draft(endian: "little" | "big"): ElfDraft {
  return {
    endian,
    sections: [
      {
        name: "socket",
        flags: SHF_ALLOC | SHF_EXECINSTR,
        bytes: Uint8Array.from({ length: 24 }, (_, i) => i),
        relocations: [{ offset: 8, symbol: 2, type: R_BPF_64_64 }, { offset: 0, symbol: 1, type: R_BPF_64_64 }],
      },
      { name: ".bss", type: SHT_NOBITS, flags: SHF_ALLOC, size: 4096, align: 8 },
    ],
    symbols: [
      { name: "entry", value: 0, size: 24, bind: STB_GLOBAL, type: STT_FUNC, section: 1 },
      { name: "", value: 0, size: 0, bind: STB_LOCAL, type: STT_SECTION, section: 2 },
      { name: "missing", value: 0, size: 0, bind: STB_GLOBAL, type: STT_NOTYPE, section: 0 },
    ],
  };
}

for (const endian of ["little", "big"] as const) {
  test(`readElf() reads back what writeElf() wrote, ${endian} endian`, () => {
    const elf = readElf(writeElf(draft(endian)), "x.o");
    assertEquals(elf.endian, endian);
    assertEquals(elf.machine, EM_BPF);
    assertEquals(elf.sections.map((s) => s.name), ["", "socket", ".bss", ".relsocket", ".symtab", ".strtab"]);
    assertEquals([...elf.section("socket")!.bytes], Array.from({ length: 24 }, (_, i) => i));
    assertEquals(elf.section(".bss")!.size, 4096);
    assertEquals(elf.section(".bss")!.bytes.length, 0);
    assertEquals([...elf.symbols].map((s) => [s.name, s.bind, s.type, s.section, s.size]), [
      ["", STB_LOCAL, STT_SECTION, 2, 0],
      ["entry", STB_GLOBAL, STT_FUNC, 1, 24],
      ["missing", STB_GLOBAL, STT_NOTYPE, 0, 0],
    ]);
    const [rel] = elf.relocationSections();
    assertEquals(rel!.target.name, "socket");
    assertEquals([...elf.relocations(rel!.section)].map((r) => [r.offset, r.symbol, r.type]), [[0, 1, 1], [8, 3, 1]]);
  });
}

test("readElf() does not copy section bytes", () => {
  const bytes = writeElf(draft("little"));
  assertEquals(readElf(bytes).section("socket")!.bytes.buffer, bytes.buffer);
});

test("readElf() names what is wrong with the header", () => {
  const bytes = writeElf(draft("little"));
  const broken = (at: number, value: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  assertThrows(() => readElf(new Uint8Array(0), "e.o"), FormatError, "e.o: ELF header: does not start with");
  assertThrows(() => readElf(bytes.subarray(0, 40), "e.o"), FormatError, "needs 64 bytes");
  assertThrows(() => readElf(broken(4, 1)), FormatError, "is not 64-bit");
  assertThrows(() => readElf(broken(5, 7)), FormatError, "byte order 7");
  assertThrows(() => readElf(broken(58, 40)), FormatError, "section headers of 40 bytes");
  assertThrows(() => readElf(broken(60, 200)), FormatError, "need bytes");
});

test("readElf() turns every truncation and every flipped byte into FormatError or an answer", () => {
  const bytes = writeElf(draft("little"));
  const walk = (input: Uint8Array): void => {
    try {
      const elf = readElf(input, "fuzz.o");
      for (const s of elf.sections) void [s.name, s.bytes];
      for (const s of elf.symbols) void s.name;
      for (const r of elf.relocationSections()) for (const entry of elf.relocations(r.section)) void entry.offset;
      elf.segments();
    } catch (error) {
      assert(error instanceof FormatError, `${error}`);
    }
  };
  for (let length = 0; length < bytes.length; length++) walk(bytes.subarray(0, length));
  for (let i = 0; i < bytes.length; i++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const copy = bytes.slice();
      copy[i] = value;
      walk(copy);
    }
  }
});
