/**
 * CO-RE `TYPE_MATCHES`: stricter than compatible. Names agree at every level, every local member and enumerator has a
 * counterpart, integers have the same size and sign; behind a pointer only kind and name count. Rules are libbpf's
 * (`__bpf_core_types_match`).
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfComposite, BtfEnum, BtfFwd, BtfType } from "../btf/types.ts";
import { BTF_MAX_DEPTH, essentialName, resolve, where } from "../btf/walk.ts";

/** Comparisons for one answer: types that refer to each other by value cannot exist, but hostile BTF can say so. */
const MAX_COMPARISONS = 1_000_000;

/** Whether the local type matches the target's. */
export function typesMatch(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  return new Matcher(local, target).match(localId, targetId, false, BTF_MAX_DEPTH);
}

class Matcher {
  readonly #local: Btf;
  readonly #target: Btf;
  #budget = MAX_COMPARISONS;

  constructor(local: Btf, target: Btf) {
    this.#local = local;
    this.#target = target;
  }

  match(localId: number, targetId: number, behindPointer: boolean, level: number): boolean {
    if (level <= 0 || this.#budget-- <= 0) {
      throw new FormatError(where(this.#local, localId), "is nested too deeply to match");
    }
    let [localAt, targetAt, pointer] = [localId, targetId, behindPointer];
    for (let depth = BTF_MAX_DEPTH; depth > 0; depth--) {
      const l = resolve(this.#local, localAt);
      const t = resolve(this.#target, targetAt);
      if (!namesMatch(l.name, t.name)) return false;
      if (l.kind === "PTR" && t.kind === "PTR") pointer = true;
      else if (l.kind === "ARRAY" && t.kind === "ARRAY") {
        if (l.nelems !== t.nelems) return false;
      } else if (l.kind === "FUNC_PROTO" && t.kind === "FUNC_PROTO") {
        if (l.params.length !== t.params.length) return false;
        const same = l.params.every((p, i) => this.match(p.type, t.params[i]!.type, pointer, level - 1));
        if (!same) return false;
      } else return this.#leaf(l, t, pointer, level);
      [localAt, targetAt] = [l.type, t.type];
    }
    throw new FormatError(where(this.#local, localId), `refers through more than ${BTF_MAX_DEPTH} types`);
  }

  #leaf(l: BtfType, t: BtfType, pointer: boolean, level: number): boolean {
    switch (l.kind) {
      case "UNKN":
        return t.kind === "UNKN";
      case "FWD":
        return forwardMatches(l, t, pointer);
      case "ENUM":
      case "ENUM64":
        return (t.kind === "ENUM" || t.kind === "ENUM64") && enumsMatch(l, t);
      case "STRUCT":
      case "UNION":
        if (pointer) return l.kind === t.kind || (t.kind === "FWD" && (l.kind === "UNION") === t.union);
        return l.kind === t.kind && this.#compositesMatch(l, t as BtfComposite, level);
      case "INT":
        return t.kind === "INT" && l.size === t.size && l.signed === t.signed;
      default:
        return false;
    }
  }

  #compositesMatch(l: BtfComposite, t: BtfComposite, level: number): boolean {
    if (l.members.length > t.members.length) return false;
    return l.members.every((lm) =>
      t.members.some((tm) => namesMatch(lm.name, tm.name) && this.match(lm.type, tm.type, false, level - 1))
    );
  }
}

function namesMatch(local: string, target: string): boolean {
  return local === target || (local !== "" && target !== "" && essentialName(local) === essentialName(target));
}

function forwardMatches(l: BtfFwd, t: BtfType, pointer: boolean): boolean {
  if (t.kind === "FWD") return l.union === t.union;
  return pointer && t.kind === (l.union ? "UNION" : "STRUCT");
}

function enumsMatch(l: BtfEnum, t: BtfEnum): boolean {
  if (l.size !== t.size || l.values.length > t.values.length) return false;
  const known = new Set(t.values.map((v) => essentialName(v.name)));
  return l.values.every((v) => known.has(essentialName(v.name)));
}
