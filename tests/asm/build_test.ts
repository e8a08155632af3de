import { assertEquals, assertThrows } from "@std/assert";
import { NotFoundError } from "../../src/errors.ts";
import { Builder, r0, r1, r10, r2 } from "../../src/asm/build.ts";
import { helperId } from "../../src/asm/helpers.ts";
import { disassemble } from "../../src/asm/text.ts";
import { test } from "../support/harness.ts";

test("`Builder` resolves labels over two-slot instructions, forwards and backwards", () => {
  const program = new Builder()
    .label("top").mov(r0, 0).jmp("jeq", r1, 0, "out").imm64(r2, 1n << 40n).jmp32("jlt", r1, r2, "top").goto("out")
    .gotol("top").mayGoto("out").callFunc("fn").label("out").exit().label("fn").func(r1, "fn").exit();
  assertEquals(
    disassemble(program.insns()),
    `0: r0 = 0x0
1: if r1 == 0x0 goto +0x7
2: r2 = 0x10000000000 ll
4: if w1 < w2 goto -0x5
5: goto +0x3
6: gotol -0x7
7: may_goto +0x1
8: call pc +0x1
9: exit
10: r1 = func -0x1 0x0 ll
12: exit
`,
  );
});

test("`Builder` makes loads, stores, atomics, conversions and calls", () => {
  const program = new Builder()
    .load(32, r0, r1, 4).loadSigned(8, r0, r1, -1).store(64, r10, -8, r1).store(16, r10, -2, 7)
    .atomic("fetch_add", 64, r10, -8, r2).loadAcquire(32, r0, r1, 0).storeRelease(8, r1, 0, r0)
    .endian("be", 16, r0).neg(r0, 32).movsx(16, r0, r2).mapFd(r1, 5).mapValue(r1, 5, 16)
    .call("map_lookup_elem").call(14).callKfunc(1234, 2);
  assertEquals(
    disassemble(program.insns()).split("\n").map((l) => l.replace(/^\d+: /, "")),
    [
      "r0 = *(u32 *)(r1 + 0x4)",
      "r0 = *(s8 *)(r1 - 0x1)",
      "*(u64 *)(r10 - 0x8) = r1",
      "*(u16 *)(r10 - 0x2) = 0x7",
      "r2 = atomic_fetch_add((u64 *)(r10 - 0x8), r2)",
      "w0 = load_acquire((u32 *)(r1 + 0x0))",
      "store_release((u8 *)(r1 + 0x0), w0)",
      "r0 = be16 r0",
      "w0 = -w0",
      "r0 = (s16)r2",
      "r1 = map_fd 0x5 0x0 ll",
      "r1 = map_value 0x5 0x10 ll",
      "call 0x1",
      "call 0xe",
      "call kfunc 0x4d2 from 2",
      "",
    ],
  );
});

test("`Builder` names what is wrong with a label or helper", () => {
  assertThrows(() => new Builder().goto("ou").label("out").exit().insns(), NotFoundError, 'did you mean "out"');
  assertThrows(() => new Builder().label("a").label("a"), TypeError, 'label "a"');
  const far = new Builder().goto("out");
  for (let i = 0; i < 0x8000; i++) far.mov(r0, 0);
  assertThrows(() => far.label("out").insns(), RangeError, "do not fit 16 bits");
  assertEquals(helperId("bpf_ringbuf_output"), 130);
  assertThrows(() => helperId("ringbuf_outptu"), NotFoundError, "ringbuf_output");
});
