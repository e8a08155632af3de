/**
 * BTF for maps made from schemas, so that `bpftool map dump` and the kernel know the names in their keys and values.
 */
import { LayoutTypes } from "../compiler/object/layout_btf.ts";
import { BtfBuilder } from "../btf/write.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Layout } from "../bytes/layout.ts";
import { SyscallError } from "../errors.ts";
import { btfLoad } from "../syscall/bpf.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapKind } from "./kinds.ts";

/** A loaded BTF object and the ids in it. */
export interface MapBtf {
  readonly fd: Fd;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
}

type Part = Codec<unknown> | undefined;

/**
 * The types of a map, loaded; undefined for kinds that take none, without schemas, and where the kernel has no BTF: a map
 * without types works as well. Storage maps must have types: without a schema their values are arrays of bytes.
 */
export function schemaBtf(kind: MapKind, key: Part, value: Part, valueSize: number): MapBtf | undefined {
  const must = kind.btf === "must";
  if (kind.btf === undefined || !(must || isLayout(value)) || !keyFits(kind, key)) return undefined;
  const builder = new BtfBuilder();
  const types = new LayoutTypes(builder);
  const keyTypeId = keyType(types, kind, key);
  const valueTypeId = isLayout(value) ? types.of(value.desc, value.size) : types.array(types.int(1, false), valueSize);
  try {
    return { fd: btfLoad(builder.toBytes()), keyTypeId, valueTypeId };
  } catch (error) {
    if (error instanceof SyscallError && !must) return undefined;
    throw error;
  }
}

/** Tries take a struct as key, and their own kind of key is not one. */
function keyFits(kind: MapKind, key: Part): boolean {
  if (kind.keySize !== undefined || kind.indexed) return true;
  return isLayout(key) && (kind.name !== "lpm_trie" || key.desc.kind === "struct");
}

/** Arrays have an unsigned int as key, storage maps an int, kinds without keys nothing. */
function keyType(types: LayoutTypes, kind: MapKind, key: Part): number {
  if (kind.keySize === 0) return 0;
  if (kind.keySize === 4) return types.int(4, !kind.indexed);
  return isLayout(key) ? types.of(key.desc, key.size) : 0;
}

function isLayout(part: Part): part is Layout<unknown> {
  return part !== undefined && "desc" in part;
}
