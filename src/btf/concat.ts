/** Several BTFs in one, one after the other: what the linker and deduplication start from. */
import type { Btf } from "./btf.ts";
import type { BtfType } from "./types.ts";
import { mapChildIds } from "./walk.ts";
import type { BtfBuilder } from "./write.ts";

/**
 * Appends the own types of `btf` to the builder, with their references shifted to their new ids. Returns what to add to
 * an id of `btf`; 0 (`void`) and the ids of a common base stay as they are.
 */
export function appendBtf(builder: BtfBuilder, btf: Btf, edit?: (type: BtfType, id: number) => BtfType): number {
  const shift = builder.nextId - btf.firstId;
  const move = (id: number): number => (id < btf.firstId ? id : id + shift);
  for (const id of btf.ids()) {
    const type = edit === undefined ? btf.type(id) : edit(btf.type(id), id);
    builder.add(mapChildIds(type, move));
  }
  return shift;
}
