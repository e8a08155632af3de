/** BTF with only what is needed: the given types, all that they refer to, and the tags on those. */
import type { Btf } from "./btf.ts";
import type { BtfExt } from "./ext.ts";
import type { BtfType } from "./types.ts";
import { childIds, mapChildIds } from "./walk.ts";
import { BtfBuilder } from "./write.ts";

/** What pruning gives. */
export interface PruneResult {
  btf: Btf;
  /** Old id → new id; 0 for what is gone. */
  ids: Uint32Array;
  /** The `.BTF.ext` given, for the new BTF. */
  ext: BtfExt | undefined;
}

/** How types change on the way. Must not refer to other types than before. */
export type PruneEdit = (type: BtfType, id: number) => BtfType;

/**
 * A copy of `btf` with the types in `roots` and what they need, in their order. `ext` must refer to kept types only.
 * Unused strings are dropped. `edit` sees each type before its references are followed.
 */
export function pruneBtf(
  btf: Btf,
  roots: Iterable<number>,
  options: { ext?: BtfExt | undefined; edit?: PruneEdit | undefined } = {},
): PruneResult {
  const edited = new Map<number, BtfType>();
  const typeOf = (id: number): BtfType => {
    let type = edited.get(id);
    if (type === undefined) edited.set(id, type = options.edit?.(btf.type(id), id) ?? btf.type(id));
    return type;
  };
  const live = mark(btf, roots, typeOf);
  const ids = new Uint32Array(btf.typeCount);
  for (let id = 0; id < btf.firstId; id++) ids[id] = id;
  const builder = new BtfBuilder({ endian: btf.endian, base: btf.base });
  let next = builder.nextId;
  for (const id of btf.ids()) if (live[id] === 1) ids[id] = next++;
  for (const id of btf.ids()) if (live[id] === 1) builder.add(mapChildIds(typeOf(id), (child) => ids[child]!));
  // Strings of types first, then those of records, so that they are where toBytes() puts them.
  const pruned = builder.build(btf.path);
  if (options.ext === undefined) return { btf: pruned, ids, ext: undefined };
  const rest = new BtfBuilder({ endian: btf.endian, base: btf.base, stringsOf: pruned });
  for (const id of pruned.ids()) rest.add(pruned.type(id));
  const ext = moveExt(options.ext, btf, ids, rest);
  return { btf: rest.build(btf.path), ids, ext };
}

function mark(btf: Btf, roots: Iterable<number>, typeOf: (id: number) => BtfType): Uint8Array {
  const live = new Uint8Array(btf.typeCount);
  const stack = [...roots];
  const follow = (): void => {
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (live[id] === 1 || id < btf.firstId) continue;
      live[id] = 1;
      stack.push(...childIds(typeOf(id)));
    }
  };
  follow();
  // A tag hangs on its target, not the other way round; tags have no tags.
  for (const id of btf.ids("DECL_TAG")) if (live[(btf.type(id) as { type: number }).type] === 1) stack.push(id);
  follow();
  return live;
}

function moveExt(ext: BtfExt, btf: Btf, ids: Uint32Array, builder: BtfBuilder): BtfExt {
  const id = (old: number): number => ids[old] ?? 0;
  const string = (old: number): number => builder.addString(btf.string(old));
  return {
    endian: ext.endian,
    funcInfo: ext.funcInfo.map((b) => ({ ...b, typeId: b.typeId.map(id) })),
    lineInfo: ext.lineInfo.map((b) => ({ ...b, fileOff: b.fileOff.map(string), lineOff: b.lineOff.map(string) })),
    core: ext.core.map((b) => ({ ...b, typeId: b.typeId.map(id), accessOff: b.accessOff.map(string) })),
  };
}
