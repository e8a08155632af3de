/**
 * `ObjectSpec` → an ordinary BPF object file, as clang would write it: code, maps defined by BTF, data sections, license,
 * `.BTF` and `.BTF.ext` with lines and CO-RE records. libbpf, bpftool, veristat and Aya load it, linkers link it.
 */
import {
  R_BPF_64_ABS64,
  SHF_ALLOC,
  SHF_WRITE,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_PROGBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_NOTYPE,
  STT_OBJECT,
} from "../abi/elf.ts";
import { Writer } from "../bytes/writer.ts";
import { writeBtfExt } from "../btf/ext.ts";
import type { BtfDatasec } from "../btf/types.ts";
import { writeElf } from "./elf_write.ts";
import { ObjectDraft } from "./object_draft.ts";
import type { MapSpec, ObjectSpec } from "./spec.ts";
import { writeFunctions } from "./write_functions.ts";
import { writeMaps } from "./write_maps.ts";

/** The bytes of an object file. */
export function writeObject(spec: ObjectSpec): Uint8Array<ArrayBuffer> {
  const draft = new ObjectDraft(spec);
  writeLicense(spec, draft);
  writeMaps(draft, spec.maps.filter((m) => m.kind === "declared"));
  const data = writeDataSections(spec, draft);
  writeStructOps(spec, draft);
  const externs = writeExterns(spec, draft);
  const records = writeFunctions(spec, draft, {
    dataSection: (map) => data.get(map),
    extern: (name) => externs.get(name),
  });
  return writeElf(draft.toElf(() => {
    const found = records();
    const ext = writeBtfExt(found, (text) => draft.btf.addString(text));
    draft.addSection({ name: ".BTF", align: 4, bytes: draft.btf.toBytes() });
    // libbpf drops the BTF of an object whose .BTF.ext has no records.
    if (found.funcInfo.length > 0) draft.addSection({ name: ".BTF.ext", align: 4, bytes: ext });
  }));
}

function writeLicense(spec: ObjectSpec, draft: ObjectDraft): void {
  const license = new TextEncoder().encode(`${spec.license}\0`);
  addDataSection(spec, draft, { name: "license", flags: SHF_ALLOC | SHF_WRITE, bytes: license, size: license.length });
  if (spec.kernelVersion === 0) return;
  const version = new Writer({ endian: spec.endian }).u32(spec.kernelVersion).toBytes();
  addDataSection(spec, draft, { name: "version", flags: SHF_ALLOC | SHF_WRITE, bytes: version, size: 4 });
}

/** One section for each data map, and for the globals of an arena; returns their indices by map. */
function writeDataSections(spec: ObjectSpec, draft: ObjectDraft): Map<string, number> {
  const sections = new Map<string, number>();
  for (const map of spec.maps) {
    if (map.section === undefined || map.kind === "struct_ops" || map.kind === "kconfig") continue;
    const size = map.kind === "declared" ? map.data?.length ?? 0 : map.valueSize;
    const flags = map.kind === "rodata" ? SHF_ALLOC : SHF_ALLOC | SHF_WRITE;
    const zeros = map.kind === "bss";
    const bytes = zeros ? undefined : map.data ?? new Uint8Array(size);
    sections.set(map.name, addDataSection(spec, draft, { name: map.section, flags, bytes, size }));
  }
  return sections;
}

/** Adds a section and a symbol for each variable that the BTF has in it. */
function addDataSection(
  spec: ObjectSpec,
  draft: ObjectDraft,
  section: { name: string; flags: number; bytes: Uint8Array | undefined; size: number },
): number {
  const { name, flags, bytes, size } = section;
  const index = draft.addSection({
    name,
    type: bytes === undefined ? SHT_NOBITS : SHT_PROGBITS,
    flags,
    align: 8,
    size,
    ...(bytes !== undefined && { bytes }),
  });
  const { btf } = spec;
  const id = btf?.find(name, "DATASEC");
  if (btf === undefined || id === undefined) return index;
  for (const v of (btf.type(id) as BtfDatasec).vars) {
    const variable = btf.type(v.type);
    if (variable.kind !== "VAR") continue;
    const bind = variable.linkage === "static" ? STB_LOCAL : STB_GLOBAL;
    draft.addSymbol({ name: variable.name, value: v.offset, size: v.size, bind, type: STT_OBJECT, section: index });
  }
  return index;
}

/** Variables of a struct_ops section come back together, with relocations for their programs. */
function writeStructOps(spec: ObjectSpec, draft: ObjectDraft): void {
  const groups = Map.groupBy(spec.maps.filter((m) => m.structOps !== undefined), (m) => m.section!);
  for (const [name, maps] of groups) {
    const offsets = structOpsOffsets(spec, name, maps);
    const size = Math.max(...maps.map((m) => offsets.get(m)! + m.valueSize));
    const bytes = new Uint8Array(size);
    for (const map of maps) if (map.data !== undefined) bytes.set(map.data, offsets.get(map)!);
    const section = addDataSection(spec, draft, { name, flags: SHF_ALLOC | SHF_WRITE, bytes, size });
    draft.later(() => {
      for (const map of maps) {
        for (const { offset, program } of map.structOps!.programs) {
          const symbol = draft.functionSymbol(program);
          if (symbol === undefined) {
            throw new TypeError(`Cannot write struct_ops "${map.name}": there is no program "${program}"`);
          }
          draft.addRelocation(section, { offset: offsets.get(map)! + offset, symbol, type: R_BPF_64_ABS64 });
        }
      }
    });
  }
}

function structOpsOffsets(spec: ObjectSpec, section: string, maps: readonly MapSpec[]): Map<MapSpec, number> {
  const { btf } = spec;
  const id = btf?.find(section, "DATASEC");
  if (btf === undefined || id === undefined) {
    throw new TypeError(`Cannot write section "${section}": the BTF has no such DATASEC`);
  }
  const offsets = new Map((btf.type(id) as BtfDatasec).vars.map((v) => [btf.nameOf(v.type), v.offset]));
  return new Map(maps.map((m) => [m, offsets.get(m.name) ?? 0]));
}

function writeExterns(spec: ObjectSpec, draft: ObjectDraft): Map<string, number> {
  return new Map(spec.externs.map((extern) => [
    extern.name,
    draft.addSymbol({
      name: extern.name,
      value: 0,
      size: 0,
      bind: extern.weak ? STB_WEAK : STB_GLOBAL,
      type: STT_NOTYPE,
      section: SHN_UNDEF,
    }),
  ]));
}
