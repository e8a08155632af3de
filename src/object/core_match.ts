/**
 * CO-RE: does a type of the target have what the object's path asks for? Members are found by name, through anonymous
 * structs; types need only be compatible, not equal. Rules are libbpf's (`bpf_core_spec_match` and its helpers).
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import type { BtfComposite } from "../btf/types.ts";
import { BTF_MAX_DEPTH, essentialName, resolve, resolveId, sizeOf, where } from "../btf/walk.ts";
import { CORE_MAX_SPEC, emptySpec, isEnumKind, isFieldKind, isFlexibleArray } from "./core_spec.ts";
import type { CoreAccessor, CoreSpec } from "./core_spec.ts";
import { typesMatch } from "./core_types_match.ts";
import type { CoreKind } from "./spec.ts";

/** Members looked at for one path: hostile BTF could nest anonymous structs so that a search never ended. */
const MAX_MEMBERS = 1_000_000;

/** The path in the target that corresponds to `local`, starting at type `targetId`; undefined if it does not match. */
export function matchSpec(local: CoreSpec, kind: CoreKind, target: Btf, targetId: number): CoreSpec | undefined {
  const spec = emptySpec(target, targetId);
  if (kind === "TYPE_MATCHES") return typesMatch(local.btf, local.rootId, target, targetId) ? spec : undefined;
  if (isEnumKind(kind)) return matchEnumerator(local, spec) ? spec : undefined;
  if (isFieldKind(kind)) return matchPath(local, spec) ? spec : undefined;
  return typesAreCompatible(local.btf, local.rootId, target, targetId) ? spec : undefined;
}

function matchEnumerator(local: CoreSpec, spec: CoreSpec): boolean {
  const id = resolveId(spec.btf, spec.rootId);
  const type = spec.btf.type(id);
  if (type.kind !== "ENUM" && type.kind !== "ENUM64") return false;
  const wanted = essentialName(local.accessors[0]!.name);
  const index = type.values.findIndex((v) => essentialName(v.name) === wanted);
  if (index < 0) return false;
  spec.accessors.push({ typeId: id, index, name: type.values[index]!.name });
  spec.raw.push(index);
  return true;
}

function matchPath(local: CoreSpec, spec: CoreSpec): boolean {
  const search = new MemberSearch(local.btf, spec);
  let at = spec.rootId;
  for (const [i, accessor] of local.accessors.entries()) {
    at = resolveId(spec.btf, at);
    if (accessor.name !== "") {
      const next = search.find(accessor, at);
      if (next === undefined) return false;
      at = next;
      continue;
    }
    if (i > 0) {
      const array = spec.btf.type(at);
      if (array.kind !== "ARRAY") return false;
      if (!isFlexibleArray(spec.btf, spec.accessors.at(-1), array) && accessor.index >= array.nelems) return false;
      at = resolveId(spec.btf, array.type);
    }
    pushRaw(spec, accessor.index);
    spec.accessors.push({ typeId: at, index: accessor.index, name: "" });
    spec.bitOffset += accessor.index * sizeOf(spec.btf, at) * 8;
  }
  return true;
}

function pushRaw(spec: CoreSpec, index: number): void {
  if (spec.raw.length === CORE_MAX_SPEC) {
    throw new FormatError(where(spec.btf, spec.rootId), `a path into it has more than ${CORE_MAX_SPEC} steps`);
  }
  spec.raw.push(index);
}

/** Looks for named members, one path at a time. */
class MemberSearch {
  readonly #local: Btf;
  readonly #spec: CoreSpec;
  #budget = MAX_MEMBERS;

  constructor(local: Btf, spec: CoreSpec) {
    this.#local = local;
    this.#spec = spec;
  }

  /** Type of the member of `targetId` that `accessor` names; undefined if there is none or it does not fit. */
  find(accessor: CoreAccessor, targetId: number): number | undefined {
    const owner = this.#local.type(accessor.typeId) as BtfComposite;
    const found = this.#in(targetId, owner.members[accessor.index]!.type, accessor.name);
    return found === undefined || found < 0 ? undefined : found;
  }

  /** The member's type, -1 if a member of that name does not fit, undefined if there is none of that name. */
  #in(targetId: number, localType: number, name: string): number | undefined {
    const spec = this.#spec;
    const id = resolveId(spec.btf, targetId);
    const type = spec.btf.type(id);
    if (type.kind !== "STRUCT" && type.kind !== "UNION") return undefined;
    for (const [i, member] of type.members.entries()) {
      if (member.name !== "" && member.name !== name) continue;
      if (this.#budget-- <= 0) throw new FormatError(where(spec.btf, id), "has too many anonymous members to search");
      pushRaw(spec, i);
      spec.bitOffset += member.bitOffset;
      if (member.name === "") {
        const found = this.#in(member.type, localType, name);
        if (found !== undefined) return found;
      } else {
        // The first member of that name decides: a second one in another union arm is not tried.
        if (!fieldsAreCompatible(this.#local, localType, spec.btf, member.type)) return -1;
        spec.accessors.push({ typeId: id, index: i, name });
        return member.type;
      }
      spec.bitOffset -= member.bitOffset;
      spec.raw.pop();
    }
    return undefined;
  }
}

/** Same kind, or both enums of whatever width. */
export function kindsAreCompatible(a: number, b: number): boolean {
  return a === b || (isEnum(a) && isEnum(b));
}

function isEnum(kind: number): boolean {
  return kind === BTF_KIND.ENUM || kind === BTF_KIND.ENUM64;
}

/** Whether a member of one type may stand for a member of the other. */
export function fieldsAreCompatible(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  let [l, t] = [resolve(local, localId), resolve(target, targetId)];
  for (let depth = 0; l.kind === "ARRAY" && t.kind === "ARRAY"; depth++) {
    if (depth > BTF_MAX_DEPTH) throw new FormatError(where(local, localId), "nests arrays too deeply");
    [l, t] = [resolve(local, l.type), resolve(target, t.type)];
  }
  const composite = (kind: string): boolean => kind === "STRUCT" || kind === "UNION";
  if (composite(l.kind) && composite(t.kind)) return true;
  if (!kindsAreCompatible(BTF_KIND[l.kind as keyof typeof BTF_KIND], BTF_KIND[t.kind as keyof typeof BTF_KIND])) {
    return false;
  }
  switch (l.kind) {
    case "PTR":
    case "FLOAT":
      return true;
    case "FWD":
    case "ENUM":
    case "ENUM64":
      return l.name === "" || t.name === "" || essentialName(l.name) === essentialName(t.name);
    case "INT":
      return l.bitOffset === 0 && t.kind === "INT" && t.bitOffset === 0;
    default:
      return false;
  }
}

/**
 * Whether two types of one name can stand for each other: kinds agree all the way down pointers, arrays and prototypes;
 * names, sizes and members do not matter. Also decides whether a kernel symbol fits its extern declaration.
 */
export function typesAreCompatible(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  if (!kindsAreCompatible(local.kindOf(localId), target.kindOf(targetId))) return false;
  return compatible(local, localId, target, targetId, BTF_MAX_DEPTH);
}

function compatible(local: Btf, localId: number, target: Btf, targetId: number, level: number): boolean {
  let [localAt, targetAt] = [localId, targetId];
  for (let depth = BTF_MAX_DEPTH; depth > 0; depth--) {
    const l = resolve(local, localAt);
    const t = resolve(target, targetAt);
    if (l.kind === "ENUM" || l.kind === "ENUM64") return t.kind === "ENUM" || t.kind === "ENUM64";
    if (l.kind !== t.kind) return false;
    if (l.kind === "INT" && t.kind === "INT") return l.bitOffset === 0 && t.bitOffset === 0;
    if (l.kind === "FUNC_PROTO" && t.kind === "FUNC_PROTO") {
      if (l.params.length !== t.params.length) return false;
      if (level <= 0) throw new FormatError(where(local, localId), "nests prototypes too deeply");
      if (!l.params.every((p, i) => compatible(local, p.type, target, t.params[i]!.type, level - 1))) return false;
    } else if (l.kind !== "PTR" && l.kind !== "ARRAY") {
      return l.kind === "UNKN" || l.kind === "STRUCT" || l.kind === "UNION" || l.kind === "FWD";
    }
    [localAt, targetAt] = [l.type, (t as { type: number }).type];
  }
  throw new FormatError(where(local, localId), `refers through more than ${BTF_MAX_DEPTH} types`);
}
