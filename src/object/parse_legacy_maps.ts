/**
 * Maps of section `maps`: arrays of `struct bpf_map_def { type, key_size, value_size, max_entries, map_flags }`, as
 * objects were written before BTF. libbpf refuses them since 1.0; old objects are still around, so waggle reads them.
 * Types of key and value come from `BPF_ANNOTATE_KV_PAIR`, a struct `____btf_map_NAME`, where it is there.
 */
import { STT_NOTYPE, STT_OBJECT } from "../abi/elf.ts";
import { FormatError } from "../errors.ts";
import type { ObjectFile } from "./object_file.ts";
import { sectionWithRole } from "./object_file.ts";
import type { DeclaredMap } from "./parse_maps.ts";
import { emptyMap } from "./parse_maps.ts";
import type { MapSpec } from "./spec.ts";

const DEF_SIZE = 20;

/** The maps of section `maps`, by offset. */
export function parseLegacyMaps(file: ObjectFile): DeclaredMap[] {
  const section = sectionWithRole(file, "legacy_maps");
  if (section === undefined) return [];
  const bytes = section.bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const symbols = legacySymbols(file, section.index);
  if (symbols.length === 0) throw new FormatError(section.path, "has no symbols that name its maps");
  return symbols.map((symbol, i): DeclaredMap => {
    const name = file.symbols.name(symbol);
    const offset = file.symbols.value(symbol);
    const next = symbols[i + 1];
    const end = next === undefined ? bytes.length : file.symbols.value(next);
    const path = `${section.path}: map "${name}"`;
    if (offset + DEF_SIZE > end || end > bytes.length) {
      throw new FormatError(path, `needs ${DEF_SIZE} bytes at offset ${offset}, but there are only ${end - offset}`);
    }
    if (bytes.subarray(offset + DEF_SIZE, end).some((b) => b !== 0)) {
      throw new FormatError(path, `has more than the ${DEF_SIZE} bytes of struct bpf_map_def`, {
        hint: 'definitions for iproute2 (struct bpf_elf_map) cannot be told from others: use SEC(".maps")',
      });
    }
    const spec = readDefinition(view, offset, file.elf.littleEndian, name);
    annotate(file, spec);
    return { spec, section: section.index, offset, size: end - offset, valuesOffset: undefined };
  });
}

function legacySymbols(file: ObjectFile, section: number): number[] {
  const found: number[] = [];
  for (let i = 1; i < file.symbols.count; i++) {
    const type = file.symbols.type(i);
    if (file.symbols.section(i) !== section || (type !== STT_OBJECT && type !== STT_NOTYPE)) continue;
    if (file.symbols.name(i) !== "") found.push(i);
  }
  return found.sort((a, b) => file.symbols.value(a) - file.symbols.value(b));
}

function readDefinition(view: DataView, offset: number, littleEndian: boolean, name: string): MapSpec {
  const word = (i: number): number => view.getUint32(offset + i * 4, littleEndian);
  return {
    ...emptyMap(name, "declared"),
    type: word(0),
    keySize: word(1),
    valueSize: word(2),
    maxEntries: word(3),
    flags: word(4),
  };
}

function annotate(file: ObjectFile, spec: MapSpec): void {
  const id = file.btf?.find(`____btf_map_${spec.name}`, "STRUCT");
  const type = id === undefined ? undefined : file.btf?.type(id);
  if (type?.kind !== "STRUCT") return;
  spec.keyTypeId = type.members.find((m) => m.name === "key")?.type ?? 0;
  spec.valueTypeId = type.members.find((m) => m.name === "value")?.type ?? 0;
}
