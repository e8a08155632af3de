/**
 * `load(...)`: an object that clang, the linker, Rust or waggle's compiler made, as a thing to work with: its programs,
 * maps and globals by name, attached where its section names say.
 */
import type { Link } from "../attach/link.ts";
import { attachFromSection } from "../attach/registry.ts";
import type { AttachOptions } from "../attach/types.ts";
import { NotFoundError, WaggleError } from "../errors.ts";
import { loadObject } from "../load/load.ts";
import type { LoadedMap } from "../load/map.ts";
import type { LoadedObject } from "../load/object.ts";
import { describeObject, type LoadOptions } from "../load/options.ts";
import type { MapBase } from "../maps/base.ts";
import { type DataSection, Globals, globalVars } from "../maps/globals.ts";
import type { PerfBuffer, PerfBufferOptions } from "../maps/perf_buffer.ts";
import { PerfEventArray } from "../maps/perf_event_array.ts";
import { RingBuffer } from "../maps/ringbuf.ts";
import { parseObject } from "../object/parse.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { readFile } from "../syscall/files.ts";
import { eventCodec, type EventType, type MapTypes, openLoadedMap } from "./object_maps.ts";
import { Program } from "./object_program.ts";
import { attachStructOps } from "./struct_ops_link.ts";

export { Program } from "./object_program.ts";
export type { EventType, MapTypes } from "./object_maps.ts";

/** How to open and load an object. */
export interface OpenOptions extends LoadOptions {
  /** The object's name, which prefixes the kernel names of its data maps; by default that of the file. */
  name?: string | undefined;
}

/**
 * Loads an object file: from its path or file URL, its bytes, or a parsed or compiled `ObjectSpec`. Maps are created and
 * programs verified; nothing runs until `attach()`.
 *
 * Files are read through libc, so that on Deno `--allow-ffi` is the only permission needed.
 *
 * @throws {FormatError} if the file is no BPF object
 * @throws {VerifierError} if the kernel refuses a program; the message shows why
 * @throws {NotFoundError} if an option names a map, program or global that is not there
 *
 * @example
 * ```ts ignore
 * // ignored: takes an object file at hand
 * import { load } from "@waggle/waggle";
 *
 * using bpf = load(new URL("./opensnoop.bpf.o", import.meta.url), { globals: { targ_pid: 42 } });
 * bpf.attach();
 * for await (const e of bpf.ringbuf("events", "event")) console.log(e);
 * ```
 */
export function load(source: string | URL | Uint8Array | ObjectSpec, options: OpenOptions = {}): BpfObject {
  const { name, ...loadOptions } = options;
  return new BpfObject(loadObject(toSpec(source, name), loadOptions));
}

function toSpec(source: string | URL | Uint8Array | ObjectSpec, name: string | undefined): ObjectSpec {
  if (source instanceof Uint8Array) return parseObject(source, { name });
  if (typeof source !== "string" && !(source instanceof URL)) return name === undefined ? source : { ...source, name };
  const path = typeof source === "string" && !source.startsWith("file:") ? source : filePath(new URL(source));
  return parseObject(readFile(path), { name: name ?? path });
}

function filePath(url: URL): string {
  if (url.protocol !== "file:") throw new TypeError(`Cannot load ${url.href}: only files can be read`);
  return decodeURIComponent(url.pathname);
}

/**
 * A loaded object. Disposing it detaches its programs and frees everything that is not pinned.
 *
 * @example
 * ```ts ignore
 * // ignored: needs an object file
 * using bpf = load("./counter.bpf.o");
 * bpf.program("count").attach({ device: "eth0" });
 * console.log(bpf.globals.packets, [...bpf.map("by_port")]);
 * ```
 */
export class BpfObject implements Disposable {
  /** The object as read or compiled. */
  readonly spec: ObjectSpec;
  /** Loaded programs by name. */
  readonly programs: Readonly<Record<string, Program>>;
  readonly #object: LoadedObject;
  readonly #maps = new Map<string, MapBase>();
  readonly #perfBuffers: PerfBuffer<unknown>[] = [];
  #globals: Globals | undefined;
  #links: Link[] = [];
  #mapRecord: Readonly<Record<string, MapBase>> | undefined;
  #closed = false;

  constructor(object: LoadedObject) {
    this.#object = object;
    this.spec = object.spec;
    this.programs = Object.fromEntries(
      Array.from(object.programs.values(), (p) => [p.name, new Program(p, (link) => this.#links.push(link))]),
    );
  }

  /** A program by name. Throws `NotFoundError`. */
  program(name: string): Program {
    const program = this.programs[name];
    if (program !== undefined) return program;
    const known = this.spec.programs.some((p) => p.name === name);
    throw new NotFoundError("program", name, Object.keys(this.programs), {
      where: describeObject(this.spec),
      ...(known ? { hint: `it was not loaded: pass programs: { ${name}: { autoload: true } }` } : {}),
    });
  }

  /** Maps by name, typed by the object's BTF. Data sections are there as well: `maps[".rodata"]`. */
  get maps(): Readonly<Record<string, MapBase>> {
    return this.#mapRecord ??= lazyRecord(this.#object.maps.keys(), (name) => this.map(name));
  }

  /**
   * A map by name. Keys and values are typed by the object's BTF, or by the schemas given.
   *
   * @throws {NotFoundError} if the object has no such map, or it was not created
   */
  map<M extends MapBase = MapBase>(name: string, types?: MapTypes): M {
    const loaded = this.#find(name);
    if (types !== undefined) return this.#open(loaded, types) as M;
    let map = this.#maps.get(name);
    if (map === undefined || map.closed) this.#maps.set(name, map = this.#open(loaded));
    return map as M;
  }

  /**
   * A ring buffer by name. Its events are decoded as the given type: a struct of the object's BTF by name, or a schema.
   * Without one they are bytes.
   */
  ringbuf<T = Record<string, unknown>>(name: string, type?: EventType): RingBuffer<T> {
    const value = eventCodec(this.spec, type);
    const map = type === undefined ? this.map(name) : this.#cached(`${name}\0${String(type)}`, name, { value });
    if (map instanceof RingBuffer) return map as RingBuffer<T>;
    throw wrongKind(map, "ring buffer");
  }

  /** The reader of a perf event array. Programs can send from now on; events are decoded as for `ringbuf`. */
  perfBuffer<T = Record<string, unknown>>(name: string, type?: EventType, options?: PerfBufferOptions): PerfBuffer<T> {
    const map = this.#open(this.#find(name), { value: eventCodec(this.spec, type) });
    if (!(map instanceof PerfEventArray)) throw wrongKind(map, "perf event array");
    const buffer = map.open(options);
    this.#perfBuffers.push(buffer);
    return buffer as unknown as PerfBuffer<T>;
  }

  /** Global variables by name: reading and assigning goes to the memory the programs use. Constants can be read only. */
  get globals(): Record<string, unknown> {
    this.#checkOpen("use the globals");
    return (this.#globals ??= this.#openGlobals()).values;
  }

  /**
   * Attaches every program whose section name says where, and every struct_ops map. With options also those whose name
   * does not say it: `{ device: "eth0" }` for xdp and tc. If one fails, all are detached again.
   */
  attach(options?: AttachOptions): this {
    this.#checkOpen("attach");
    if (this.#links.length > 0) {
      throw new WaggleError("Cannot attach: programs are attached already", { hint: "call detach() first" });
    }
    try {
      for (const program of Object.values(this.programs)) this.#attachOne(program, options);
      for (const map of this.#object.structOps.values()) {
        this.#links.push(attachStructOps(this.#find(map.spec.name), map));
      }
    } catch (error) {
      this.detach();
      throw error;
    }
    return this;
  }

  /** The links of programs attached through this object. */
  get links(): readonly Link[] {
    return this.#links;
  }

  /** Detaches every program; `attach()` may follow. */
  detach(): void {
    const links = this.#links;
    this.#links = [];
    for (const link of links.toReversed()) link.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Detaches and frees everything; the same as disposing it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.detach();
    for (const buffer of this.#perfBuffers) buffer.close();
    this.#globals?.close();
    for (const map of this.#maps.values()) map.close();
    this.#object.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #attachOne(program: Program, options: AttachOptions | undefined): void {
    const { def } = program;
    if (def === undefined || def.attach === "none" || def.attach === "struct_ops") return;
    const link = attachFromSection(program);
    if (link !== undefined) this.#links.push(link);
    else if (options !== undefined) program.attach(options);
  }

  #cached(key: string, name: string, types: MapTypes): MapBase {
    let map = this.#maps.get(key);
    if (map === undefined || map.closed) this.#maps.set(key, map = this.#open(this.#find(name), types));
    return map;
  }

  #open(loaded: LoadedMap, types?: MapTypes): MapBase {
    return openLoadedMap(this.spec, loaded, types);
  }

  #find(name: string): LoadedMap {
    this.#checkOpen(`use map "${name}"`);
    const map = this.#object.maps.get(name);
    if (map !== undefined) return map;
    throw new NotFoundError("map", name, this.#object.maps.keys(), { where: describeObject(this.spec) });
  }

  #openGlobals(): Globals {
    const { btf } = this.spec;
    const sections: DataSection[] = [];
    for (const map of this.#object.maps.values()) {
      const { kind, section, valueSize, flags } = map.spec;
      if (section === undefined || kind === "struct_ops" || kind === "declared" || btf === undefined) continue;
      const datasec = btf.find(section, "DATASEC");
      if (datasec === undefined) continue;
      const readOnly = kind === "rodata" || kind === "kconfig";
      const fd = {
        get fd(): number {
          return map.fd.number;
        },
      };
      sections.push({ name: map.name, map: fd, size: valueSize, flags, readOnly, vars: globalVars(btf, datasec) });
    }
    return new Globals(sections);
  }

  #checkOpen(action: string): void {
    if (this.#closed) throw new TypeError(`Cannot ${action}: the object is closed`);
  }
}

function wrongKind(map: MapBase, wanted: string): TypeError {
  return new TypeError(
    `Cannot read map "${map.name}": it is a ${map.kind?.name ?? `map of type ${map.type}`}, not a ${wanted}`,
  );
}

/** An object whose properties are made when they are first read. */
function lazyRecord<T>(names: Iterable<string>, make: (name: string) => T): Readonly<Record<string, T>> {
  const record: Record<string, T> = {};
  for (const name of names) Object.defineProperty(record, name, { enumerable: true, get: () => make(name) });
  return record;
}
