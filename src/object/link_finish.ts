/**
 * The BTF of the linked object, ready to be written: only what is needed, every type once, names that the kernel
 * accepts, `.BTF.ext` to match.
 */
import { Btf } from "../btf/btf.ts";
import { dedupGraph } from "../btf/dedup.ts";
import { assemble } from "../btf/dedup_write.ts";
import { type BtfExt, writeBtfExt } from "../btf/ext.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import { pruneBtf } from "../btf/prune.ts";
import type { BtfType } from "../btf/types.ts";
import { childIds } from "../btf/walk.ts";
import { rewriteBtf, StringAppender } from "../btf/write.ts";
import type { Linked } from "./link_merge.ts";
import { kernelType, namesAreAcceptable } from "./link_names.ts";

/** `enum bpf_core_relo_kind`: the one that compares a type with all its members. */
const TYPE_MATCHES = 12;

/** Contents of `.BTF` and `.BTF.ext`. */
export interface FinishedBtf {
  btf: Uint8Array;
  ext: Uint8Array | undefined;
}

export interface FinishOptions {
  /** Drop types that nothing needs. */
  prune: boolean;
  /** Drop what CO-RE types say about pointers' targets. */
  minimizeCore: boolean;
}

/** Undefined if no input had BTF. */
export function finishBtf(linked: Linked, options: FinishOptions): FinishedBtf | undefined {
  const { btf: parts, endian } = linked;
  if (!parts.present) return undefined;
  parts.finish(linked.sections, linked.symbols);
  const { types: graph } = parts;
  const voidPointer = options.minimizeCore ? graph.add([0, BTF_KIND.PTR << 24, 0]) : 0;
  const ext = parts.extPresent ? parts.ext.build(endian, linked.sections) : undefined;
  // Section names of .BTF.ext are strings of .BTF.
  for (const { section } of ext?.funcInfo ?? []) graph.names.addText(section);
  for (const { section } of ext?.lineInfo ?? []) graph.names.addText(section);
  for (const { section } of ext?.core ?? []) graph.names.addText(section);
  const { types, strings, ids } = dedupGraph(graph, { ext, dropUnusedPrototypes: true });
  const plain = !options.prune && !options.minimizeCore;
  const extBytes = plain && ext !== undefined
    ? writeBtfExt(ext, (text) => strings.offset(graph.names.addText(text)))
    : undefined;
  const btf = Btf.parse(assemble(endian, types, strings.toBytes()), { path: "linked .BTF" });
  if (plain) return { btf: acceptable(btf).bytes, ext: extBytes };
  const firm = firmRoots(linked, btf, ext, ids);
  const edit = options.minimizeCore ? cutPointers(btf, ext, firm, ids[voidPointer]!) : undefined;
  const pruned = pruneBtf(btf, [...firm, ...coreRoots(ext, () => true)], { ext, edit });
  const result = acceptable(pruned.btf);
  if (pruned.ext === undefined) return { btf: result.bytes, ext: undefined };
  const appender = new StringAppender(result);
  const prunedExt = writeBtfExt(pruned.ext, (text) => appender.add(text));
  return { btf: appender.toBytes(), ext: prunedExt };
}

/** The same with names that the kernel takes; strings stay where they are. */
function acceptable(btf: Btf): Btf {
  return namesAreAcceptable(btf) ? btf : rewriteBtf(btf, kernelType);
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
