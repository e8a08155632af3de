/**
 * struct_ops: each variable of a `.struct_ops` section is one map, named like the variable; its bytes are the initial
 * members, its relocations say which program stands behind which member.
 */
import { R_BPF_64_64, R_BPF_64_ABS64 } from "../abi/elf.ts";
import { BPF_F_LINK, BPF_MAP_TYPE_STRUCT_OPS } from "../abi/bpf.gen.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfSecInfo } from "../btf/types.ts";
import { resolve, resolveId } from "../btf/walk.ts";
import type { ElfSection } from "./elf.ts";
import type { ObjectFile } from "./object_file.ts";
import { describeSymbol, sectionsWithRole } from "./object_file.ts";
import { emptyMap } from "./parse_maps.ts";
import type { MapSpec, StructOpsSpec } from "./spec.ts";

/** All struct_ops maps, by section and offset. */
export function parseStructOps(file: ObjectFile): MapSpec[] {
  return sectionsWithRole(file, "struct_ops").flatMap((section) => {
    const btf = file.btf;
    const id = btf?.find(section.name, "DATASEC");
    const datasec = id === undefined ? undefined : btf?.type(id);
    if (btf === undefined || datasec?.kind !== "DATASEC") {
      throw new FormatError(section.path, "has no DATASEC in the BTF", { hint: "compile with -g" });
    }
    return datasec.vars.map((v) => structOpsMap(file, btf, section, v));
  });
}

function structOpsMap(file: ObjectFile, btf: Btf, section: ElfSection, v: BtfSecInfo): MapSpec {
  const variable = btf.type(v.type);
  const path = `${section.path}: "${variable.name}"`;
  if (variable.kind !== "VAR") throw new FormatError(path, `type ${v.type} is ${variable.kind}, not a variable`);
  const type = resolve(btf, variable.type);
  if (type.kind !== "STRUCT" || type.name === "") throw new FormatError(path, "is not of a named struct type");
  const bytes = section.bytes;
  if (v.offset + type.size > bytes.length) {
    throw new FormatError(path, `needs bytes ${v.offset} to ${v.offset + type.size} of ${bytes.length}`);
  }
  const structOps: StructOpsSpec = {
    typeId: resolveId(btf, variable.type),
    link: section.name.endsWith(".link"),
    autocreate: !section.name.startsWith("?"),
    programs: programsOf(file, section, v.offset, type.size),
  };
  return {
    ...emptyMap(variable.name, "struct_ops"),
    type: BPF_MAP_TYPE_STRUCT_OPS,
    keySize: 4,
    valueSize: type.size,
    flags: structOps.link ? BPF_F_LINK : 0,
    maxEntries: 1,
    section: section.name,
    data: bytes.subarray(v.offset, v.offset + type.size),
    structOps,
  };
}

function programsOf(file: ObjectFile, section: ElfSection, from: number, size: number): StructOpsSpec["programs"] {
  const entries = file.relocations.get(section.index) ?? [];
  return entries.filter((e) => e.offset >= from && e.offset < from + size).map((entry) => {
    const path = `${section.path}: relocation at offset ${entry.offset}`;
    if (entry.type !== R_BPF_64_ABS64 && entry.type !== R_BPF_64_64) {
      throw new FormatError(path, `has type ${entry.type}`);
    }
    const target = file.symbols.section(entry.symbol);
    const value = file.symbols.value(entry.symbol);
    const fn = file.functions.find((f) => file.symbols.section(f) === target && file.symbols.value(f) === value);
    if (fn === undefined) throw new FormatError(path, `symbol ${describeSymbol(file, entry.symbol)} is no program`);
    return { offset: entry.offset - from, program: file.symbols.name(fn) };
  });
}
