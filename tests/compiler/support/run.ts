/** Runs compiled programs in the interpreter: `raw_tp` programs whose arguments are the words of the context. */
import type { FunctionCode } from "../../../src/compiler/codegen/codegen.ts";
import type { CompileOutput } from "../../../src/compiler/definitions.ts";
import type { FunctionSpec, ObjectSpec } from "../../../src/object/spec.ts";
import { linkFunctions, type LinkTarget, machineTarget } from "../../support/bpf_link.ts";
import { Machine } from "../../support/bpf_machine.ts";
import { runBpf } from "../../support/bpf_vm.ts";

/** Runs the first program with these words as its context; gives r0 as a signed number, and the machine. */
export function runInVm(output: CompileOutput, words: readonly bigint[]): { result: bigint; machine: Machine } {
  const { spec } = output;
  const machine = new Machine();
  for (const map of spec.maps) {
    machine.addMap(map.name, map.valueSize, map.maxEntries);
    if (map.data !== undefined) machine.memory.set(map.data, machine.map(map.name).address);
  }
  words.forEach((word, i) => machine.view.setBigUint64(machine.ctx + i * 8, BigInt.asUintN(64, word), true));
  const r0 = runBpf(machine, programCode(spec, machineTarget(machine)), [BigInt(machine.ctx)]);
  return { result: BigInt.asIntN(64, r0), machine };
}

/** The first program of an object with the functions it calls, linked. */
export function programCode(spec: ObjectSpec, target: LinkTarget): Uint8Array {
  const functions = [spec.programs[0]!, ...spec.subprograms];
  return linkFunctions(new Map(functions.map((fn) => [fn.name, byName(fn, functions)])), target);
}

function byName(fn: FunctionSpec, functions: readonly FunctionSpec[]): FunctionCode {
  const nameOf = (section: string, offset: number): string =>
    functions.find((f) => f.section === section && f.offset === offset)!.name;
  const relocations = fn.relocations.map((r) =>
    "section" in r ? { kind: r.kind, insn: r.insn, name: nameOf(r.section, r.offset) } : r
  );
  return { insns: fn.insns, relocations, coreRelocations: fn.coreRelocations, lines: fn.lines, stackBytes: 0 };
}
