/** Contents of memory that are known at a point of the program: what was stored or loaded before and cannot have changed since. */
import type { Inst } from "../ir/ir.ts";
import { callMayWrite, mayOverlap, place, placeOf, sameRoot } from "./memory.ts";
import type { Escapes, Place } from "./memory.ts";

/** One known range. Entries are never changed, so lists can share them. */
interface Known {
  readonly place: Place;
  /** The base as written, for addresses with a computed part. */
  readonly base: Inst;
  readonly offset: number;
  /** What is there: the value stored or loaded; undefined: zeros. */
  readonly value: Inst | undefined;
  /** The value has exactly the bits of a load of this kind; a stored value may have more. */
  readonly loaded: "signed" | "unsigned" | undefined;
  readonly core: Inst["core"];
}

/** How to get a loaded value without loading. */
export type Found =
  | { readonly kind: "value"; readonly value: Inst }
  | { readonly kind: "zext" | "sext"; readonly value: Inst }
  | { readonly kind: "zero" };

/** Entries beyond this number are forgotten, oldest first. */
const LIMIT = 64;

export class Available {
  #known: Known[];
  readonly #escapes: Escapes;

  constructor(escapes: Escapes, known: Known[] = []) {
    this.#escapes = escapes;
    this.#known = known;
  }

  copy(): Available {
    return new Available(this.#escapes, this.#known.slice());
  }

  /** What is known at the end of all of them. */
  static meet(states: readonly Available[], escapes: Escapes): Available {
    const [first, ...rest] = states;
    if (first === undefined) return new Available(escapes);
    return new Available(escapes, first.#known.filter((entry) => rest.every((state) => state.#known.includes(entry))));
  }

  /** What a load would give. */
  find(load: Inst): Found | undefined {
    const wanted = placeOf(load);
    for (let i = this.#known.length - 1; i >= 0; i--) {
      const entry = this.#known[i]!;
      if (entry.core !== load.core) continue;
      const exact = entry.base === load.args[0] && entry.offset === load.offset && entry.place.size === load.size;
      const same = exact || sameRoot(entry.place.root, wanted.root) && wanted.offset !== undefined &&
          entry.place.offset === wanted.offset && entry.place.size === wanted.size;
      if (entry.value === undefined) {
        if (covers(entry.place, wanted)) return { kind: "zero" };
      } else if (same) {
        const found = convert(entry.value, entry.loaded, load);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Notes what an instruction does to memory. */
  after(inst: Inst): void {
    switch (inst.op) {
      case "load":
        if (!inst.volatile) this.#add(inst, inst, inst.signed && inst.size < 8 ? "signed" : "unsigned");
        return;
      case "store":
        this.#forget(placeOf(inst));
        this.#add(inst, inst.args[1]!, undefined);
        return;
      case "zero":
        this.#forget(placeOf(inst));
        this.#add(inst, undefined, undefined);
        return;
      case "copy":
      case "atomic":
        return this.#forget(placeOf(inst));
      case "call":
        this.#known = this.#known.filter((entry) => !callMayWrite(inst, entry.place, this.#escapes));
    }
  }

  #forget(written: Place): void {
    this.#known = this.#known.filter((entry) => !mayOverlap(entry.place, written, this.#escapes));
  }

  #add(inst: Inst, value: Inst | undefined, loaded: Known["loaded"]): void {
    if (this.#known.length >= LIMIT) this.#known.shift();
    const base = inst.args[0]!;
    const at = inst.core === undefined ? place(base, inst.offset, inst.size) : placeOf(inst);
    this.#known.push({ place: at, base, offset: inst.offset, value, loaded, core: inst.core });
  }
}

function covers(outer: Place, inner: Place): boolean {
  if (outer.offset === undefined || inner.offset === undefined || !sameRoot(outer.root, inner.root)) return false;
  return outer.offset <= inner.offset && inner.offset + inner.size <= outer.offset + outer.size;
}

function convert(value: Inst, loaded: Known["loaded"], load: Inst): Found | undefined {
  if (load.size === 8) return { kind: "value", value };
  const wanted = load.signed ? "signed" : "unsigned";
  if (loaded === wanted) return { kind: "value", value };
  return { kind: load.signed ? "sext" : "zext", value };
}
