/** Runs random programs in the kernel, by BPF_PROG_TEST_RUN. */
import type { CompileFacts, CompileOutput } from "../../../src/compiler/definitions.ts";
import type { CompileOptions } from "../../../src/compiler/codegen/codegen.ts";
import { loadObject } from "../../../src/load/load.ts";
import type { LoadedObject } from "../../../src/load/object.ts";
import { Ring } from "../../../src/maps/ring.ts";
import { MachineFacts } from "../../../src/script/facts.ts";
import {
  mapDelete,
  mapLookup,
  mapLookupAndDelete,
  mapNextKey,
  mapUpdate,
  progTestRun,
} from "../../../src/syscall/bpf.ts";
import { compileScript, type Script } from "../../compiler/support/compile.ts";
import { withoutType } from "../../compiler/support/kernel.ts";
import { globalOf } from "./interpret.ts";
import { hex, type Outcome } from "./outcome.ts";
import type { RandomProgram } from "./program.ts";
import { MAPS } from "./shapes.ts";

type LoadedMap = NonNullable<ReturnType<LoadedObject["maps"]["get"]>>;

/** Compiles for this machine, loads, runs. Facts of the machine are read once. */
export class KernelRunner implements Disposable {
  readonly #facts = new MachineFacts();
  readonly #btf: CompileFacts["kernelBtf"];

  /** `missing`: a type that programs find lacking, as on an older kernel. */
  constructor(missing?: string) {
    const { kernelBtf } = this.#facts;
    this.#btf = kernelBtf === undefined || missing === undefined ? kernelBtf : withoutType(kernelBtf, missing);
  }

  compile(script: Script, options: CompileOptions = {}): CompileOutput {
    const facts = this.#facts;
    return compileScript(script, {
      arch: facts.arch,
      cpu: 3,
      oldVerifiers: facts.oldVerifiers,
      pageSize: facts.pageSize,
      possibleCpus: facts.possibleCpus,
      kernelBtf: this.#btf,
      tracepoint: (category, name) => facts.tracepoint(category, name),
      has: (feature) => facts.has(feature),
    }, options);
  }

  /** One outcome for each run of the program, each from a fresh state. Throws `VerifierError`. */
  run(program: RandomProgram, output: CompileOutput): Outcome[] {
    using object = loadObject(output.spec);
    const fd = [...object.programs.values()][0]!.fd;
    return program.runs.map((words) => {
      reset(object);
      const ctx = new Uint8Array(new BigUint64Array(words).buffer);
      const { retval } = progTestRun(fd, { ctx, ctxSizeOut: 0 });
      return outcomeOf(program, object, BigInt(retval), this.#facts.possibleCpus);
    });
  }

  [Symbol.dispose](): void {
    this.#facts[Symbol.dispose]();
  }
}

const kindOf = (name: string): string => MAPS[name]?.kind ?? "array";

/** Maps and globals as they were when the object was loaded. */
function reset(object: LoadedObject): void {
  for (const [name, map] of object.maps) {
    const { spec, fd } = map;
    if (spec.data !== undefined) {
      if (name !== ".rodata") mapUpdate(fd.number, new Uint8Array(4), spec.data);
    } else if (name === ".bss") mapUpdate(fd.number, new Uint8Array(4), new Uint8Array(spec.valueSize));
    else if (kindOf(name).includes("hash")) { for (const key of keysOf(map)) mapDelete(fd.number, key); }
    else if (name === "fifo" || name === "lifo") {
      while (mapLookupAndDelete(fd.number, undefined, new Uint8Array(spec.valueSize)));
    } else if (name === "table") {
      for (const key of keysOf(map)) mapUpdate(fd.number, key, new Uint8Array(spec.valueSize));
    } else if (name === "slots") {
      for (const key of keysOf(map)) mapUpdate(fd.number, key, new Uint8Array(perCpuSize(map, 256)));
    }
  }
}

function keysOf({ spec, fd }: LoadedMap): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (;;) {
    const next = new Uint8Array(spec.keySize);
    if (!mapNextKey(fd.number, keys.at(-1), next)) return keys;
    keys.push(next);
  }
}

function perCpuSize({ spec }: LoadedMap, cpus: number): number {
  return Math.ceil(spec.valueSize / 8) * 8 * cpus;
}

function outcomeOf(program: RandomProgram, object: LoadedObject, result: bigint, cpus: number): Outcome {
  const section = (name: string): Uint8Array => {
    const { spec, fd } = object.maps.get(name)!;
    const bytes = new Uint8Array(spec.valueSize);
    mapLookup(fd.number, new Uint8Array(4), bytes);
    return bytes;
  };
  const ring = object.maps.get("ring");
  return {
    result,
    globals: Object.fromEntries(program.globals.map((name) => [name, hex(globalOf(object.spec, name, section))])),
    maps: Object.fromEntries(
      program.maps.filter((name) => name !== "ring").map((
        name,
      ) => [name, entriesOf(name, object.maps.get(name)!, cpus)]),
    ),
    records: ring === undefined ? [] : recordsOf(ring),
  };
}

function entriesOf(name: string, map: LoadedMap, cpus: number): Record<string, string | string[]> {
  const { spec, fd } = map;
  const kind = kindOf(name);
  if (kind === "queue" || kind === "stack") return elementsOf(map, kind === "stack");
  const perCpu = kind.includes("percpu");
  return Object.fromEntries(
    keysOf(map).map((key) => {
      const bytes = new Uint8Array(perCpu ? perCpuSize(map, cpus) : spec.valueSize);
      mapLookup(fd.number, key, bytes);
      const step = Math.ceil(spec.valueSize / 8) * 8;
      const values = Array.from({ length: cpus }, (_, i) => hex(bytes.slice(i * step, i * step + spec.valueSize)));
      return [hex(key), perCpu ? values : hex(bytes)];
    }),
  );
}

/** Takes everything out; the oldest first. */
function elementsOf({ spec, fd }: LoadedMap, lastFirst: boolean): Record<string, string> {
  const items: string[] = [];
  for (;;) {
    const value = new Uint8Array(spec.valueSize);
    if (!mapLookupAndDelete(fd.number, undefined, value)) break;
    items.push(hex(value));
  }
  if (lastFirst) items.reverse();
  return Object.fromEntries(items.map((item, i) => [String(i), item]));
}

function recordsOf({ spec, fd }: LoadedMap): string[] {
  using ring = new Ring(fd.number, spec.maxEntries);
  const records: string[] = [];
  ring.scan((view, offset, length) => {
    records.push(hex(new Uint8Array(view.buffer, view.byteOffset + offset, length)));
  });
  return records;
}
