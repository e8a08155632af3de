/** A loaded object: its programs and maps in the kernel, freed together. */
import type { ObjectSpec } from "../object/spec.ts";
import type { LoadedMap } from "./map.ts";
import type { LoadedProgram } from "./program.ts";
import type { StructOpsMap } from "./struct_ops.ts";

/** What `loadObject` returns. */
export class LoadedObject implements Disposable {
  readonly spec: ObjectSpec;
  /** Programs that were loaded, by name, in the object's order. */
  readonly programs: ReadonlyMap<string, LoadedProgram>;
  /** Maps that were created or found, by name, in the object's order. */
  readonly maps: ReadonlyMap<string, LoadedMap>;
  /** struct_ops by map name: the values that attaching hands to the kernel. */
  readonly structOps: ReadonlyMap<string, StructOpsMap>;

  constructor(
    parts: {
      spec: ObjectSpec;
      programs: ReadonlyMap<string, LoadedProgram>;
      maps: ReadonlyMap<string, LoadedMap>;
      structOps: ReadonlyMap<string, StructOpsMap>;
    },
  ) {
    this.spec = parts.spec;
    this.programs = parts.programs;
    this.maps = parts.maps;
    this.structOps = parts.structOps;
  }

  /** Closes every descriptor. What is pinned or attached lives on. */
  close(): void {
    for (const program of this.programs.values()) program.close();
    for (const map of this.maps.values()) {
      map.arena?.close();
      map.fd.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
