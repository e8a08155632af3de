import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { FormatError } from "../../src/errors.ts";
import { decodeInsns, encodeInsns, type Insn } from "../../src/asm/insn.ts";
import { LDIMM64, opcodes, type OpDef } from "../../src/asm/opcodes.ts";
import { assemble, disassemble, formatInsn } from "../../src/asm/text.ts";
import { skippedTest, test } from "../support/harness.ts";

/** An instruction of the row with a value in every free field. */
function sample(row: OpDef, seed = 0): Insn {
  const free = (pattern: RegExp) => pattern.test(row.syntax);
  const insn: Insn = {
    code: row.code,
    dst: free(/\$[wxym]?d/) ? 1 + seed : 0,
    src: row.src ?? (free(/\$[wxym]?s/) ? 2 + seed : 0),
    off: row.off ?? (free(/\$[mjo]/) ? (seed % 2 === 0 ? 0x18 : -8) : 0),
    imm: row.imm ?? (free(/\$a/) ? 1 : free(/\$[iJc]/) ? (seed % 2 === 0 ? 42 : 7) : 0),
  };
  if (row.code === LDIMM64) insn.imm64 = free(/\$I/) ? 0x123456789abcdefn : BigInt(insn.imm) | 5n << 32n;
  if (insn.imm64 !== undefined) insn.imm = Number(BigInt.asIntN(32, insn.imm64));
  return insn;
}

test("`opcodes()` has no two rows that match the same instruction", () => {
  const seen = new Map<string, string>();
  for (const row of opcodes()) {
    const key = JSON.stringify([row.code, row.src ?? "any", row.off ?? "any", row.imm ?? "any"]);
    assertEquals(seen.get(key), undefined, `${row.name} and ${seen.get(key)}`);
    seen.set(key, row.name);
  }
});

test("`assemble()` reads back every row that `formatInsn()` writes, in both byte orders", () => {
  for (const row of opcodes()) {
    for (const seed of [0, 1, 7]) {
      const insn = sample(row, seed);
      for (const endian of ["little", "big"] as const) {
        const bytes = encodeInsns([insn], endian);
        const text = formatInsn(decodeInsns(bytes, endian)[0]!);
        assertEquals(text.startsWith(".insn"), false, row.name);
        assertEquals(encodeInsns(assemble(text), endian), bytes, `${row.name}: ${text}`);
      }
    }
  }
});

test("`formatInsn()` writes unknown instructions as raw fields that `assemble()` reads back", () => {
  const insn: Insn = { code: 0xff, dst: 3, src: 4, off: -5, imm: -6 };
  assertEquals(formatInsn(insn), ".insn 0xff 3 4 -5 -6");
  assertEquals(assemble(".insn 0xff 3 4 -5 -6"), [insn]);
});

/** What LLVM 19 does not know, or writes so that a call of a helper and of a function look alike. */
const NOT_LLVM = /^(gotox|goto_or_nop|call_|callx|load_acq|store_rel|ldimm64_|ldind\d+_imm|may_goto)/;

function llvm(tool: string, args: string[], input?: string) {
  return spawnSync(`${tool}-19`, args, { input, encoding: "utf8", maxBuffer: 1 << 26 });
}

const haveLlvm = llvm("llvm-mc", ["--version"]).status === 0;
const judge = haveLlvm ? test : (name: string) => skippedTest(name, "needs llvm-mc-19");

judge("`formatInsn()` writes what llvm-mc assembles to the same bytes", () => {
  const rows = opcodes().filter((r) => !NOT_LLVM.test(r.name));
  const insns = rows.flatMap((row) => [sample(row), sample(row, 1)]);
  const text = insns.map((i) => formatInsn(i)).join("\n") + "\n";
  const dir = mkdtempSync(`${tmpdir()}/asm-`);
  try {
    writeFileSync(`${dir}/a.s`, text);
    const mc = llvm("llvm-mc", ["-triple=bpfel", "-mcpu=v4", "-filetype=obj", "-o", `${dir}/a.o`, `${dir}/a.s`]);
    assertEquals(mc.stderr, "");
    const dump = llvm("llvm-objdump", ["-d", "--mcpu=v4", `${dir}/a.o`]).stdout;
    const lines = dump.split("\n").map((l) => /^\s+\d+:\t([0-9a-f ]+)\t(.*)$/.exec(l)).filter((m) => m !== null);
    assertEquals(lines.length, insns.length);
    for (const [i, line] of lines.entries()) {
      // llvm-objdump splits the bytes of a 64-bit immediate over columns of one line.
      const bytes = line[1]!.trim().split(/\s+/).map((b) => parseInt(b, 16));
      assertEquals([...encodeInsns([insns[i]!])].slice(0, bytes.length), bytes, formatInsn(insns[i]!));
      // With -mcpu=v4 it names the lower halves in plain loads and stores: the same instruction.
      const theirs = line[2]!.replace(/<[^<>]*>$/, "").trim().replace(/^w(\d+) = \*\(u/, "r$1 = *(u");
      const ours = formatInsn(insns[i]!);
      assertEquals(theirs.replace(/^(\*.* )w(\d+)$/, "$1r$2"), ours);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("`assemble()` resolves labels, helpers by name and comments", () => {
  const insns = assemble(`
    // returns the pid, or 1
    r6 = r1            # keep it
    call bpf_get_current_pid_tgid
    r0 >>= 32
    if r0 != 0 goto out
    r1 = 0x1122334455667788 ll
    r0 = 1
  out:
    exit
  `);
  assertEquals(
    disassemble(insns),
    `0: r6 = r1
1: call 0xe
2: r0 >>= 0x20
3: if r0 != 0x0 goto +0x3
4: r1 = 0x1122334455667788 ll
6: r0 = 0x1
7: exit
`,
  );
});

test("`disassemble()` in kernel style writes like the verifier", () => {
  const insns = assemble("r2 = *(u64 *)(r10 - 8)\nif r1 == 5 goto -2\ncall 14\nw0 = 0\nr1 = 5 ll\nexit");
  assertEquals(
    disassemble(insns, { style: "kernel" }),
    `0: (79) r2 = *(u64 *)(r10 -8)
1: (15) if r1 == 5 goto pc-2
2: (85) call bpf_get_current_pid_tgid#14
3: (b4) w0 = 0
4: (18) r1 = 0x5 ll
6: (95) exit
`,
  );
});

test("`assemble()` says which line it cannot read", () => {
  const message = (text: string) => assertThrows(() => assemble(text, "a.s"), FormatError).message;
  assertStringIncludes(message("r0 = 0\nr0 =+ 1"), 'a.s: line 2: cannot read instruction "r0 =+ 1"');
  assertStringIncludes(message("r11 = 0"), "there is no register 11");
  assertStringIncludes(message("goto out"), 'label "out" is not defined');
  assertStringIncludes(message("a:\na:"), "defined twice");
  assertStringIncludes(message("r0 = 0x1ffffffff"), "does not fit 32 bits");
  assertStringIncludes(message("if r0 == 1 goto +40000"), "does not fit 16 bits");
  assertStringIncludes(message("call bpf_no_such"), 'there is no helper "bpf_no_such"');
});
