/** Loads compiled scripts into the kernel and runs their programs by BPF_PROG_TEST_RUN. */
import type { Btf } from "../../../src/btf/btf.ts";
import type { CompileFacts, CompileOutput } from "../../../src/compiler/definitions.ts";
import type { Layout } from "../../../src/bytes/layout.ts";
import { loadObject } from "../../../src/load/load.ts";
import type { LoadedObject } from "../../../src/load/object.ts";
import { MachineFacts } from "../../../src/script/facts.ts";
import { mapLookup, mapUpdate, progTestRun } from "../../../src/syscall/bpf.ts";
import { compileScript, type Script } from "./compile.ts";

/** A loaded script. Dispose it. */
export class Loaded implements Disposable {
  readonly output: CompileOutput;
  readonly object: LoadedObject;
  readonly #facts: MachineFacts;

  constructor(script: Script, over: Partial<CompileFacts> = {}) {
    this.#facts = new MachineFacts();
    const facts = this.#facts;
    try {
      this.output = compileScript(script, {
        arch: facts.arch,
        cpu: 3,
        oldVerifiers: facts.oldVerifiers,
        pageSize: facts.pageSize,
        possibleCpus: facts.possibleCpus,
        get kernelBtf() {
          return facts.kernelBtf;
        },
        tracepoint: (category, name) => facts.tracepoint(category, name),
        has: (feature) => facts.has(feature),
        ...over,
      });
      this.object = loadObject(this.output.spec);
    } catch (error) {
      facts[Symbol.dispose]();
      throw error;
    }
  }

  /** Runs a program; `words` are the context (raw_tp) or `data` the packet. Gives the 32-bit result. */
  run(
    words: readonly bigint[] = [],
    options: { program?: string; data?: Uint8Array; ctx?: Uint8Array } = {},
  ): { retval: number; data: Uint8Array } {
    const name = options.program ?? this.output.spec.programs[0]!.name;
    const program = this.object.programs.get(name)!;
    const ctx = options.ctx ?? new Uint8Array(new BigUint64Array(words.map((word) => BigInt.asUintN(64, word))).buffer);
    const input = {
      ctxSizeOut: 0,
      ...(ctx.length > 0 ? { ctx } : {}),
      ...(options.data === undefined ? {} : { data: options.data }),
    };
    const { retval, data } = progTestRun(program.fd, input);
    return { retval, data };
  }

  /** The value of a global. */
  global(name: string): unknown {
    for (const section of [".bss", ".data", ".rodata"]) {
      const map = this.object.maps.get(section);
      const { btf } = this.output.spec;
      const id = btf?.find(section, "DATASEC");
      if (map === undefined || id === undefined) continue;
      const datasec = btf!.type(id);
      const entry = datasec.kind === "DATASEC" ? datasec.vars.find((v) => btf!.nameOf(v.type) === name) : undefined;
      if (entry === undefined) continue;
      const bytes = new Uint8Array(datasec.kind === "DATASEC" ? datasec.size : 0);
      mapLookup(map.fd.number, new Uint8Array(4), bytes);
      return bytes.slice(entry.offset, entry.offset + entry.size);
    }
    throw new Error(`No global "${name}"`);
  }

  /** The value under a key, or undefined. */
  lookup<K, V>(map: string, key: Layout<K>, k: K, value: Layout<V>): V | undefined {
    const keyBytes = new Uint8Array(key.size);
    key.write(new DataView(keyBytes.buffer), 0, k);
    const bytes = new Uint8Array(value.size);
    if (!mapLookup(this.object.maps.get(map)!.fd.number, keyBytes, bytes)) return undefined;
    return value.read(new DataView(bytes.buffer), 0);
  }

  update<K, V>(map: string, key: Layout<K>, k: K, value: Layout<V>, v: V): void {
    const keyBytes = new Uint8Array(key.size);
    key.write(new DataView(keyBytes.buffer), 0, k);
    const bytes = new Uint8Array(value.size);
    value.write(new DataView(bytes.buffer), 0, v);
    mapUpdate(this.object.maps.get(map)!.fd.number, keyBytes, bytes);
  }

  [Symbol.dispose](): void {
    this.object.close();
    this.#facts[Symbol.dispose]();
  }
}

/** The kernel's types as those of a kernel that lacks one. */
export function withoutType(btf: Btf, missing: string): Btf {
  return new Proxy(btf, {
    get(target, property) {
      if (property === "find") {
        return (name: string, kind?: Parameters<Btf["find"]>[1]) =>
          name === missing ? undefined : target.find(name, kind);
      }
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
