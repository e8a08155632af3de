import { compileFunction, placeFunctions } from "../../../src/compiler/codegen/codegen.ts";
import { FunctionBuilder } from "../../../src/compiler/ir/builder.ts";
import type { SourcePosition } from "../../../src/compiler/ir/ir.ts";
import { parseIr } from "../../../src/compiler/ir/parse.ts";
import { PASSES } from "../../../src/compiler/opt/pipeline.ts";
import { CompileError } from "../../../src/errors.ts";
import { linkFunctions, machineTarget } from "../../support/bpf_link.ts";
import { Machine } from "../../support/bpf_machine.ts";
import { runBpf } from "../../support/bpf_vm.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { test } from "../../support/harness.ts";

function at(line: number): SourcePosition {
  return { file: "script.ts", line, column: 3, text: `line ${line}` };
}

test("compileFunction() gives the first instruction a line, and one where the line changes", () => {
  const b = new FunctionBuilder("f", { params: 1 });
  b.at(at(10));
  const x = b.load(8, b.param(0), 0);
  b.at(at(11));
  b.store(8, b.param(0), 8, b.add(x, x));
  b.store(8, b.param(0), 16, b.add(x, b.const(1n)));
  b.at(at(12));
  b.ret(b.const(0n));
  const { lines } = compileFunction(b.finish());
  assertEquals(lines.map(({ insn, line }) => [insn, line]), [[0, 10], [1, 11], [6, 12]]);
  assertEquals(lines[0], { insn: 0, file: "script.ts", text: "line 10", line: 10, column: 3 });
});

test("compileFunction() names the slots that make the stack too large", () => {
  const b = new FunctionBuilder("big", { params: 1 });
  b.at(at(4));
  const slots = [400, 200].map((size) => b.newSlot(`buffer${size}`, size));
  const addresses = slots.map((slot) => b.slotAddress(slot));
  for (const [i, slot] of slots.entries()) b.zero(addresses[i]!, 0, slot.size);
  b.callHelper(6, "trace", addresses);
  b.ret(b.const(0n));
  const error = assertThrows(() => compileFunction(b.finish()), CompileError, "600 bytes of stack");
  const [diagnostic] = (error as CompileError).diagnostics;
  assertEquals(diagnostic?.code, "stack-limit");
  assertStringIncludes(diagnostic!.text, '"buffer400" (400 bytes), "buffer200" (200 bytes)');
  assertEquals(diagnostic?.loc?.line, 4);
});

test("compileFunction() fits slots of different branches into one frame", () => {
  const b = new FunctionBuilder("branches", { params: 1 });
  const end = b.newBlock();
  for (let i = 0; i < 4; i++) {
    const [yes, no] = [b.newBlock(), b.newBlock()];
    b.branchIf("eq", b.param(0), b.const(i), yes, no);
    b.seal(yes);
    b.seal(no);
    b.setBlock(yes);
    const slot = b.slotAddress(b.newSlot(`part${i}`, 256));
    b.zero(slot, 0, 256);
    b.callHelper(6, "trace", [slot, b.const(256)]);
    b.jump(end);
    b.setBlock(no);
  }
  b.jump(end);
  b.seal(end);
  b.setBlock(end);
  b.ret(b.const(0n));
  assertEquals(compileFunction(b.finish()).stackBytes, 256);
});

test("compileFunction() shows the IR after each pass", () => {
  const [fn] = parseIr("function f global params 0\nb0:\n  v0 = add 1, 2\n  ret v0\n");
  const seen: string[] = [];
  let last = "";
  compileFunction(fn!, {
    dump: (pass, text) => {
      seen.push(pass);
      last = text;
    },
  });
  assertEquals(seen, ["input", ...PASSES.map((pass) => pass.name)]);
  assertStringIncludes(last, "ret 3");
});

test("placeFunctions() puts sections and offsets for names", () => {
  const [fn] = parseIr(
    "function f global params 0\nb0:\n  v0 = funcAddr cb\n  v1 = call function g(v0)\n  ret v1\n",
  );
  const { relocations } = compileFunction(fn!);
  assertEquals(placeFunctions(relocations, (name) => ({ section: ".text", offset: name === "g" ? 64 : 8 })), [
    { kind: "func", insn: 0, section: ".text", offset: 8 },
    { kind: "call", insn: 2, section: ".text", offset: 64 },
  ]);
});

/** `count` additions that cannot be folded, and a jump over them. */
function long(count: number): FunctionBuilder {
  const b = new FunctionBuilder("long", { params: 1 });
  const [body, end] = [b.newBlock(), b.newBlock()];
  const x = b.newLocal("x");
  b.setLocal(x, b.load(8, b.param(0), 0));
  b.jump(body);
  b.seal(body);
  b.setBlock(body);
  for (let i = 0; i < count; i++) {
    b.store(8, b.param(0), 8, b.getLocal(x));
    b.setLocal(x, b.load(8, b.param(0), 0));
  }
  b.jump(end);
  b.seal(end);
  b.setBlock(end);
  b.ret(b.getLocal(x));
  return b;
}

test("compileFunction() refuses what 16-bit jumps cannot cross, below cpu v4", () => {
  assertThrows(() => compileFunction(long(40_000).finish()), CompileError, "more than jumps");
  assert(compileFunction(long(40_000).finish(), { cpu: 4 }).insns.length > 0x7fff * 8);
});

test("runBpf() calls back for bpf_loop", () => {
  const text = `function main global params 1
slot total 8 align 8
b0:
  store u64 [&total+0], 0
  v1 = funcAddr each
  v2 = call helper 181 loop(5, v1, &total, 0)
  v3 = load u64 [&total+0]
  ret v3

function each static params 2
b0:
  v0 = param 0
  v1 = param 1
  v2 = load u64 [v1+0]
  v3 = add v2, v0
  store u64 [v1+0], v3
  ret 0
`;
  const machine = new Machine();
  const code = new Map(parseIr(text).map((fn) => [fn.name, compileFunction(fn)] as const));
  assertEquals(runBpf(machine, linkFunctions(code, machineTarget(machine)), [BigInt(machine.ctx)]), 10n);
});
