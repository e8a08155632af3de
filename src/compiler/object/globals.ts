/** Globals: where each lies (`.rodata` for constants, `.bss` for zeros, `.data` for the rest), and their data maps. */
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../../abi/bpf.gen.ts";
import type { BtfBuilder } from "../../btf/write.ts";
import type { BtfSecInfo } from "../../btf/types.ts";
import type { MapSpec } from "../../object/spec.ts";
import type { CompileInput, GlobalDefinition } from "../definitions.ts";
import type { GlobalPlace } from "../lower/module.ts";
import type { LayoutTypes } from "./layout_btf.ts";

const SECTIONS = [".data", ".rodata", ".bss"] as const;
const KINDS = { ".data": "data", ".rodata": "rodata", ".bss": "bss" } as const;

function sectionOf(definition: GlobalDefinition): (typeof SECTIONS)[number] {
  if (definition.constant) return ".rodata";
  return definition.initial === undefined ? ".bss" : ".data";
}

/** Gives every global its place, in the order of definition, each at a multiple of 8 so that atomics are aligned. */
export function placeGlobals(globals: CompileInput["globals"]): Map<string, GlobalPlace> {
  const places = new Map<string, GlobalPlace>();
  const ends = new Map<string, number>();
  for (const [name, definition] of Object.entries(globals)) {
    const map = sectionOf(definition);
    const align = Math.max(definition.layout.align, Math.min(8, definition.layout.size));
    const offset = Math.ceil((ends.get(map) ?? 0) / align) * align;
    const { desc, size } = definition.layout;
    places.set(name, { map, offset, desc, size, align: definition.layout.align });
    ends.set(map, offset + size);
  }
  return places;
}

/** The data maps and their DATASECs. */
export function addGlobals(
  globals: CompileInput["globals"],
  places: ReadonlyMap<string, GlobalPlace>,
  types: LayoutTypes,
  builder: BtfBuilder,
): MapSpec[] {
  const maps: MapSpec[] = [];
  for (const section of SECTIONS) {
    const inside = [...places].filter(([, place]) => place.map === section);
    if (inside.length === 0) continue;
    const size = Math.max(...inside.map(([, place]) => place.offset + place.size));
    const data = new Uint8Array(size);
    const vars: BtfSecInfo[] = inside.map(([name, place]) => {
      const { layout, initial } = globals[name]!;
      if (initial !== undefined) layout.write(new DataView(data.buffer), place.offset, initial, name);
      const type = builder.add({ kind: "VAR", name, type: types.of(place.desc, place.size), linkage: "global" });
      return { type, offset: place.offset, size: place.size };
    });
    maps.push(dataMap(section, size, data, builder.add({ kind: "DATASEC", name: section, size, vars })));
  }
  return maps;
}

function dataMap(section: (typeof SECTIONS)[number], size: number, data: Uint8Array, datasec: number): MapSpec {
  return {
    name: section,
    kind: KINDS[section],
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: (section === ".rodata" ? BPF_F_RDONLY_PROG : 0) | BPF_F_MMAPABLE,
    mapExtra: 0n,
    numaNode: undefined,
    pinning: "none",
    keyTypeId: 0,
    valueTypeId: datasec,
    inner: undefined,
    slots: [],
    section,
    data: section === ".bss" ? undefined : data,
    structOps: undefined,
  };
}
