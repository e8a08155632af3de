import { FunctionBuilder } from "../../../src/compiler/ir/builder.ts";
import { parseIr } from "../../../src/compiler/ir/parse.ts";
import { printFunction } from "../../../src/compiler/ir/text.ts";
import { verifyFunction } from "../../../src/compiler/ir/verify.ts";
import { Machine } from "../../support/bpf_machine.ts";
import { evaluate } from "../../support/ir_eval.ts";
import { randomModule } from "../../support/ir_random.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { test } from "../../support/harness.ts";

/** sum of 0 to n - 1, where n comes as parameter. */
function sum(): FunctionBuilder {
  const b = new FunctionBuilder("sum", { params: 1 });
  const [i, total] = [b.newLocal("i"), b.newLocal("total")];
  b.setLocal(i, b.const(0n));
  b.setLocal(total, b.const(0n));
  const [head, body, end] = [b.newBlock(), b.newBlock(), b.newBlock()];
  b.jump(head);
  b.setBlock(head);
  b.branchIf("ult", b.getLocal(i), b.param(0), body, end);
  b.seal(body);
  b.setBlock(body);
  b.setLocal(total, b.add(b.getLocal(total), b.getLocal(i)));
  b.setLocal(i, b.add(b.getLocal(i), b.const(1n)));
  b.jump(head);
  b.seal(head);
  b.seal(end);
  b.setBlock(end);
  b.ret(b.getLocal(total));
  return b;
}

test("FunctionBuilder makes phis for locals that change in a loop, and only for those", () => {
  const fn = sum().finish();
  verifyFunction(fn);
  assertEquals(printFunction(fn).match(/phi/g)?.length, 2);
  assertEquals(evaluate(new Machine(), new Map([["sum", fn]]), "sum", [10n]), 45n);
});

test("FunctionBuilder drops what follows a return", () => {
  const b = new FunctionBuilder("f", { params: 0 });
  const local = b.newLocal("x");
  b.setLocal(local, b.const(1n));
  b.ret(b.getLocal(local));
  b.setLocal(local, b.add(b.getLocal(local), b.const(1n)));
  b.ret(b.getLocal(local));
  const fn = b.finish();
  verifyFunction(fn);
  assertEquals(printFunction(fn), "function f global params 0\nb0:\n  ret 1\n");
});

test("FunctionBuilder gives 0 for a local that was never set", () => {
  const b = new FunctionBuilder("f", { params: 0 });
  b.ret(b.getLocal(b.newLocal("x")));
  assertEquals(printFunction(b.finish()), "function f global params 0\nb0:\n  ret 0\n");
});

test("FunctionBuilder.seal() refuses a jump to a sealed block", () => {
  const b = new FunctionBuilder("f", { params: 0 });
  const block = b.newBlock();
  b.seal(block);
  assertThrows(() => b.jump(block), Error, "sealed before a jump");
});

test("FunctionBuilder.finish() refuses open blocks", () => {
  const b = new FunctionBuilder("f", { params: 0 });
  assertThrows(() => b.finish(), Error, "no terminator");
});

test("FunctionBuilder refuses more parameters and arguments than registers", () => {
  assertThrows(() => new FunctionBuilder("f", { params: 6 }), RangeError, "at most 5");
  const b = new FunctionBuilder("f", { params: 1 });
  assertThrows(() => b.param(1), RangeError, "parameter 1");
  assertThrows(() => b.callFunction("g", new Array(6).fill(b.param(0))), RangeError, "6 arguments");
});

test("parseIr() reads what printFunction() writes", () => {
  for (let seed = 1; seed <= 100; seed++) {
    for (const fn of randomModule(seed).values()) {
      const text = printFunction(fn);
      const [read] = parseIr(text);
      verifyFunction(read!);
      assertEquals(printFunction(read!), text);
    }
  }
});

test("parseIr() names the line of what it cannot read", () => {
  const head = "function f global params 0\nb0:\n";
  assertThrows(() => parseIr(`${head}  v0 = frob 1\n  ret v0\n`), Error, "IR line 3: unknown operation");
  assertThrows(() => parseIr(`${head}  ret v7\n`), Error, "unknown value v7");
  assertThrows(() => parseIr(`${head}  v0 = load u32 [&s+0]\n  ret v0\n`), Error, "unknown slot");
});
