/**
 * Initial contents of data maps: the object's bytes with the caller's values of global variables written over them. The
 * object's own bytes stay as they are; a section nobody changes is not copied.
 */
import type { Btf } from "../btf/btf.ts";
import { btfCodec } from "../btf/codec.ts";
import { NotFoundError } from "../errors.ts";
import type { MapSpec, ObjectSpec } from "../object/spec.ts";
import { describeObject } from "./options.ts";

/** A global variable: where it lies and what it is. */
export interface GlobalVariable {
  name: string;
  map: MapSpec;
  offset: number;
  size: number;
  typeId: number;
}

/** All global variables of an object that have a type, by name; static ones that share a name with a global lose. */
export function globalVariables(spec: ObjectSpec): Map<string, GlobalVariable> {
  const found = new Map<string, GlobalVariable>();
  const btf = spec.btf;
  if (btf === undefined) return found;
  for (const map of spec.maps) {
    if (map.section === undefined || map.kind === "struct_ops") continue;
    const id = map.valueTypeId || (btf.find(map.section, "DATASEC") ?? 0);
    const datasec = id === 0 ? undefined : btf.type(id);
    if (datasec?.kind !== "DATASEC") continue;
    for (const v of datasec.vars) {
      const variable = btf.type(v.type);
      if (variable.kind !== "VAR") continue;
      if (found.has(variable.name) && variable.linkage === "static") continue;
      found.set(variable.name, { name: variable.name, map, offset: v.offset, size: v.size, typeId: variable.type });
    }
  }
  return found;
}

/** The bytes each data map starts with; undefined stands for zeros. */
export function initialData(
  spec: ObjectSpec,
  globals: Readonly<Record<string, unknown>> = {},
): Map<MapSpec, Uint8Array | undefined> {
  const data = new Map<MapSpec, Uint8Array | undefined>();
  for (const map of spec.maps) if (map.section !== undefined) data.set(map, map.data);
  const names = Object.keys(globals);
  if (names.length === 0) return data;
  const variables = globalVariables(spec);
  for (const name of names) {
    if (globals[name] === undefined) continue;
    const variable = variables.get(name);
    if (variable === undefined || variable.map.kind === "kconfig") {
      throw new NotFoundError("global variable", name, variables.keys(), {
        where: describeObject(spec),
        ...(variable === undefined
          ? {}
          : { hint: `"${name}" is a kernel configuration value: use the option kconfig` }),
      });
    }
    writeGlobal(spec.btf!, variable, data, globals[name]);
  }
  return data;
}

function writeGlobal(
  btf: Btf,
  variable: GlobalVariable,
  data: Map<MapSpec, Uint8Array | undefined>,
  value: unknown,
): void {
  const { map } = variable;
  let bytes = data.get(map);
  if (bytes === undefined || bytes === map.data) {
    const copy = new Uint8Array(map.kind === "declared" ? map.data!.length : map.valueSize);
    if (map.data !== undefined) copy.set(map.data);
    data.set(map, bytes = copy);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  btfCodec(btf, variable.typeId).write(view, variable.offset, value, variable.name);
}
