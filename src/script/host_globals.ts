/**
 * Globals on the host: an object whose properties are the variables themselves, in kernel memory (src/maps/globals.ts).
 */
import type { GlobalDefinition } from "../compiler/definitions.ts";
import { globalVariables } from "../load/data.ts";
import type { LoadedObject } from "../load/object.ts";
import { type DataSection, Globals, type GlobalVar } from "../maps/globals.ts";
import type { MapSpec } from "../object/spec.ts";

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
  const globals = new Globals(sections(object, definitions));
  const values: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(definitions)) {
    const { layout, constant, initial } = definition;
    // What no program uses is in no map; it still behaves as a variable.
    const own = new DataView(new ArrayBuffer(layout.size));
    if (initial !== undefined) layout.write(own, 0, initial, name);
    const placed = globals.has(name);
    Object.defineProperty(values, name, {
      enumerable: true,
      get: () => placed ? globals.get(name) : layout.read(own, 0),
      set: (value: unknown) => {
        if (constant) throw new TypeError(`Cannot set global "${name}": it is a constant`);
        if (placed) globals.set(name, value);
        else layout.write(own, 0, value, name);
      },
    });
  }
  Object.preventExtensions(values);
  return { values, [Symbol.dispose]: () => globals.close() };
}

/** The data maps that hold a definition's variable, with the layouts of the definitions. */
function sections(
  object: LoadedObject,
  definitions: Readonly<Record<string, GlobalDefinition>>,
): DataSection[] {
  const places = globalVariables(object.spec);
  const byMap = new Map<MapSpec, GlobalVar[]>();
  for (const [name, { layout }] of Object.entries(definitions)) {
    const place = places.get(name);
    if (place === undefined) continue;
    const vars = byMap.get(place.map) ?? [];
    vars.push({ name, offset: place.offset, codec: layout });
    byMap.set(place.map, vars);
  }
  return Array.from(byMap, ([spec, vars]) => {
    const { name, fd } = object.maps.get(spec.name)!;
    return {
      name,
      map: {
        get fd(): number {
          return fd.number;
        },
      }, // read when needed: the object may be closed by then
      size: spec.valueSize,
      flags: spec.flags,
      readOnly: spec.kind === "rodata",
      vars,
    };
  });
}
