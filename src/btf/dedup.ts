/**
 * Deduplication: BTF in which every type occurs once, from BTF in which each compilation unit brought its own copy.
 * The steps are those that Linux uses for itself: strings, primitive types, structs and unions (whole graphs at a
 * time), forward declarations, then everything that only refers to others. Split BTF is deduplicated against its base.
 */
import { Btf } from "./btf.ts";
import { DedupEqual } from "./dedup_equal.ts";
import { DedupGraph } from "./dedup_graph.ts";
import { writeDeduplicated } from "./dedup_write.ts";
import type { BtfExt } from "./ext.ts";
import { BTF_KIND, BTF_TYPE_WORDS, vlenOfInfo } from "./kinds.ts";

/** What deduplication gives. */
export interface DedupResult {
  btf: Btf;
  /** Old id → new id. */
  ids: Uint32Array;
  /** The `.BTF.ext` given, for the new BTF. */
  ext: BtfExt | undefined;
}

/** What else to do. */
export interface DedupOptions {
  /** Goes with the types. */
  ext?: BtfExt | undefined;
  /** Leave out function prototypes that nothing refers to: linking leaves those of externs that were defined. */
  dropUnusedPrototypes?: boolean | undefined;
}

/**
 * A copy of `btf` without duplicates and without unused strings; `ext` goes with it. The types that stay keep their
 * order. Throws `FormatError` if a type id or string offset is out of range.
 */
export function dedupBtf(btf: Btf, options: DedupOptions = {}): DedupResult {
  for (let part: Btf | undefined = btf; part !== undefined; part = part.base) part.validate();
  const graph = new DedupGraph(btf);
  dedupPrimitives(graph);
  dedupComposites(graph);
  resolveForwards(graph);
  dedupReferences(graph);
  const dead = options.dropUnusedPrototypes === true ? unusedPrototypes(graph) : undefined;
  return writeDeduplicated(graph, options.ext, dead);
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
  const buckets = new Buckets(graph.typeCount);
  for (let id = 1; id < graph.typeCount; id++) {
    const kind = graph.kind(id);
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

function isComposite(kind: number): boolean {
  return kind === BTF_KIND.STRUCT || kind === BTF_KIND.UNION;
}

/** Structs and unions: a new one is compared with those before it that look the same from outside. */
function dedupComposites(graph: DedupGraph): void {
  const buckets = new Buckets(graph.typeCount);
  const equal = new DedupEqual(graph);
  for (let id = 1; id < graph.typeCount; id++) {
    if (!isComposite(graph.kind(id))) continue;
    if (!graph.isRoot(id)) continue;
    const hash = shapeHash(graph, id);
    if (id < graph.firstId || !joinComposite(graph, buckets, equal, id, hash)) buckets.add(hash, id);
    equal.processed[id] = 1;
  }
}

function joinComposite(graph: DedupGraph, buckets: Buckets, equal: DedupEqual, id: number, hash: number): boolean {
  for (let other = buckets.first(hash); other !== 0; other = buckets.next(other)) {
    if (graph.isRoot(other) && equal.unify(id, other)) return true;
  }
  return false;
}

/**
 * Hash of a struct: its own words, and of each member what its type says without going into structs. A kernel has
 * thousands of structs that differ only in what a pointer points to.
 */
function shapeHash(graph: DedupGraph, id: number): number {
  const { words, starts } = graph;
  const at = starts[id]!;
  let hash = (Math.imul(words[at]!, 31) ^ words[at + 1]! ^ Math.imul(words[at + 2]!, 131)) | 0;
  for (let i = at + BTF_TYPE_WORDS; i < starts[id + 1]!; i += 3) {
    hash = (Math.imul(hash, 31) + words[i]! + Math.imul(words[i + 2]!, 17)) | 0;
    hash = (Math.imul(hash, 31) + memberHash(graph, words[i + 1]!)) | 0;
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
    if (kind === BTF_KIND.STRUCT || kind === BTF_KIND.UNION || kind === BTF_KIND.FWD) return (hash + words[at]!) | 0;
    if (!graph.isReference(id)) return (hash + id) | 0;
    hash = (Math.imul(hash, 31) + kind + words[at]! + words[at + 1]!) | 0;
    if (kind === BTF_KIND.ARRAY) hash = (hash + Math.imul(words[at + 5]!, 7)) | 0;
    id = kind === BTF_KIND.ARRAY ? words[at + 3]! : words[at + 2]!;
  }
  return hash;
}

/** A forward declaration whose name has exactly one definition is that definition. */
function resolveForwards(graph: DedupGraph): void {
  const { words, starts } = graph;
  /** Name → id of the definition; 0 if there are several. */
  const definitions = new Map<number, number>();
  for (let id = 1; id < graph.typeCount; id++) {
    const name = words[starts[id]!]!;
    if (name === 0 || !isComposite(graph.kind(id)) || !graph.isRoot(id)) continue;
    definitions.set(name, definitions.has(name) ? 0 : id);
  }
  for (let id = graph.firstId; id < graph.typeCount; id++) {
    if (graph.kind(id) !== BTF_KIND.FWD || !graph.isRoot(id)) continue;
    const definition = definitions.get(words[starts[id]!]!) ?? 0;
    const isUnion = words[starts[id]! + 1]! >>> 31 === 1;
    if (definition === 0 || graph.kind(definition) !== (isUnion ? BTF_KIND.UNION : BTF_KIND.STRUCT)) continue;
    graph.join(id, definition);
  }
}

/** Pointers, typedefs, prototypes and all that: equal words once the ids in them are those of the types that stay. */
function dedupReferences(graph: DedupGraph): void {
  const buckets = new Buckets(graph.typeCount);
  const state = new Uint8Array(graph.typeCount);
  const stack: number[] = [];
  for (let id = 1; id < graph.typeCount; id++) {
    stack.push(id);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (state[top] === 0 && graph.isReference(top)) {
        state[top] = 1;
        pushChildren(graph, state, stack, top);
        continue;
      }
      stack.pop();
      if (state[top] === 2 || !graph.isReference(top)) continue;
      state[top] = 2;
      settleChildren(graph, top);
      if (graph.isRoot(top)) dedupByWords(graph, buckets, top);
    }
  }
}

function pushChildren(graph: DedupGraph, state: Uint8Array, stack: number[], id: number): void {
  const count = graph.childSlots(id);
  for (let i = 0; i < count; i++) {
    const child = graph.words[graph.slots[i]!]!;
    if (state[child] === 0 && graph.isReference(child)) stack.push(child);
  }
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
