/**
 * Global variables: each section `.data*`, `.rodata*` and `.bss*` becomes an array map with one entry, the section's
 * bytes. Globals of an arena (`.addr_space.1`) become the initial contents of the object's arena map. The types of the
 * variables are in the DATASEC of the section's name, which is the map's value type.
 */
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARENA, BPF_MAP_TYPE_ARRAY } from "../abi/bpf.gen.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { ElfSection } from "./elf.ts";
import type { ObjectFile, SectionRole } from "./object_file.ts";
import { sectionWithRole } from "./object_file.ts";
import type { DeclaredMap } from "./parse_maps.ts";
import { emptyMap } from "./parse_maps.ts";
import type { MapSpec } from "./spec.ts";

/** The largest value of an array map: KMALLOC_MAX_SIZE and vmalloc allow more, but not more than 32 bits. */
const MAX_SECTION_SIZE = 0x7fffffff;

/** Data maps by the index of their section. */
export interface DataMap {
  spec: MapSpec;
  section: number;
}

/** One map for each data section, in the order of the file. */
export function parseDataMaps(file: ObjectFile): DataMap[] {
  const found: DataMap[] = [];
  for (const section of file.elf.sections) {
    const kind = DATA_KINDS[file.roles[section.index]!];
    if (kind === undefined || section.size === 0) continue;
    found.push({ spec: dataMap(file, section, kind), section: section.index });
  }
  return found;
}

const DATA_KINDS: Partial<Record<SectionRole, "data" | "rodata" | "bss">> = {
  data: "data",
  rodata: "rodata",
  bss: "bss",
};

function dataMap(file: ObjectFile, section: ElfSection, kind: "data" | "rodata" | "bss"): MapSpec {
  if (section.size > MAX_SECTION_SIZE) {
    throw new FormatError(section.path, `is too large for a map: ${section.size} bytes`);
  }
  const datasec = file.btf?.find(section.name, "DATASEC") ?? 0;
  const readOnly = kind === "rodata" ? BPF_F_RDONLY_PROG : 0;
  return {
    ...emptyMap(file.keys[section.index]!, kind),
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: section.size,
    maxEntries: 1,
    flags: readOnly | (datasec !== 0 && hasGlobals(file.btf!, datasec) ? BPF_F_MMAPABLE : 0),
    valueTypeId: datasec,
    section: section.name,
    // Zeros need no bytes until someone sets a variable; a hostile .bss of 2 GiB must not cost memory here.
    data: kind === "bss" ? undefined : section.bytes,
  };
}

/** A map of only static variables is nobody's interface: libbpf does not make it mmapable. */
export function hasGlobals(btf: Btf, datasec: number): boolean {
  const type = btf.type(datasec);
  if (type.kind !== "DATASEC") return false;
  return type.vars.some((v) => {
    const variable = btf.type(v.type);
    return variable.kind === "VAR" && variable.linkage !== "static";
  });
}

/** Hands the arena's globals to the arena map; returns the section so that relocations find the map. */
export function parseArenaGlobals(file: ObjectFile, declared: readonly DeclaredMap[]): DataMap[] {
  const section = sectionWithRole(file, "arena");
  if (section === undefined || section.size === 0) return [];
  const arena = declared.find((m) => m.spec.type === BPF_MAP_TYPE_ARENA)?.spec;
  if (arena === undefined) throw new FormatError(section.path, "needs an arena map, but there is none");
  arena.section = section.name;
  arena.data = section.bytes;
  return [{ spec: arena, section: section.index }];
}
