/**
 * Maps of a spec as BTF definitions: what `SEC(".maps")` variables look like after clang. The counterpart of
 * `parse_maps.ts`.
 */
import { R_BPF_64_ABS64, SHF_ALLOC, SHF_WRITE, STB_GLOBAL, STT_OBJECT } from "../abi/elf.ts";
import { BPF_MAP_TYPE_PROG_ARRAY } from "../abi/bpf.gen.ts";
import type { BtfMember } from "../btf/types.ts";
import type { BtfBuilder } from "../btf/write.ts";
import type { ObjectDraft } from "./object_draft.ts";
import type { MapSpec } from "./spec.ts";

const POINTER = 8;

/** Adds section `.maps`, its symbols and relocations; returns the DATASEC's variables. Slots are filled in later. */
export function writeMaps(draft: ObjectDraft, maps: readonly MapSpec[]): void {
  if (maps.length === 0) return;
  const writer = new DefinitionWriter(draft.btf, draft.intId);
  let size = 0;
  const vars = maps.map((map) => {
    const { typeId, bytes } = writer.define(map);
    const slots = Math.max(0, ...map.slots.map((s) => s.index + 1));
    const placed = { map, offset: size, valuesAt: bytes, size: bytes + slots * POINTER, typeId };
    size += placed.size;
    return placed;
  });
  const section = draft.addSection({
    name: ".maps",
    flags: SHF_ALLOC | SHF_WRITE,
    align: 8,
    bytes: new Uint8Array(size),
  });
  const ids = vars.map((v) => {
    const symbol = draft.addSymbol({
      name: v.map.name,
      value: v.offset,
      size: v.size,
      bind: STB_GLOBAL,
      type: STT_OBJECT,
      section,
    });
    draft.mapSymbols.set(v.map.name, symbol);
    return draft.btf.add({ kind: "VAR", name: v.map.name, type: v.typeId, linkage: "global" });
  });
  draft.setDatasec(".maps", size, vars.map((v, i) => ({ type: ids[i]!, offset: v.offset, size: v.size })));
  draft.later(() => {
    for (const v of vars) {
      for (const slot of v.map.slots) {
        const symbol = slot.kind === "map" ? draft.mapSymbols.get(slot.name) : draft.functionSymbol(slot.name);
        if (symbol === undefined) {
          throw new TypeError(`Cannot write map "${v.map.name}": there is no ${slot.kind} "${slot.name}"`);
        }
        const offset = v.offset + v.valuesAt + slot.index * POINTER;
        draft.addRelocation(section, { offset, symbol, type: R_BPF_64_ABS64 });
      }
    }
  });
}

/** Makes the structs. */
class DefinitionWriter {
  readonly #btf: BtfBuilder;
  readonly #int: number;

  constructor(btf: BtfBuilder, int: number) {
    this.#btf = btf;
    this.#int = int;
  }

  define(map: MapSpec): { typeId: number; bytes: number } {
    const members: BtfMember[] = [];
    const add = (name: string, type: number): void =>
      void members.push({ name, type, bitOffset: members.length * POINTER * 8, bitSize: 0 });
    const uint = (name: string, value: number): void => {
      if (value !== 0) add(name, this.#uint(value));
    };
    uint("type", map.type);
    uint("max_entries", map.maxEntries);
    uint("map_flags", map.flags);
    if (map.numaNode !== undefined) add("numa_node", this.#uint(map.numaNode));
    if (map.mapExtra > 0xffffffffn) add("map_extra", this.#ulong(map.mapExtra));
    else uint("map_extra", Number(map.mapExtra));
    if (map.pinning === "by_name") add("pinning", this.#uint(1));
    if (map.keyTypeId !== 0) add("key", this.#pointer(map.keyTypeId));
    else uint("key_size", map.keySize);
    const holds = map.inner !== undefined || (map.type === BPF_MAP_TYPE_PROG_ARRAY && map.slots.length > 0);
    if (map.valueTypeId !== 0) add("value", this.#pointer(map.valueTypeId));
    else uint("value_size", map.valueSize);
    const bytes = members.length * POINTER;
    if (holds) add("values", this.#values(map));
    const typeId = this.#btf.add({ kind: "STRUCT", name: "", size: bytes, members, kflag: false });
    return { typeId, bytes };
  }

  #pointer(type: number): number {
    return this.#btf.add({ kind: "PTR", name: "", type });
  }

  /** `int (*)[value]`. */
  #uint(value: number): number {
    return this.#pointer(this.#array(this.#int, value));
  }

  #ulong(value: bigint): number {
    return this.#btf.add({
      kind: "ENUM64",
      name: "",
      size: 8,
      signed: false,
      values: [{ name: "__unique_value", value }],
    });
  }

  /** `struct inner *[0]` or `int (*[0])(void *)`. */
  #values(map: MapSpec): number {
    const target = map.inner !== undefined ? this.define(map.inner).typeId : this.#btf.add({
      kind: "FUNC_PROTO",
      name: "",
      type: this.#int,
      params: [{ name: "", type: this.#pointer(0) }],
    });
    return this.#array(this.#pointer(target), 0);
  }

  #array(type: number, nelems: number): number {
    return this.#btf.add({ kind: "ARRAY", name: "", type, indexType: this.#int, nelems });
  }
}
