/**
 * The global variables of a loaded object, live: read and written by name in the memory that programs use, through mmap
 * where the map allows it (Linux 5.5), else by reading and writing the whole section.
 */
import { BPF_F_MMAPABLE } from "../abi/bpf.gen.ts";
import { PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import { EACCES, EPERM } from "../abi/errno.gen.ts";
import type { Btf } from "../btf/btf.ts";
import { btfFields } from "../btf/codec.ts";
import type { Codec } from "../bytes/codec.ts";
import { NotFoundError, SyscallError } from "../errors.ts";
import { mapLookup, mapUpdate } from "../syscall/bpf.ts";
import { Mapping } from "../syscall/memory.ts";

/** One variable. */
export interface GlobalVar {
  readonly name: string;
  /** Bytes from the start of its section. */
  readonly offset: number;
  readonly codec: Codec<unknown>;
}

/** A data map: an array of one element that holds a section (.data, .bss, .rodata). */
export interface DataSection {
  readonly name: string;
  /** The map's descriptor; read when it is needed, so that a closed map says so. */
  readonly map: { readonly fd: number };
  readonly size: number;
  /** BPF_F_* of the map. */
  readonly flags: number;
  /** Programs and verifier rely on its contents: it cannot be written any more. */
  readonly readOnly: boolean;
  readonly vars: readonly GlobalVar[];
}

/** The variables of a BTF DATASEC whose offsets are fixed up. */
export function globalVars(btf: Btf, datasecId: number): GlobalVar[] {
  return btfFields(btf, datasecId).map(({ name, offset, codec }) => ({ name, offset, codec }));
}

/**
 * Variables by name, over all sections of an object.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * globals.set("target_pid", 42);
 * console.log(globals.get("dropped"), globals.values.dropped);
 * ```
 */
export class Globals implements Disposable {
  readonly #vars: Map<string, { variable: GlobalVar; memory: SectionMemory }> = new Map();
  readonly #memories: SectionMemory[];
  #values: Record<string, unknown> | undefined;

  /** The maps stay their owner's. Of two static variables of the same name the first is found. */
  constructor(sections: readonly DataSection[]) {
    this.#memories = sections.map((section) => new SectionMemory(section));
    for (const [i, { vars }] of sections.entries()) {
      for (const variable of vars) {
        if (!this.#vars.has(variable.name)) this.#vars.set(variable.name, { variable, memory: this.#memories[i]! });
      }
    }
  }

  /** The variables' names. */
  names(): string[] {
    return [...this.#vars.keys()];
  }

  has(name: string): boolean {
    return this.#vars.has(name);
  }

  /** The value now. Throws `NotFoundError` for an unknown name. */
  get(name: string): unknown {
    const { variable, memory } = this.#find(name);
    return memory.read(variable);
  }

  /**
   * Writes a value. Throws `NotFoundError` for an unknown name, `TypeError` or `RangeError` for a value that does not
   * fit or a variable that is constant once loaded.
   */
  set(name: string, value: unknown): void {
    const { variable, memory } = this.#find(name);
    memory.write(variable, value);
  }

  /** All variables and their values now, as a plain object. */
  snapshot(): Record<string, unknown> {
    return Object.fromEntries(this.names().map((name) => [name, this.get(name)]));
  }

  /** An object whose properties are the variables: reading and assigning goes to the kernel's memory. */
  get values(): Record<string, unknown> {
    return this.#values ??= this.#makeValues();
  }

  /** Unmaps the memory; the maps stay open. */
  close(): void {
    for (const memory of this.#memories) memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #find(name: string): { variable: GlobalVar; memory: SectionMemory } {
    const found = this.#vars.get(name);
    if (found === undefined) throw new NotFoundError("global", name, this.#vars.keys());
    return found;
  }

  #makeValues(): Record<string, unknown> {
    const values = Object.create(null) as Record<string, unknown>;
    for (const name of this.#vars.keys()) {
      Object.defineProperty(values, name, {
        enumerable: true,
        get: () => this.get(name),
        set: (value: unknown) => this.set(name, value),
      });
    }
    return Object.seal(values);
  }
}

/** The bytes of one section, mapped on first use. */
class SectionMemory {
  readonly #section: DataSection;
  #mapping: Mapping | undefined;
  #view: DataView | undefined;
  #closed = false;
  #frozen = false;

  constructor(section: DataSection) {
    this.#section = section;
  }

  read({ codec, offset }: GlobalVar): unknown {
    const view = this.#mapped();
    if (view !== undefined) return codec.read(view, offset);
    return codec.read(this.#copy(), offset);
  }

  write({ name, codec, offset }: GlobalVar, value: unknown): void {
    if (this.#section.readOnly) this.#refuse(name);
    // Encoded aside first: a value that does not fit must not be half written.
    const bytes = new DataView(new ArrayBuffer(codec.size));
    codec.write(bytes, 0, value, name);
    const view = this.#mapped();
    if (this.#frozen) this.#refuse(name); // storing to a read-only mapping would end the process
    if (view !== undefined) store(view, offset, bytes);
    else this.#update(offset, new Uint8Array(bytes.buffer));
  }

  #refuse(name: string): never {
    throw new TypeError(
      `Cannot set global "${name}": it is constant (${this.#section.name}); give its value when the object is loaded`,
    );
  }

  close(): void {
    this.#closed = true;
    this.#mapping?.close();
    this.#mapping = undefined;
    this.#view = undefined;
  }

  #mapped(): DataView | undefined {
    const { map, size, flags, readOnly, name } = this.#section;
    const { fd } = map; // throws once the map is closed
    if (this.#closed) throw new TypeError(`Cannot use the globals of ${name}: they are closed`);
    if (!(flags & BPF_F_MMAPABLE)) return undefined;
    if (this.#view === undefined) {
      this.#mapping = this.#map(fd, size, readOnly, name);
      this.#view = new DataView(this.#mapping.buffer, 0, size);
    }
    return this.#view;
  }

  #map(fd: number, size: number, readOnly: boolean, name: string): Mapping {
    const what = `the globals of ${name}`;
    if (!readOnly) {
      try {
        return Mapping.ofFd(fd, size, { prot: PROT_READ | PROT_WRITE, what });
      } catch (error) {
        if (!(error instanceof SyscallError) || (error.errno !== EPERM && error.errno !== EACCES)) throw error;
        this.#frozen = true; // it can still be read
      }
    }
    return Mapping.ofFd(fd, size, { prot: PROT_READ, what });
  }

  /** A copy of the section, from the kernel. */
  #copy(): DataView<ArrayBuffer> {
    const bytes = new Uint8Array(this.#section.size);
    mapLookup(this.#section.map.fd, ZERO, bytes);
    return new DataView(bytes.buffer);
  }

  /** Writes the whole section back: what a program writes meanwhile is lost, as there is no other way without mmap. */
  #update(offset: number, value: Uint8Array): void {
    const bytes = new Uint8Array(this.#copy().buffer);
    bytes.set(value, offset);
    mapUpdate(this.#section.map.fd, ZERO, bytes);
  }
}

const ZERO = new Uint8Array(4);

/** Copies an encoded value in; the sizes of numbers in one store, so that programs see old or new, nothing between. */
function store(view: DataView, offset: number, bytes: DataView): void {
  switch (bytes.byteLength) {
    case 1:
      return view.setUint8(offset, bytes.getUint8(0));
    case 2:
      return view.setUint16(offset, bytes.getUint16(0));
    case 4:
      return view.setUint32(offset, bytes.getUint32(0));
    case 8:
      return view.setBigUint64(offset, bytes.getBigUint64(0));
    default:
      new Uint8Array(view.buffer, view.byteOffset + offset).set(new Uint8Array(bytes.buffer));
  }
}
