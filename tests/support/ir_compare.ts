/** Runs one random program in several ways and says where the results differ. */
import { compileFunction } from "../../src/compiler/codegen/codegen.ts";
import type { CompileOptions, FunctionCode } from "../../src/compiler/codegen/codegen.ts";
import { linkFunctions, machineTarget } from "./bpf_link.ts";
import { Machine } from "./bpf_machine.ts";
import { runBpf } from "./bpf_vm.ts";
import { evaluate } from "./ir_eval.ts";
import { ARRAY_ENTRIES, ARRAY_VALUE, CTX_SIZE, GLOBALS_SIZE, Random, randomModule } from "./ir_random.ts";

/** What a run leaves behind. */
export interface Outcome {
  readonly result: bigint;
  readonly ctx: Uint8Array;
  readonly globals: Uint8Array;
  readonly array: Uint8Array;
  /** Records of the ring buffer; undefined from the kernel, which is not asked. */
  readonly records: readonly number[] | undefined;
}

/** The memory that program `seed` starts with. */
export function startMemory(seed: number): { ctx: Uint8Array; globals: Uint8Array; array: Uint8Array } {
  const random = new Random(seed ^ 0x1234567);
  const bytes = (length: number) => {
    const out = new Uint8Array(length);
    const view = new DataView(out.buffer);
    for (let i = 0; i < length; i += 8) view.setBigUint64(i, BigInt.asUintN(64, random.value()), true);
    return out;
  };
  return { ctx: bytes(CTX_SIZE), globals: bytes(GLOBALS_SIZE), array: bytes(ARRAY_VALUE * ARRAY_ENTRIES) };
}

/** A machine with that memory. */
export function startMachine(seed: number): Machine {
  const machine = new Machine();
  const { ctx, globals, array } = startMemory(seed);
  machine.memory.set(ctx, machine.ctx);
  machine.memory.set(globals, machine.addMap("globals", GLOBALS_SIZE, 1).address);
  machine.memory.set(array, machine.addMap("array", ARRAY_VALUE, ARRAY_ENTRIES).address);
  machine.addMap("ring", 8, 1);
  return machine;
}

function outcome(machine: Machine, result: bigint): Outcome {
  return {
    result,
    ctx: machine.memory.slice(machine.ctx, machine.ctx + CTX_SIZE),
    globals: machine.contents("globals"),
    array: machine.contents("array"),
    records: machine.records,
  };
}

/** The program as its IR says. */
export function evaluateSeed(seed: number): Outcome {
  const machine = startMachine(seed);
  return outcome(machine, evaluate(machine, randomModule(seed), "main", [BigInt(machine.ctx)]));
}

/** The program's functions, compiled. */
export function compileSeed(seed: number, options: CompileOptions): Map<string, FunctionCode> {
  const compiled = new Map<string, FunctionCode>();
  for (const [name, fn] of randomModule(seed)) compiled.set(name, compileFunction(fn, options));
  // Optimisation may have removed the only call, and the verifier refuses functions that nobody calls.
  if (!compiled.get("main")!.relocations.some((relocation) => relocation.kind === "call")) compiled.delete("helper");
  return compiled;
}

/** The compiled program in the interpreter. */
export function interpret(seed: number, functions: ReadonlyMap<string, FunctionCode>): Outcome {
  const machine = startMachine(seed);
  const result = runBpf(machine, linkFunctions(functions, machineTarget(machine)), [BigInt(machine.ctx)]);
  return outcome(machine, result);
}

/** The first difference, or undefined. `bits` of the result are compared: the kernel gives 32. */
export function difference(wanted: Outcome, got: Outcome, bits = 64): string | undefined {
  if (BigInt.asUintN(bits, wanted.result) !== BigInt.asUintN(bits, got.result)) {
    return `result ${got.result}, wanted ${wanted.result}`;
  }
  for (const part of ["ctx", "globals", "array"] as const) {
    const at = wanted[part].findIndex((byte, i) => byte !== got[part][i]);
    if (at >= 0) return `${part} byte ${at} is ${got[part][at]}, wanted ${wanted[part][at]}`;
  }
  const [sent, expected] = [got.records, wanted.records];
  if (sent !== undefined && String(sent) !== String(expected)) return `records ${sent}, wanted ${expected}`;
  return undefined;
}
