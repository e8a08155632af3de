/**
 * BTF-defined maps: every variable of DATASEC `.maps` is a struct whose members describe a map. Numbers hide in types
 * (`__uint(max_entries, 64)` is a pointer to an array of 64 ints), keys and values are pointers to their type. Slots of
 * maps of maps and program arrays are initialised by relocations of the section's data. Rules are libbpf's.
 */
import { R_BPF_64_64, R_BPF_64_ABS64, SHN_UNDEF } from "../abi/elf.ts";
import {
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_UNSPEC,
} from "../abi/bpf.gen.ts";
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfComposite, BtfDatasec, BtfMember, BtfSecInfo, BtfType } from "../btf/types.ts";
import { resolve, resolveId, sizeOf } from "../btf/walk.ts";
import type { ObjectFile } from "./object_file.ts";
import { describeSymbol, sectionWithRole } from "./object_file.ts";
import type { MapSpec } from "./spec.ts";

/** A declared map and where its definition lies. */
export interface DeclaredMap {
  spec: MapSpec;
  /** Section index and byte offset of the variable. */
  section: number;
  offset: number;
  size: number;
  /** Byte offset of member `values` in the definition. */
  valuesOffset: number | undefined;
}

/** A map with nothing set: what every kind of map starts from. */
export function emptyMap(name: string, kind: MapSpec["kind"]): MapSpec {
  return {
    name,
    kind,
    type: BPF_MAP_TYPE_UNSPEC,
    keySize: 0,
    valueSize: 0,
    maxEntries: 0,
    flags: 0,
    mapExtra: 0n,
    numaNode: undefined,
    pinning: "none",
    keyTypeId: 0,
    valueTypeId: 0,
    inner: undefined,
    slots: [],
    section: undefined,
    data: undefined,
    structOps: undefined,
  };
}

/** The maps of section `.maps`, by offset. */
export function parseDeclaredMaps(file: ObjectFile): DeclaredMap[] {
  const section = sectionWithRole(file, "maps");
  if (section === undefined) return [];
  const btf = file.btf;
  if (btf === undefined) {
    throw new FormatError(section.path, "needs BTF, but the file has none", { hint: "compile with -g" });
  }
  const id = btf.find(".maps", "DATASEC");
  if (id === undefined) throw new FormatError(section.path, "has no DATASEC in the BTF");
  const vars = (btf.type(id) as BtfDatasec).vars;
  const maps = vars.map((v) => parseDeclaredMap(file, btf, v, section.index));
  const arenas = maps.filter((m) => m.spec.type === BPF_MAP_TYPE_ARENA);
  if (arenas.length > 1) throw new FormatError(section.path, `has ${arenas.length} arenas: an object may have one`);
  return maps;
}

function parseDeclaredMap(file: ObjectFile, btf: Btf, v: BtfSecInfo, section: number): DeclaredMap {
  const variable = btf.type(v.type);
  const path = file.elf.at(`.maps: map "${variable.name}"`);
  if (variable.kind !== "VAR" || variable.name === "") throw new FormatError(path, `type ${v.type} is no variable`);
  if (variable.linkage !== "global") {
    throw new FormatError(path, `is ${variable.linkage}: maps must be global`, {
      hint: variable.linkage === "extern" ? "link the object with the one that defines the map" : `take "static" away`,
    });
  }
  const definition = resolve(btf, variable.type);
  if (definition.kind !== "STRUCT") throw new FormatError(path, `is defined by ${definition.kind}, not by a struct`);
  if (definition.size > v.size) {
    throw new FormatError(path, `its struct has ${definition.size} bytes, its place ${v.size}`);
  }
  const size = file.elf.sections[section]!.size;
  if (v.offset + v.size > size) throw new FormatError(path, `lies outside of the section of ${size} bytes`);
  const parser = new DefinitionParser(btf, path, variable.name);
  const spec = parser.parse(definition);
  return { spec, section, offset: v.offset, size: v.size, valuesOffset: parser.valuesOffset };
}

/** Reads one definition struct. */
class DefinitionParser {
  valuesOffset: number | undefined;
  readonly #btf: Btf;
  readonly #path: string;
  readonly #spec: MapSpec;
  readonly #inner: boolean;

  constructor(btf: Btf, path: string, name: string, inner = false) {
    this.#btf = btf;
    this.#path = path;
    this.#inner = inner;
    this.#spec = emptyMap(name, "declared");
  }

  parse(definition: BtfComposite): MapSpec {
    definition.members.forEach((member, i) => this.#member(member, i === definition.members.length - 1));
    const spec = this.#spec;
    if (spec.type === BPF_MAP_TYPE_UNSPEC) this.#fail("type", "is missing: a map needs one");
    return spec;
  }

  #member(member: BtfMember, last: boolean): void {
    const spec = this.#spec;
    switch (member.name) {
      case "type":
        spec.type = this.#uint(member);
        return;
      case "max_entries":
        spec.maxEntries = this.#uint(member);
        return;
      case "map_flags":
        spec.flags = this.#uint(member);
        return;
      case "numa_node":
        spec.numaNode = this.#uint(member);
        return;
      case "map_extra":
        spec.mapExtra = this.#ulong(member);
        return;
      case "key_size":
        spec.keySize = this.#agree(member, spec.keySize, this.#uint(member));
        return;
      case "value_size":
        spec.valueSize = this.#agree(member, spec.valueSize, this.#uint(member));
        return;
      case "key":
        spec.keyTypeId = this.#pointee(member);
        spec.keySize = this.#agree(member, spec.keySize, sizeOf(this.#btf, spec.keyTypeId));
        return;
      case "value":
        spec.valueTypeId = this.#pointee(member);
        spec.valueSize = this.#agree(member, spec.valueSize, sizeOf(this.#btf, spec.valueTypeId));
        return;
      case "values":
        return this.#values(member, last);
      case "pinning":
        return this.#pinning(member);
      default:
        this.#fail(member.name, "is not a member of a map definition");
    }
  }

  #pinning(member: BtfMember): void {
    if (this.#inner) this.#fail("pinning", "is not for inner maps");
    const value = this.#uint(member);
    if (value > 1) this.#fail("pinning", `${value} is not known: 0 (none) and 1 (by name) are`);
    this.#spec.pinning = value === 1 ? "by_name" : "none";
  }

  /** `__array(values, T)`: an array without elements; its initialiser only exists as relocations. */
  #values(member: BtfMember, last: boolean): void {
    const spec = this.#spec;
    const ofMaps = spec.type === BPF_MAP_TYPE_ARRAY_OF_MAPS || spec.type === BPF_MAP_TYPE_HASH_OF_MAPS;
    if (!ofMaps && spec.type !== BPF_MAP_TYPE_PROG_ARRAY) {
      this.#fail("values", `is for maps of maps and program arrays, not for type ${spec.type}`);
    }
    if (this.#inner) this.#fail("values", "is not for inner maps: they cannot hold maps");
    if (!last) this.#fail("values", "must be the last member");
    if (spec.valueSize !== 0 && spec.valueSize !== 4) this.#fail("values", `needs value_size 4, not ${spec.valueSize}`);
    spec.valueSize = 4;
    this.valuesOffset = member.bitOffset / 8;
    const array = resolve(this.#btf, member.type);
    if (array.kind !== "ARRAY" || array.nelems !== 0) {
      this.#fail("values", "must be an array of pointers without length");
    }
    const pointer = resolve(this.#btf, array.type);
    if (pointer.kind !== "PTR") this.#fail("values", "must be an array of pointers");
    const target = resolve(this.#btf, pointer.type);
    if (!ofMaps) {
      if (target.kind !== "FUNC_PROTO") this.#fail("values", "of a program array must point to functions");
      return;
    }
    if (target.kind !== "STRUCT") this.#fail("values", "of a map of maps must point to a map definition");
    spec.inner = new DefinitionParser(this.#btf, this.#path, `${spec.name}.inner`, true).parse(target);
  }

  /** `int (*name)[N]`. */
  #uint(member: BtfMember): number {
    const array = this.#arrayBehind(member);
    if (array.kind !== "ARRAY") this.#fail(member.name, "is not written as __uint(name, value)");
    return array.nelems;
  }

  /** `int (*name)[N]`, or `enum { v = N } *name` for what exceeds 32 bits. */
  #ulong(member: BtfMember): bigint {
    const type = resolve(this.#btf, member.type);
    if (type.kind === "PTR") return BigInt(this.#uint(member));
    if (type.kind !== "ENUM" && type.kind !== "ENUM64") {
      this.#fail(member.name, "is not written as __ulong(name, value)");
    }
    const value = type.values[0];
    if (value === undefined || type.values.length !== 1) this.#fail(member.name, "has no single value");
    return BigInt.asUintN(64, value.value);
  }

  #arrayBehind(member: BtfMember): BtfType {
    const pointer = resolve(this.#btf, member.type);
    if (pointer.kind !== "PTR") this.#fail(member.name, `is ${pointer.kind}, not a pointer`);
    return this.#btf.type(pointer.type);
  }

  /** The type `key` and `value` point to; typedefs stay, for names in dumps. */
  #pointee(member: BtfMember): number {
    const pointer = this.#btf.type(resolveId(this.#btf, member.type));
    if (pointer.kind !== "PTR") this.#fail(member.name, `is ${pointer.kind}, not a pointer to a type`);
    return pointer.type;
  }

  #agree(member: BtfMember, known: number, size: number): number {
    if (known !== 0 && known !== size) this.#fail(member.name, `has ${size} bytes, but ${known} were said before`);
    return size;
  }

  #fail(member: string, problem: string): never {
    throw new FormatError(`${this.#path}: ${member}`, problem);
  }
}

/** Fills the slots of maps of maps and program arrays from the relocations of `.maps`. */
export function parseMapSlots(file: ObjectFile, maps: readonly DeclaredMap[]): void {
  const index = sectionWithRole(file, "maps")?.index;
  if (index === undefined) return;
  const path = file.elf.at(".rel.maps");
  for (const entry of file.relocations.get(index) ?? []) {
    if (entry.type !== R_BPF_64_ABS64 && entry.type !== R_BPF_64_64) {
      throw new FormatError(path, `entry at offset ${entry.offset} has type ${entry.type}`);
    }
    const map = maps.find((m) => entry.offset >= m.offset && entry.offset < m.offset + m.size);
    if (map === undefined) throw new FormatError(path, `entry at offset ${entry.offset} belongs to no map`);
    if (map.valuesOffset === undefined || entry.offset < map.offset + map.valuesOffset) {
      throw new FormatError(path, `entry at offset ${entry.offset} is not in "values" of map "${map.spec.name}"`);
    }
    const at = entry.offset - map.offset - map.valuesOffset;
    if (at % 8 !== 0) throw new FormatError(path, `entry at offset ${entry.offset} is not at a slot`);
    const kind = map.spec.type === BPF_MAP_TYPE_PROG_ARRAY ? "program" : "map";
    map.spec.slots.push({ index: at / 8, kind, name: slotName(file, entry.symbol, kind, maps, path) });
  }
}

function slotName(
  file: ObjectFile,
  symbol: number,
  kind: "map" | "program",
  maps: readonly DeclaredMap[],
  path: string,
): string {
  const section = file.symbols.section(symbol);
  const value = file.symbols.value(symbol);
  if (section === SHN_UNDEF) throw new FormatError(path, `symbol ${describeSymbol(file, symbol)} is not defined`);
  if (kind === "program") {
    const fn = file.functions.find((f) => file.symbols.section(f) === section && file.symbols.value(f) === value);
    if (fn === undefined) throw new FormatError(path, `symbol ${describeSymbol(file, symbol)} is no program`);
    return file.symbols.name(fn);
  }
  const map = maps.find((m) => m.section === section && m.offset === value);
  if (map === undefined) throw new FormatError(path, `symbol ${describeSymbol(file, symbol)} is no map`);
  return map.spec.name;
}
