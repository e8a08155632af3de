/** The interpreter against values worked out by hand from the instruction set's specification. */
import { Builder, r0, r1, r10, r2, r3 } from "../../src/asm/build.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { Machine } from "./bpf_machine.ts";
import { runBpf } from "./bpf_vm.ts";
import { test } from "./harness.ts";

const run = (b: Builder, ...args: bigint[]): bigint => runBpf(new Machine(), b.bytes(), args);
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

test("runBpf() keeps 32-bit results below 2^32", () => {
  assertEquals(run(new Builder().mov(r0, -1).alu32("add", r0, 2).exit()), 1n);
  assertEquals(run(new Builder().mov32(r0, -1).exit()), 0xffffffffn);
  assertEquals(run(new Builder().mov(r0, -8).alu32("arsh", r0, 1).exit()), 0xfffffffcn);
});

test("runBpf() divides as the specification says", () => {
  assertEquals(run(new Builder().mov(r0, 7).mov(r1, 0).alu("div", r0, r1).exit()), 0n);
  assertEquals(run(new Builder().mov(r0, 7).mov(r1, 0).alu("mod", r0, r1).exit()), 7n);
  assertEquals(run(new Builder().mov(r0, -13).alu("sdiv", r0, 3).exit()), u64(-4n));
  assertEquals(run(new Builder().mov(r0, -13).alu("smod", r0, 3).exit()), u64(-1n));
  assertEquals(run(new Builder().mov(r0, -1).alu("div", r0, 2).exit()), 0x7fffffffffffffffn);
});

test("runBpf() extends, swaps, and compares halves", () => {
  assertEquals(run(new Builder().mov(r1, 0x80).movsx(8, r0, r1).exit()), u64(-128n));
  assertEquals(run(new Builder().mov(r0, 0x1234).endian("be", 16, r0).exit()), 0x3412n);
  assertEquals(run(new Builder().mov(r0, 0x12345678).endian("bswap", 64, r0).exit()), 0x7856341200000000n);
  const low = (b: Builder) => b.mov(r0, 1).jmp32("jeq", r1, -1, "end").mov(r0, 0).label("end").exit();
  assertEquals(run(low(new Builder()), 0x1_ffff_ffffn), 1n);
});

test("runBpf() loads and stores every size, sign-extending where asked", () => {
  const b = new Builder().store(64, r10, -8, -2).load(8, r0, r10, -8).loadSigned(16, r1, r10, -8).alu("add", r0, r1)
    .exit();
  assertEquals(run(b), 0xfen - 2n);
});

test("runBpf() does atomic operations and gives old values", () => {
  const b = new Builder().store(64, r10, -8, 5).mov(r1, 3).atomic("fetch_add", 64, r10, -8, r1)
    .mov(r0, 8).mov(r2, 1).atomic("cmpxchg", 64, r10, -8, r2).load(64, r3, r10, -8)
    .alu("lsh", r0, 8).alu("lsh", r1, 4).alu("or", r0, r1).alu("or", r0, r3).exit();
  assertEquals(run(b), 0x851n);
});

test("runBpf() destroys r1 to r5 in calls", () => {
  const b = new Builder().mov(r1, 1).callFunc("f").mov(r0, r1).exit().label("f").mov(r0, 2).exit();
  assertEquals(run(b), 0xdead_beef_dead_beefn);
});

test("runBpf() stops endless loops and bad code", () => {
  assertThrows(() => run(new Builder().label("a").goto("a")), Error, "Too many steps");
  assertThrows(() => run(new Builder().load(64, r0, r1, 0).exit(), 0n), RangeError, "Access");
  assertThrows(
    () => runBpf(new Machine(), new Uint8Array([0x18, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), []),
    Error,
    "Unresolved",
  );
});
