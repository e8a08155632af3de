/**
 * An object with jump tables, as clang 22 makes them of a `switch` (`-mcpu=v4`): older compilers, those of this project's
 * test data among them, have no `gotox`. Two programs in one section, so that the second does not start at its
 * beginning: `plain`, and `switched`, which goes by a table of its own and by one of a function in `.text` that is the
 * second piece of the program. `switched` returns 10 + n + 100 * (n + 1) for n, the lowest two bits of the packet's length.
 */
import { assemble } from "../../src/asm/text.ts";
import { encodeInsns } from "../../src/asm/insn.ts";
import {
  R_BPF_64_32,
  R_BPF_64_64,
  SHF_ALLOC,
  SHF_EXECINSTR,
  STB_GLOBAL,
  STB_LOCAL,
  STT_FUNC,
  STT_NOTYPE,
  STT_SECTION,
} from "../../src/abi/elf.ts";
import { writeElf } from "../../src/object/elf_write.ts";

const PLAIN = ["r0 = 1", "exit"];

/** From the index in r2 to four ends; `jump` slots in, all before it are single but the load of the address. */
function byTable(
  before: readonly string[],
  ends: readonly (readonly string[])[],
): { lines: string[]; targets: number[] } {
  const lines = [...before, "r2 <<= 3", "r1 = 0 ll", "r1 += r2", "r1 = *(u64 *)(r1 + 0)", "gotox r1"];
  const targets: number[] = [];
  for (const end of ends) {
    targets.push(lines.length + 1); // The load of the address takes two slots.
    lines.push(...end);
  }
  return { lines, targets };
}

const SWITCHED = byTable(
  // A byte of the call's own: the index again, after the call has taken the registers.
  ["r6 = *(u32 *)(r1 + 0)", "r6 &= 3", "r1 = r6", "call pc -1", "r7 = r0", "r2 = r6"],
  [0, 1, 2, 3].map((n) => [`r0 = ${10 + n}`, "r0 += r7", "exit"]),
);
const LEAF = byTable(["r2 = r1", "r2 &= 3"], [0, 1, 2, 3].map((n) => [`r0 = ${100 * (n + 1)}`, "exit"]));

const SLOT = 8;
const code = (lines: readonly string[]): Uint8Array => encodeInsns(assemble(lines.join("\n")));
const address = (lines: readonly string[]): number => lines.indexOf("r1 = 0 ll") * SLOT;

/** The object; `change` may spoil the entries of the tables, byte offsets in their function's section. */
export function jumpTableObject(change: (entries: BigUint64Array) => void = () => {}): Uint8Array {
  const plain = code(PLAIN);
  const switched = code(SWITCHED.lines);
  const leaf = code(LEAF.lines);
  const filler = code(["exit"]);
  const section = new Uint8Array([...plain, ...switched]);
  const entries = new BigUint64Array([
    ...SWITCHED.targets.map((slot) => BigInt(plain.length + slot * SLOT)),
    ...LEAF.targets.map((slot) => BigInt(filler.length + slot * SLOT)),
  ]);
  change(entries);
  const [MAIN, TEXT, TABLES] = [1, 2, 3];
  const local = { bind: STB_LOCAL, value: 0, size: 0, name: "" };
  const global = { bind: STB_GLOBAL, type: STT_FUNC };
  return writeElf({
    endian: "little",
    sections: [
      {
        name: "socket",
        flags: SHF_ALLOC | SHF_EXECINSTR,
        align: SLOT,
        bytes: section,
        relocations: [
          { offset: plain.length + SWITCHED.lines.indexOf("call pc -1") * SLOT, symbol: 3, type: R_BPF_64_32 },
          { offset: plain.length + address(SWITCHED.lines), symbol: 0, type: R_BPF_64_64 },
        ],
      },
      {
        name: ".text",
        flags: SHF_ALLOC | SHF_EXECINSTR,
        align: SLOT,
        bytes: new Uint8Array([...filler, ...leaf]),
        relocations: [{ offset: filler.length + address(LEAF.lines), symbol: 1, type: R_BPF_64_64 }],
      },
      { name: ".jumptables", align: 8, bytes: new Uint8Array(entries.buffer) },
      { name: "license", bytes: new TextEncoder().encode("GPL\0") },
    ],
    symbols: [
      { ...local, name: "BPF.JT.0.0", size: 4 * SLOT, type: STT_NOTYPE, section: TABLES },
      { ...local, name: "BPF.JT.1.0", size: 4 * SLOT, value: 4 * SLOT, type: STT_NOTYPE, section: TABLES },
      { ...local, type: STT_SECTION, section: MAIN },
      { ...global, name: "leaf", value: filler.length, size: leaf.length, section: TEXT },
      { ...global, name: "plain", value: 0, size: plain.length, section: MAIN },
      { ...global, name: "switched", value: plain.length, size: switched.length, section: MAIN },
      { ...global, name: "filler", value: 0, size: filler.length, section: TEXT },
    ],
  });
}
