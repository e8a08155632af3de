/**
 * Whether two structs are the same type although everything they reach is there twice, in cycles. Two types are equal
 * if nothing tells them apart: each pair that the walk meets must agree in itself and leads to pairs of children. Where
 * one side has a forward declaration and the other the struct, the declaration becomes the struct.
 *
 * The walk keeps its own stack, since chains of structs in a kernel are longer than a call stack.
 */
import type { DedupGraph } from "./dedup_graph.ts";
import { BTF_KIND, BTF_TYPE_WORDS, vlenOfInfo } from "./kinds.ts";

/** PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, TYPE_TAG: a name, an info word and one reference. */
const LINKS = [2, 8, 9, 10, 11, 12, 18].reduce((bits, kind) => bits | (1 << kind), 0);

export class DedupEqual {
  readonly #graph: DedupGraph;
  /** Of the walk in progress: type → the type it is taken to equal. */
  readonly #taken: Uint32Array;
  /** Types with an entry in `#taken`. */
  readonly #trail: number[] = [];
  readonly #stack: number[] = [];
  /**
   * Pairs that may still be compared; without any left, types count as different. Two copies of a kernel's BTF take two
   * for each word, hostile BTF squares.
   */
  #budget: number;
  /** 1 for structs that have been compared with all before them. */
  readonly processed: Uint8Array;

  constructor(graph: DedupGraph) {
    this.#graph = graph;
    this.#taken = new Uint32Array(graph.typeCount);
    this.#budget = (1 << 20) + 64 * graph.words.length;
    this.processed = new Uint8Array(graph.typeCount).fill(1, 0, graph.firstId);
  }

  /** Joins `candidate` and what it reaches to `canonical` and what that reaches, if they are equal; says whether. */
  unify(candidate: number, canonical: number): boolean {
    const stack = this.#stack;
    stack.length = 0;
    stack.push(candidate, canonical);
    this.#trail.length = 0;
    let equal = true;
    while (equal && stack.length > 0) {
      const b = stack.pop()!;
      equal = this.#budget-- > 0 && this.#pair(stack.pop()!, b);
    }
    if (equal) this.#commit();
    for (const id of this.#trail) this.#taken[id] = 0;
    return equal;
  }

  /** Follows what has one reference only; a longer chain than this is a cycle. */
  #pair(first: number, second: number): boolean {
    const { words, starts, kinds } = this.#graph;
    let a = first;
    let b = second;
    for (let links = 0; links < 64; links++) {
      a = this.#graph.find(a);
      b = this.#graph.find(b);
      if (a === b) return true;
      const atA = starts[a]!;
      const atB = starts[b]!;
      const kind = kinds[a]!;
      if (a === 0 || b === 0 || words[atA] !== words[atB]) return false;
      if (kind !== kinds[b]) return this.#mixed(a, b);
      if ((LINKS >>> kind) % 2 === 0) return this.#same(a, b, kind);
      if (words[atA + 1] !== words[atB + 1]) return false;
      a = words[atA + 2]!;
      b = words[atB + 2]!;
    }
    return false;
  }

  /** Two different roots of one name and of different kinds. */
  #mixed(a: number, b: number): boolean {
    const { kinds } = this.#graph;
    if (kinds[a] === BTF_KIND.FWD) return this.#declares(a, b, kinds[b]!);
    return kinds[b] === BTF_KIND.FWD && this.#declares(b, a, kinds[a]!);
  }

  /** Two different roots of one name and kind. */
  #same(a: number, b: number, kind: number): boolean {
    if (kind === BTF_KIND.STRUCT || kind === BTF_KIND.UNION) return this.#composites(a, b);
    // Primitive types are unique by now; sections and variables are never joined.
    return this.#graph.isReference(a) && this.#references(a, b);
  }

  /** A forward declaration of the struct or union on the other side. The base's declarations stay what they are. */
  #declares(fwd: number, real: number, kind: number): boolean {
    const { words, starts, firstId } = this.#graph;
    const isUnion = words[starts[fwd]! + 1]! >>> 31 === 1;
    if (kind !== (isUnion ? BTF_KIND.UNION : BTF_KIND.STRUCT) || fwd < firstId) return false;
    return this.#take(fwd, real) !== "conflict";
  }

  #composites(a: number, b: number): boolean {
    if (this.processed[a] === 1 && this.processed[b] === 1) return false;
    const { words, starts } = this.#graph;
    const taken = this.#take(a, b);
    if (taken !== "new") return taken === "same";
    if (!sameShape(words, starts[a]!, starts[b]!)) return false;
    const vlen = vlenOfInfo(words[starts[a]! + 1]!);
    let slotA = starts[a]! + BTF_TYPE_WORDS + 1;
    let slotB = starts[b]! + BTF_TYPE_WORDS + 1;
    for (let i = 0; i < vlen; i++, slotA += 3, slotB += 3) {
      if (words[slotA] !== words[slotB]) this.#stack.push(words[slotA]!, words[slotB]!);
    }
    return true;
  }

  #references(a: number, b: number): boolean {
    const { words, starts } = this.#graph;
    // The same pointer may stand for two equal pointers, which are joined only later.
    if (this.#taken[a] === b) return true;
    if (this.#taken[a] === 0) this.#trail.push(a);
    this.#taken[a] = b;
    const startA = starts[a]!;
    const startB = starts[b]!;
    const length = starts[a + 1]! - startA;
    if (length !== starts[b + 1]! - startB) return false;
    const count = this.#graph.childSlots(a);
    let next = 0;
    for (let i = 0; i < length; i++) {
      if (next < count && this.#graph.slots[next] === startA + i) {
        this.#stack.push(words[startA + i]!, words[startB + i]!);
        next++;
      } else if (words[startA + i] !== words[startB + i]) return false;
    }
    return true;
  }

  #take(a: number, b: number): "new" | "same" | "conflict" {
    if (this.#taken[a] === b) return "same";
    if (this.#taken[a] !== 0) return "conflict";
    this.#taken[a] = b;
    this.#trail.push(a);
    return "new";
  }

  #commit(): void {
    const graph = this.#graph;
    for (const id of this.#trail) {
      if (graph.isReference(id)) continue; // These are joined by their words, once all structs are.
      const root = graph.find(this.#taken[id]!);
      const own = graph.find(id);
      if (own === root) continue;
      if (own >= graph.firstId) graph.join(own, root);
      else if (root >= graph.firstId) graph.join(root, own);
    }
  }
}

/** Same kind, name, size, and the same members as far as names and offsets go. */
export function sameShape(words: Uint32Array, a: number, b: number): boolean {
  if (words[a] !== words[b] || words[a + 1] !== words[b + 1] || words[a + 2] !== words[b + 2]) return false;
  const end = vlenOfInfo(words[a + 1]!) * 3 + BTF_TYPE_WORDS;
  for (let i = BTF_TYPE_WORDS; i < end; i += 3) {
    if (words[a + i] !== words[b + i] || words[a + i + 2] !== words[b + i + 2]) return false;
  }
  return true;
}
