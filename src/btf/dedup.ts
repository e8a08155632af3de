/**
 * Deduplication: BTF in which every type occurs once, from BTF in which each compilation unit brought its own copy.
 * The steps are those that Linux uses for itself: strings, primitive types, structs and unions (whole graphs at a
 * time), forward declarations, then everything that only refers to others. Split BTF is deduplicated against its base.
 */
import { Btf } from "./btf.ts";
import { DedupEqual } from "./dedup_equal.ts";
import { DedupGraph } from "./dedup_graph.ts";
import { assemble, newIds, remapExt, UsedStrings, writeTypes } from "./dedup_write.ts";
import type { BtfExt } from "./ext.ts";
import { BTF_KIND, BTF_TYPE_WORDS, vlenOfInfo } from "./kinds.ts";
import type { PooledNames } from "./name_pool.ts";

/** What deduplication gives. */
export interface DedupResult {
  btf: Btf;
  /** Old id → new id. */
  ids: Uint32Array;
  /** The `.BTF.ext` given, for the new BTF. */
  ext: BtfExt | undefined;
}

/**
 * A copy of `btf` without duplicates and without unused strings; `ext` goes with it. The types that stay keep their
 * order. Throws `FormatError` if a type id or string offset is out of range, and for types of unknown kind.
 */
export function dedupBtf(btf: Btf, options: { ext?: BtfExt | undefined } = {}): DedupResult {
  const parts: Btf[] = [];
  for (let part: Btf | undefined = btf; part !== undefined; part = part.base) parts.unshift(part);
  const graph = new DedupGraph(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let names: PooledNames | undefined;
  let base: PooledNames | undefined;
  for (const part of parts) {
    graph.firstId = part.firstId;
    base = names;
    names = graph.append(part, { base: names });
  }
  const ext = options.ext === undefined ? undefined : pooled(options.ext, names!);
  const { types, strings, ids } = dedupGraph(graph, { ext, base });
  const bytes = assemble(btf.endian, types, strings.toBytes());
  return { btf: Btf.parse(bytes, { base: btf.base, path: btf.path }), ids, ext };
}

/** A copy of the records with names of the pool. */
function pooled(ext: BtfExt, names: PooledNames): BtfExt {
  const texts = (column: Uint32Array): Uint32Array => column.map((offset) => names.get(offset));
  return {
    endian: ext.endian,
    funcInfo: ext.funcInfo.map((b) => ({ ...b, insnOff: b.insnOff.slice(), typeId: b.typeId.slice() })),
    lineInfo: ext.lineInfo.map((b) => ({
      ...b,
      insnOff: b.insnOff.slice(),
      fileOff: texts(b.fileOff),
      lineOff: texts(b.lineOff),
    })),
    core: ext.core.map((b) => ({
      ...b,
      insnOff: b.insnOff.slice(),
      typeId: b.typeId.slice(),
      accessOff: texts(b.accessOff),
    })),
  };
}

/** What to do besides joining types. */
export interface GraphOptions {
  /** Records with ids and names of the graph; they get the new ones. */
  ext?: BtfExt | undefined;
  /** Leave out function prototypes that nothing refers to: linking leaves those of externs that were defined. */
  dropUnusedPrototypes?: boolean | undefined;
  /** Names of the BTF that the result continues. */
  base?: PooledNames | undefined;
}

/** The types of a graph, each once. */
export interface GraphResult {
  types: Uint32Array;
  /** Those in use so far; more can be added. */
  strings: UsedStrings;
  /** Old id → new id. */
  ids: Uint32Array;
}

/** Deduplicates a graph, which is not to be used again. */
export function dedupGraph(graph: DedupGraph, options: GraphOptions = {}): GraphResult {
  dedupPrimitives(graph);
  dedupComposites(graph);
  resolveForwards(graph);
  dedupReferences(graph);
  const dead = options.dropUnusedPrototypes === true ? unusedPrototypes(graph) : undefined;
  const ids = newIds(graph, dead);
  const strings = new UsedStrings(graph.names, options.base);
  const types = writeTypes(graph, ids, strings);
  if (options.ext !== undefined) remapExt(options.ext, ids, strings);
  return { types, strings, ids };
}

/** Hash → ids of types that stay, newest first. */
class Buckets {
  readonly #heads: Uint32Array;
  readonly #next: Uint32Array;
  readonly #mask: number;

  constructor(typeCount: number) {
    let size = 64;
    while (size < typeCount) size *= 2;
    this.#heads = new Uint32Array(size);
    this.#next = new Uint32Array(typeCount);
    this.#mask = size - 1;
  }

  /** The first id with this hash, 0 if there is none; `next` gives the others. */
  first(hash: number): number {
    return this.#heads[mix(hash) & this.#mask]!;
  }

  next(id: number): number {
    return this.#next[id]!;
  }

  add(hash: number, id: number): void {
    const bucket = mix(hash) & this.#mask;
    this.#next[id] = this.#heads[bucket]!;
    this.#heads[bucket] = id;
  }
}

function mix(hash: number): number {
  const spread = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (spread ^ (spread >>> 15)) >>> 0;
}

/** INT, FLOAT, FWD and enums: equal words. An enum without values is the declaration of one with that name. */
function dedupPrimitives(graph: DedupGraph): void {
  const { kinds, typeCount } = graph;
  const buckets = new Buckets(typeCount);
  for (let id = 1; id < typeCount; id++) {
    const kind = kinds[id]!;
    if (kind === BTF_KIND.ENUM || kind === BTF_KIND.ENUM64) dedupEnum(graph, buckets, id);
    else if (kind === BTF_KIND.INT || kind === BTF_KIND.FLOAT || kind === BTF_KIND.FWD) {
      dedupByWords(graph, buckets, id);
    }
  }
}

function dedupByWords(graph: DedupGraph, buckets: Buckets, id: number): void {
  const hash = graph.hashWords(id);
  if (id >= graph.firstId) {
    for (let other = buckets.first(hash); other !== 0; other = buckets.next(other)) {
      if (graph.sameWords(id, other)) return graph.join(id, other);
    }
  }
  buckets.add(hash, id);
}

function dedupEnum(graph: DedupGraph, buckets: Buckets, id: number): void {
  const { words, starts } = graph;
  const at = starts[id]!;
  // Declarations and definitions meet by name; without a name there are no declarations.
  const hash = words[at] === 0 ? graph.hashWords(id) : words[at]! ^ 0x5bd1e995;
  const isFwd = (enumId: number): boolean =>
    words[starts[enumId]!] !== 0 && vlenOfInfo(words[starts[enumId]! + 1]!) === 0;
  for (let other = id < graph.firstId ? 0 : buckets.first(hash); other !== 0; other = buckets.next(other)) {
    if (!graph.isRoot(other) || words[starts[other]!] !== words[at]) continue;
    if (graph.kind(other) !== BTF_KIND.ENUM && graph.kind(other) !== BTF_KIND.ENUM64) continue;
    if (graph.sameWords(id, other)) return graph.join(id, other);
    if (isFwd(id)) return graph.join(id, other);
    if (isFwd(other) && other >= graph.firstId) graph.join(other, id);
  }
  buckets.add(hash, id);
}

/** Structs and unions: a new one is compared with those before it that look the same from outside. */
function dedupComposites(graph: DedupGraph): void {
  const { kinds, parents, typeCount, firstId } = graph;
  const buckets = new Buckets(typeCount);
  const equal = new DedupEqual(graph);
  const hashes = new Int32Array(typeCount);
  for (let id = 1; id < typeCount; id++) {
    const kind = kinds[id]!;
    if ((kind !== BTF_KIND.STRUCT && kind !== BTF_KIND.UNION) || parents[id] !== id) continue;
    const hash = shapeHash(graph, hashes, id);
    if (id < firstId || !joinComposite(graph, buckets, equal, id, hash)) buckets.add(hash, id);
    equal.processed[id] = 1;
  }
}

function joinComposite(graph: DedupGraph, buckets: Buckets, equal: DedupEqual, id: number, hash: number): boolean {
  for (let other = buckets.first(hash); other !== 0; other = buckets.next(other)) {
    if (graph.parents[other] === other && equal.unify(id, other)) return true;
  }
  return false;
}

/**
 * Hash of a struct: its own words, and of each member what its type says without going into structs. A kernel has
 * thousands of structs that differ only in what a pointer points to. `hashes` are those of the members' types so far.
 */
function shapeHash(graph: DedupGraph, hashes: Int32Array, id: number): number {
  const { words, starts } = graph;
  const at = starts[id]!;
  const end = starts[id + 1]!;
  let hash = words[at]! ^ (words[at + 1]! << 8) ^ (words[at + 2]! << 16);
  for (let i = at + BTF_TYPE_WORDS; i < end; i += 3) {
    const type = words[i + 1]!;
    const member = hashes[type] || (hashes[type] = memberHash(graph, type));
    hash = (hash << 11) ^ ((hash >> 21) & 2047) ^ words[i]! ^ (words[i + 2]! << 7) ^ member;
  }
  return hash;
}

/** A struct and its forward declaration must give the same: both are their name. */
function memberHash(graph: DedupGraph, typeId: number): number {
  const { words, starts, kinds } = graph;
  let hash = 0;
  let id = typeId;
  for (let links = 0; links < 8 && id !== 0; links++) {
    id = graph.find(id);
    const at = starts[id]!;
    const kind = kinds[id]!;
    if (kind === BTF_KIND.STRUCT || kind === BTF_KIND.UNION || kind === BTF_KIND.FWD) return hash ^ words[at]!;
    if (!graph.isReference(id)) return hash ^ (id << 4);
    hash = (hash << 9) ^ ((hash >> 23) & 511) ^ kind ^ words[at]! ^ (words[at + 1]! << 3);
    if (kind === BTF_KIND.ARRAY) hash ^= words[at + 5]! << 6;
    id = kind === BTF_KIND.ARRAY ? words[at + 3]! : words[at + 2]!;
  }
  return hash;
}

const SEVERAL = 0xffffffff;

/** A forward declaration whose name has exactly one definition is that definition. */
function resolveForwards(graph: DedupGraph): void {
  const { words, starts, kinds, parents, typeCount, firstId } = graph;
  const open: number[] = [];
  for (let id = firstId; id < typeCount; id++) if (kinds[id] === BTF_KIND.FWD && parents[id] === id) open.push(id);
  if (open.length === 0) return;
  /** By name: id of the definition; `SEVERAL` if it has more than one. */
  const definitions = new Uint32Array(graph.names.count);
  for (let id = 1; id < typeCount; id++) {
    const kind = kinds[id]!;
    if ((kind !== BTF_KIND.STRUCT && kind !== BTF_KIND.UNION) || parents[id] !== id) continue;
    const name = words[starts[id]!]!;
    if (name !== 0) definitions[name] = definitions[name] === 0 ? id : SEVERAL;
  }
  for (const id of open) {
    const definition = definitions[words[starts[id]!]!]!;
    const isUnion = words[starts[id]! + 1]! >>> 31 === 1;
    if (
      definition === 0 || definition === SEVERAL || kinds[definition] !== (isUnion ? BTF_KIND.UNION : BTF_KIND.STRUCT)
    ) continue;
    graph.join(id, definition);
  }
}

/** PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, TYPE_TAG: one reference, in the third word. */
const LINKS = [2, 8, 9, 10, 11, 12, 18].reduce((bits, kind) => bits | (1 << kind), 0);

/** Pointers, typedefs, prototypes and all that: equal words once the ids in them are those of the types that stay. */
function dedupReferences(graph: DedupGraph): void {
  const { words, starts, kinds, parents, typeCount } = graph;
  const buckets = new Buckets(typeCount);
  /** 1: its children are being settled; 2: it is settled, or has no children to settle. */
  const state = new Uint8Array(typeCount);
  for (let id = 0; id < typeCount; id++) if (!graph.isReference(id)) state[id] = 2;
  const stack: number[] = [];
  for (let id = 1; id < typeCount; id++) {
    if (state[id] !== 0) continue;
    const slot = starts[id]! + 2;
    if (((LINKS >> kinds[id]!) & 1) === 1 && state[words[slot]!] === 2) {
      state[id] = 2;
      words[slot] = graph.find(words[slot]!);
      if (parents[id] === id) dedupByWords(graph, buckets, id);
      continue;
    }
    stack.push(id);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (state[top] === 0) {
        state[top] = 1;
        if (pushChildren(graph, state, stack, top)) continue;
      }
      stack.pop();
      if (state[top] === 2) continue;
      state[top] = 2;
      settleChildren(graph, top);
      if (parents[top] === top) dedupByWords(graph, buckets, top);
    }
  }
}

function pushChildren(graph: DedupGraph, state: Uint8Array, stack: number[], id: number): boolean {
  const count = graph.childSlots(id);
  let pushed = false;
  for (let i = 0; i < count; i++) {
    const child = graph.words[graph.slots[i]!]!;
    if (state[child] !== 0) continue;
    stack.push(child);
    pushed = true;
  }
  return pushed;
}

/** Puts the types that stay into the words. The base refers to itself and is left alone. */
function settleChildren(graph: DedupGraph, id: number): void {
  const count = graph.childSlots(id);
  for (let i = 0; i < count; i++) graph.words[graph.slots[i]!] = graph.find(graph.words[graph.slots[i]!]!);
}

/** 1 for each prototype that no type refers to. */
function unusedPrototypes(graph: DedupGraph): Uint8Array {
  const dead = new Uint8Array(graph.typeCount);
  for (let id = graph.firstId; id < graph.typeCount; id++) {
    if (graph.kinds[id] === BTF_KIND.FUNC_PROTO && graph.isRoot(id)) dead[id] = 1;
  }
  for (let id = graph.firstId; id < graph.typeCount; id++) {
    if (!graph.isRoot(id)) continue;
    const count = graph.childSlots(id);
    for (let i = 0; i < count; i++) dead[graph.find(graph.words[graph.slots[i]!]!)] = 0;
  }
  return dead;
}
