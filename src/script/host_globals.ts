/**
 * Globals on the host: an object whose properties are the variables themselves, in kernel memory. The data maps are
 * mapped into this process where the kernel allows it (5.5); on older kernels each access copies the whole map's value.
 */
import { BPF_F_MMAPABLE } from "../abi/bpf.gen.ts";
import { PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import type { GlobalDefinition } from "../compiler/definitions.ts";
import { WaggleError } from "../errors.ts";
import { globalVariables } from "../load/data.ts";
import type { LoadedMap } from "../load/map.ts";
import type { LoadedObject } from "../load/object.ts";
import { mapLookup, mapUpdate } from "../syscall/bpf_map.ts";
import { Mapping } from "../syscall/memory.ts";

/** The bytes of one data map. */
class DataMemory implements Disposable {
  readonly #map: LoadedMap;
  readonly #mapping: Mapping | undefined;
  readonly writable: boolean;

  constructor(map: LoadedMap) {
    this.#map = map;
    this.writable = map.spec.kind !== "rodata";
    if ((map.spec.flags & BPF_F_MMAPABLE) !== 0) {
      const prot = this.writable ? PROT_READ | PROT_WRITE : PROT_READ;
      this.#mapping = Mapping.ofFd(map.fd.number, map.spec.valueSize, { prot, what: `the globals of "${map.name}"` });
    }
  }

  /** Calls `use` with the map's value; with `write` what it changed reaches the kernel. */
  with<T>(write: boolean, use: (view: DataView) => T): T {
    if (this.#mapping !== undefined) return use(new DataView(this.#mapping.buffer));
    const key = new Uint8Array(4);
    const value = new Uint8Array(this.#map.spec.valueSize);
    if (!mapLookup(this.#map.fd.number, key, value)) {
      throw new WaggleError(`Cannot read the globals of "${this.#map.name}": the map is empty`);
    }
    const result = use(new DataView(value.buffer));
    if (write) mapUpdate(this.#map.fd.number, key, value);
    return result;
  }

  [Symbol.dispose](): void {
    this.#mapping?.close();
  }
}

/** The variables of a loaded object; disposing them unmaps its memory. */
export interface HostGlobalsHandle extends Disposable {
  /** One property for each definition. */
  readonly values: Record<string, unknown>;
}

/** Makes the properties; memory is mapped when one is first used. Variables that the compiler dropped keep their value here. */
export function hostGlobals(
  object: LoadedObject,
  definitions: Readonly<Record<string, GlobalDefinition>>,
): HostGlobalsHandle {
  const memories = new Map<string, DataMemory>();
  const memoryOf = (map: string): DataMemory => {
    let memory = memories.get(map);
    if (memory === undefined) memories.set(map, memory = new DataMemory(object.maps.get(map)!));
    return memory;
  };
  const places = globalVariables(object.spec);
  const values: Record<string, unknown> = {};
  for (const [name, { layout, constant, initial }] of Object.entries(definitions)) {
    const place = places.get(name);
    const memory = () => place === undefined ? undefined : memoryOf(place.map.name);
    // What no program uses is in no map; it still behaves as a variable.
    const own = new DataView(new ArrayBuffer(layout.size));
    if (initial !== undefined) layout.write(own, 0, initial, name);
    Object.defineProperty(values, name, {
      enumerable: true,
      get: () => {
        const at = memory();
        return at === undefined ? layout.read(own, 0) : at.with(false, (view) => layout.read(view, place!.offset));
      },
      set: (value: unknown) => {
        if (constant) throw new TypeError(`Cannot set global "${name}": it is a constant`);
        const at = memory();
        if (at === undefined) layout.write(own, 0, value, name);
        else at.with(true, (view) => layout.write(view, place!.offset, value, name));
      },
    });
  }
  Object.preventExtensions(values);
  return {
    values,
    [Symbol.dispose]: () => {
      for (const memory of memories.values()) memory[Symbol.dispose]();
      memories.clear();
    },
  };
}
