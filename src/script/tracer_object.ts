/** The object behind `Tracer`: owns the loaded maps and programs, the links and what the script opened of them. */
import type { AttachOptions } from "../attach/types.ts";
import type { Link } from "../attach/link.ts";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "../abi/bpf.gen.ts";
import type { Layout } from "../bytes/layout.ts";
import {
  type CompileInput,
  type CompileOutput,
  EXIT_MAP,
  EXIT_RECORD,
  type MapDefinition,
  PRINT_MAP,
} from "../compiler/definitions.ts";
import { type Diagnostic, WaggleError } from "../errors.ts";
import type { LoadedObject } from "../load/object.ts";
import type { ReadOptions } from "../maps/events.ts";
import type { ObjectSpec } from "../object/spec.ts";
import type { Hook } from "./hook.ts";
import { hostGlobals, type HostGlobalsHandle } from "./host_globals.ts";
import type { HostRing } from "./host_maps.ts";
import { hostMap } from "./host_map.ts";
import { attachStructOps } from "./struct_ops_link.ts";
import { printCodec } from "./print_format.ts";
import { ScriptProgram } from "./tracer_program.ts";
import type { TracerProgram } from "./tracer.ts";

/** What a tracer is made of. */
export interface TracerParts {
  readonly input: CompileInput;
  /** The hooks of `input.programs`, in the same order. */
  readonly hooks: readonly Hook[];
  readonly output: CompileOutput;
  readonly object: LoadedObject;
}

/** See `Tracer`; without its static types. */
export class TracerObject implements Disposable {
  readonly spec: ObjectSpec;
  readonly warnings: readonly Diagnostic[];
  readonly maps: Readonly<Record<string, unknown>>;
  readonly programs: Readonly<Record<string, TracerProgram>>;
  readonly #parts: TracerParts;
  readonly #programs: readonly ScriptProgram[];
  readonly #globals: HostGlobalsHandle;
  readonly #opened = new Map<string, Disposable>();
  #links: Link[] = [];
  #closed = false;
  #exited: AbortSignal | undefined;

  constructor(parts: TracerParts) {
    this.#parts = parts;
    this.spec = parts.output.spec;
    this.warnings = parts.output.warnings;
    this.#globals = hostGlobals(parts.object, parts.input.globals);
    this.maps = lazyRecord(Object.keys(parts.input.maps), (name) => this.#map(name, parts.input.maps[name]!));
    this.#programs = this.#makePrograms();
    this.programs = Object.fromEntries(this.#programs.map((program) => [program.key, program]));
  }

  get globals(): Record<string, unknown> {
    this.#checkOpen("use the globals");
    return this.#globals.values;
  }

  attach(options?: AttachOptions): void {
    this.#checkOpen("attach");
    if (this.#links.length > 0) {
      throw new WaggleError("Cannot attach: it is attached already", { hint: "call detach() first" });
    }
    const targets = new Set(
      Object.values(this.#parts.input.maps).flatMap((map) => map.slots.map((slot) => slot.program)),
    );
    try {
      for (const program of this.#programs) program.attachByKey(options, targets.has(program.key));
      const { maps, structOps } = this.#parts.object;
      for (const [name, map] of structOps) this.#links.push(attachStructOps(maps.get(name)!, map));
    } catch (error) {
      this.detach();
      throw error;
    }
  }

  detach(): void {
    const links = this.#links;
    this.#links = [];
    for (const link of links) link.close();
  }

  lines(options?: ReadOptions): AsyncIterableIterator<string> {
    if (this.#parts.output.prints.length === 0) throw new TypeError("Cannot read lines: no program prints");
    const codec = printCodec(this.#parts.output.prints);
    const map = this.#events<string>(PRINT_MAP, { ...codec, desc: { kind: "str", length: 8 } });
    return map.read(options);
  }

  get exited(): AbortSignal {
    const known = this.#exited;
    if (known !== undefined) return known;
    if (!this.#parts.object.maps.has(EXIT_MAP)) throw new TypeError("Cannot wait for exit(): no program calls it");
    const controller = new AbortController();
    const exits = this.#events<{ code: number }>(EXIT_MAP, EXIT_RECORD);
    exits.next().then((exit) => {
      if (exit !== undefined) controller.abort(exit.code);
    }, (error: unknown) => controller.abort(error));
    return this.#exited = controller.signal;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.detach();
    for (const opened of this.#opened.values()) opened[Symbol.dispose]();
    this.#globals[Symbol.dispose]();
    this.#parts.object.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #map(name: string, definition: MapDefinition): unknown {
    this.#checkOpen(`use map "${name}"`);
    let map = this.#opened.get(name);
    if (map === undefined) {
      const loaded = this.#parts.object.maps.get(name);
      if (loaded === undefined) throw new WaggleError(`Cannot use map "${name}": it was not loaded`);
      this.#opened.set(name, map = hostMap(loaded, definition));
    }
    return map;
  }

  /** A stream that the compiler added. */
  #events<T>(name: string, value: Layout<unknown>): HostRing<T> {
    const perf = this.#parts.object.maps.get(name)?.spec.type === BPF_MAP_TYPE_PERF_EVENT_ARRAY;
    return this.#map(name, {
      kind: perf ? "perf_event_array" : "ringbuf",
      key: undefined,
      value,
      maxEntries: 0,
      flags: 0,
      pinned: false,
      slots: [],
      linear: undefined,
    }) as HostRing<T>;
  }

  #makePrograms(): ScriptProgram[] {
    const { input, hooks, object } = this.#parts;
    const byKey = Map.groupBy(hooks, (hook) => hook.key);
    const names = new Map(hooks.map((hook, i) => [hook, input.programs[i]!.name]));
    return [...byKey].map(([key, list]) => {
      const hooked = list.map((hook) => ({ hook, program: object.programs.get(names.get(hook)!)! }));
      return new ScriptProgram(key, hooked, (link) => void this.#links.push(link));
    });
  }

  #checkOpen(action: string): void {
    if (this.#closed) throw new TypeError(`Cannot ${action}: the tracer is closed`);
  }
}

/** An object whose properties are made when they are first read. */
function lazyRecord(names: readonly string[], make: (name: string) => unknown): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const name of names) {
    Object.defineProperty(record, name, { enumerable: true, get: () => make(name) });
  }
  return record;
}
