/** Runs a compiled random program in the interpreter. */
import type { CompileOutput } from "../../../src/compiler/definitions.ts";
import type { ObjectSpec } from "../../../src/object/spec.ts";
import { programCode } from "../../compiler/support/run.ts";
import { machineTarget } from "../../support/bpf_link.ts";
import { Machine } from "../../support/bpf_machine.ts";
import { runBpf } from "../../support/bpf_vm.ts";
import { hex, type Outcome } from "./outcome.ts";
import type { RandomProgram } from "./program.ts";
import { layoutOf, MAPS } from "./shapes.ts";

export function interpret(program: RandomProgram, { spec }: CompileOutput, words: readonly bigint[]): Outcome {
  const machine = new Machine();
  for (const map of spec.maps) addMap(machine, map);
  words.forEach((word, i) => machine.view.setBigUint64(machine.ctx + i * 8, word, true));
  const r0 = runBpf(machine, programCode(spec, machineTarget(machine)), [BigInt(machine.ctx)]);
  return {
    result: BigInt.asIntN(64, r0),
    globals: Object.fromEntries(
      program.globals.map((name) => [name, hex(globalOf(spec, name, (s) => machine.contents(s)))]),
    ),
    maps: Object.fromEntries(
      program.maps.filter((name) => name !== "ring").map((name) => [name, entriesOf(machine, name)]),
    ),
    records: recordsOf(machine),
  };
}

function addMap(machine: Machine, { name, keySize, valueSize, maxEntries, data }: ObjectSpec["maps"][number]): void {
  const kind = MAPS[name]?.kind ?? "array";
  if (kind.includes("hash")) machine.addHash(name, keySize, valueSize, maxEntries);
  else if (kind === "queue" || kind === "stack") machine.addQueue(name, valueSize, maxEntries, kind === "stack");
  else machine.addMap(name, valueSize, maxEntries);
  if (data !== undefined) machine.memory.set(data, machine.map(name).address);
}

/** The bytes of a global, out of those of its section. */
export function globalOf(spec: ObjectSpec, name: string, section: (name: string) => Uint8Array): Uint8Array {
  const btf = spec.btf!;
  for (const sectionName of [".bss", ".data", ".rodata"]) {
    const id = btf.find(sectionName, "DATASEC");
    const datasec = id === undefined ? undefined : btf.type(id);
    if (datasec?.kind !== "DATASEC") continue;
    const entry = datasec.vars.find((v) => btf.nameOf(v.type) === name);
    if (entry !== undefined) return section(sectionName).slice(entry.offset, entry.offset + entry.size);
  }
  throw new Error(`No global "${name}"`);
}

function entriesOf(machine: Machine, name: string): Record<string, string> {
  const { items, queue, valueSize, entries, address } = machine.map(name);
  const value = (at: number): string => hex(machine.memory.slice(at, at + valueSize));
  if (queue !== undefined) return Object.fromEntries(queue.map((bytes, i) => [String(i), hex(bytes)]));
  if (items !== undefined) {
    return Object.fromEntries(
      [...items].map(([key, at]) => [hex(Uint8Array.from(key.split(","), Number)), value(at)]),
    );
  }
  const step = Math.ceil(valueSize / 8) * 8;
  return Object.fromEntries(
    Array.from(
      { length: entries },
      (_, i) => [hex(new Uint8Array(new Uint32Array([i]).buffer)), value(address + i * step)],
    ),
  );
}

function recordsOf({ records }: Machine): string[] {
  const { size } = layoutOf(MAPS["ring"]!.value);
  return Array.from(
    { length: records.length / size },
    (_, i) => hex(Uint8Array.from(records.slice(i * size, (i + 1) * size))),
  );
}
