/**
 * Externs: what the object expects of the kernel it will be loaded on. Undefined symbols, each described by an extern
 * VAR or FUNC in DATASEC `.kconfig` (values of the kernel's configuration) or `.ksyms` (its variables and functions).
 * Order and layout are libbpf's, so that instructions come out equal.
 */
import { STB_WEAK } from "../abi/elf.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../abi/bpf.gen.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfDatasec } from "../btf/types.ts";
import { alignOf, resolve, sizeOf } from "../btf/walk.ts";
import { layOutKconfig } from "./fix_btf.ts";
import type { ObjectFile } from "./object_file.ts";
import { emptyMap } from "./parse_maps.ts";
import type { ExternSpec, MapSpec } from "./spec.ts";

/** The externs in libbpf's order, and the map that holds the kconfig values. May replace `file.btf`. */
export function parseExterns(file: ObjectFile): { externs: ExternSpec[]; kconfig: MapSpec | undefined } {
  if (file.externs.length === 0) return { externs: [], kconfig: undefined };
  const btf = file.btf;
  const first = file.symbols.name(file.externs[0]!);
  if (btf === undefined) {
    throw new FormatError(file.elf.at(`extern "${first}"`), "needs BTF, but the file has none", {
      hint: "compile with -g",
    });
  }
  const sections = externSections(btf);
  const found = file.externs.map((symbol) => parseExtern(file, btf, symbol, sections));
  found.sort(compareExterns);
  const externs = found.map((f) => f.spec);
  return { externs, kconfig: kconfigMap(file, btf, externs) };
}

interface Found {
  spec: ExternSpec;
  align: number;
}

/** BTF ids of extern variables and functions by name, with the section that lists them. */
function externSections(btf: Btf): Map<string, { id: number; section: string }> {
  const found = new Map<string, { id: number; section: string }>();
  for (const datasec of btf.ids("DATASEC")) {
    const type = btf.type(datasec) as BtfDatasec;
    for (const v of type.vars) {
      const variable = btf.type(v.type);
      if ((variable.kind !== "VAR" && variable.kind !== "FUNC") || variable.linkage !== "extern") continue;
      if (!found.has(variable.name)) found.set(variable.name, { id: v.type, section: type.name });
    }
  }
  return found;
}

function parseExtern(
  file: ObjectFile,
  btf: Btf,
  symbol: number,
  sections: ReadonlyMap<string, { id: number; section: string }>,
): Found {
  const name = file.symbols.name(symbol);
  const path = file.elf.at(`extern "${name}"`);
  const entry = sections.get(name);
  if (entry === undefined) {
    throw new FormatError(path, "has no extern declaration in the BTF", {
      hint: "declare it with __kconfig or __ksym, or link the object that defines it",
    });
  }
  const weak = file.symbols.bind(symbol) === STB_WEAK;
  const spec: ExternSpec = { name, kind: "ksym_var", weak, btfId: entry.id, size: 0, offset: 0, typeless: false };
  const type = btf.type(entry.id);
  if (entry.section === ".kconfig") return parseKconfig(btf, spec, path);
  if (entry.section !== ".ksyms") throw new FormatError(path, `is in section "${entry.section}", which is not known`);
  if (type.kind === "FUNC") spec.kind = "ksym_func";
  else if (type.kind === "VAR") spec.typeless = resolve(btf, type.type).kind === "UNKN";
  return { spec, align: 0 };
}

function parseKconfig(btf: Btf, spec: ExternSpec, path: string): Found {
  const variable = btf.type(spec.btfId);
  if (variable.kind !== "VAR") throw new FormatError(path, "is a function, but .kconfig holds values");
  const kind = kconfigKind(btf, variable.type);
  if (kind === undefined) {
    throw new FormatError(path, "has a type that no configuration value has", {
      hint: "use bool, char, char[], an integer of 1 to 8 bytes, or enum libbpf_tristate",
    });
  }
  spec.kind = "kconfig";
  spec.value = kind.value;
  spec.signed = kind.signed;
  spec.size = sizeOf(btf, variable.type);
  return { spec, align: alignOf(btf, variable.type) };
}

function kconfigKind(btf: Btf, id: number): { value: NonNullable<ExternSpec["value"]>; signed: boolean } | undefined {
  const type = resolve(btf, id);
  switch (type.kind) {
    case "INT":
      if (type.bool) return type.size === 1 ? { value: "bool", signed: false } : undefined;
      if (type.size === 1) return { value: "char", signed: type.signed };
      return [2, 4, 8].includes(type.size) ? { value: "int", signed: type.signed } : undefined;
    case "ENUM":
    case "ENUM64":
      return type.name === "libbpf_tristate" ? { value: "tristate", signed: false } : undefined;
    case "ARRAY": {
      const isString = type.nelems > 0 && kconfigKind(btf, type.type)?.value === "char";
      return isString ? { value: "string", signed: false } : undefined;
    }
    default:
      return undefined;
  }
}

/** kconfig first: by alignment downwards, size, name; then kernel symbols by name. */
function compareExterns(a: Found, b: Found): number {
  const aKconfig = a.spec.kind === "kconfig";
  const bKconfig = b.spec.kind === "kconfig";
  if (aKconfig !== bKconfig) return aKconfig ? -1 : 1;
  if (aKconfig) {
    if (a.align !== b.align) return b.align - a.align;
    if (a.spec.size !== b.spec.size) return a.spec.size - b.spec.size;
  }
  return a.spec.name < b.spec.name ? -1 : a.spec.name > b.spec.name ? 1 : 0;
}

/** Lays the kconfig values out and gives the DATASEC the same layout. */
function kconfigMap(file: ObjectFile, btf: Btf, externs: ExternSpec[]): MapSpec | undefined {
  const values = externs.filter((e) => e.kind === "kconfig");
  if (values.length === 0) return undefined;
  let size = 0;
  for (const value of values) {
    const align = alignOf(btf, (btf.type(value.btfId) as { type: number }).type);
    value.offset = Math.ceil(size / align) * align;
    size = value.offset + value.size;
  }
  const datasec = btf.find(".kconfig", "DATASEC") ?? 0;
  file.btf = layOutKconfig(btf, datasec, size, new Map(values.map((v) => [v.name, v.offset])));
  return {
    ...emptyMap(".kconfig", "kconfig"),
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: BPF_F_RDONLY_PROG | BPF_F_MMAPABLE,
    valueTypeId: datasec,
    section: ".kconfig",
  };
}
