/**
 * The BTF of the linked object, ready to be written: only what is needed, every type once, names that the kernel
 * accepts, `.BTF.ext` to match.
 */
import type { Btf } from "../btf/btf.ts";
import { dedupBtf } from "../btf/dedup.ts";
import type { BtfExt } from "../btf/ext.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import { pruneBtf } from "../btf/prune.ts";
import type { BtfType } from "../btf/types.ts";
import { childIds } from "../btf/walk.ts";
import { rewriteBtf } from "../btf/write.ts";
import type { Linked } from "./link_merge.ts";
import { kernelType, namesAreAcceptable } from "./link_names.ts";

/** `enum bpf_core_relo_kind`: the one that compares a type with all its members. */
const TYPE_MATCHES = 12;

export interface FinishedBtf {
  btf: Btf;
  ext: BtfExt | undefined;
}

export interface FinishOptions {
  /** Drop types that nothing needs. */
  prune: boolean;
  /** Drop what CO-RE types say about pointers' targets. */
  minimizeCore: boolean;
}

/** Undefined if no input had BTF. */
export function finishBtf(linked: Linked, options: FinishOptions): FinishedBtf | undefined {
  const { btf: parts } = linked;
  if (!parts.present) return undefined;
  parts.finish(linked.sections, linked.symbols);
  const voidPointer = options.minimizeCore ? parts.types.add([0, BTF_KIND.PTR << 24, 0]) : 0;
  const records = parts.extPresent ? parts.ext(linked.endian, linked.sections) : undefined;
  const { btf: all, ids, ext } = dedupBtf(parts.types.build("linked .BTF"), {
    ext: records,
    dropUnusedPrototypes: true,
  });
  let result: FinishedBtf = { btf: all, ext };
  if (options.prune || options.minimizeCore) {
    const firm = firmRoots(linked, all, ext, ids);
    const edit = options.minimizeCore ? cutPointers(all, ext, firm, ids[voidPointer]!) : undefined;
    result = pruneBtf(all, [...firm, ...coreRoots(ext, () => true)], { ext, edit });
  }
  const { btf } = result;
  return { btf: namesAreAcceptable(btf) ? btf : rewriteBtf(btf, kernelType), ext: result.ext };
}

/** What programs, variables and maps are made of. `ids` are new ids by those of the linker. */
function firmRoots(linked: Linked, btf: Btf, ext: BtfExt | undefined, ids: Uint32Array): number[] {
  const roots = [...btf.ids("DATASEC")];
  for (const symbol of linked.symbols) if (symbol.btfId !== 0) roots.push(ids[symbol.btfId]!);
  for (const block of ext?.funcInfo ?? []) roots.push(...block.typeId);
  return roots;
}

function coreRoots(ext: BtfExt | undefined, wanted: (kind: number) => boolean): number[] {
  return (ext?.core ?? []).flatMap((block) => [...block.typeId].filter((_, i) => wanted(block.kind[i]!)));
}

/**
 * Types that only CO-RE needs lose what their pointers point to: a relocation walks through values, each pointer on the
 * way has its own record with its own root.
 */
function cutPointers(
  btf: Btf,
  ext: BtfExt | undefined,
  firm: readonly number[],
  voidPointer: number,
): (type: BtfType, id: number) => BtfType {
  const whole = reachable(btf, [...firm, ...coreRoots(ext, (kind) => kind === TYPE_MATCHES)]);
  return (type, id) => {
    if ((type.kind !== "STRUCT" && type.kind !== "UNION") || whole.has(id)) return type;
    const members = type.members.map((m) => btf.type(m.type).kind === "PTR" ? { ...m, type: voidPointer } : m);
    return { ...type, members };
  };
}

function reachable(btf: Btf, roots: readonly number[]): Set<number> {
  const seen = new Set<number>();
  const stack = [...roots];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    stack.push(...childIds(btf.type(id)));
  }
  return seen;
}
