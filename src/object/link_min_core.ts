/**
 * The part of a kernel's BTF that given objects need: a few kilobytes instead of 5 MB, to be shipped with objects that
 * must run on kernels without BTF. The counterpart of `bpftool gen min_core_btf`.
 */
import { Btf } from "../btf/btf.ts";
import { parseBtfExt } from "../btf/ext.ts";
import type { BtfType } from "../btf/types.ts";
import { childIds, essentialName, isModifier, mapChildIds, resolveId } from "../btf/walk.ts";
import { BtfBuilder } from "../btf/write.ts";
import { kindsAreCompatible, matchSpec } from "./core_match.ts";
import type { CoreSpec } from "./core_spec.ts";
import { isEnumKind, isFieldKind, parseCoreSpec } from "./core_spec.ts";
import { readElf } from "./elf.ts";
import type { CoreKind, CoreRelocation } from "./spec.ts";

/** `enum bpf_core_relo_kind`, by number. */
const KINDS: readonly CoreKind[] = [
  "FIELD_BYTE_OFFSET",
  "FIELD_BYTE_SIZE",
  "FIELD_EXISTS",
  "FIELD_SIGNED",
  "FIELD_LSHIFT_U64",
  "FIELD_RSHIFT_U64",
  "TYPE_ID_LOCAL",
  "TYPE_ID_TARGET",
  "TYPE_EXISTS",
  "TYPE_SIZE",
  "ENUMVAL_EXISTS",
  "ENUMVAL_VALUE",
  "TYPE_MATCHES",
];

/**
 * BTF with the types and members of `target` that the CO-RE records of `objects` look at, sizes and offsets as they
 * are. Loading an object with it gives the same instructions as with `target`. Throws `FormatError`.
 *
 * @example
 * ```ts ignore
 * // ignored: needs the BTF of another kernel, from a file
 * const small = minimalCoreBtf(Btf.parse(kernelBtf), [{ name: "tool.bpf.o", bytes }]);
 * ```
 */
export function minimalCoreBtf(target: Btf, objects: readonly { name: string; bytes: Uint8Array }[]): Btf {
  const used = new UsedTypes(target);
  for (const { name, bytes } of objects) {
    const elf = readElf(bytes, name);
    const [btf, ext] = [elf.section(".BTF"), elf.section(".BTF.ext")];
    if (btf === undefined || ext === undefined) continue;
    const local = Btf.parse(btf.bytes, { path: btf.path });
    for (const record of records(local, ext.bytes, ext.path)) used.add(local, record);
  }
  return used.build();
}

function records(local: Btf, bytes: Uint8Array, path: string): CoreRelocation[] {
  const found: CoreRelocation[] = [];
  for (const { insnOff, typeId, accessOff, kind } of parseBtfExt(bytes, local, path).core) {
    for (let i = 0; i < insnOff.length; i++) {
      const name = KINDS[kind[i]!];
      if (name === undefined || name === "TYPE_ID_LOCAL") continue;
      found.push({ insn: insnOff[i]! >>> 3, typeId: typeId[i]!, access: local.string(accessOff[i]!), kind: name });
    }
  }
  return found;
}

class UsedTypes {
  readonly #target: Btf;
  /** Type → its members that are used; undefined for all of them. */
  readonly #used = new Map<number, Set<number> | undefined>();
  readonly #seen = new Set<string>();

  constructor(target: Btf) {
    this.#target = target;
  }

  /** Marks what a record looks at in every candidate that it matches. */
  add(local: Btf, record: CoreRelocation): void {
    const key = `${local.path} ${record.typeId} ${record.kind} ${record.access}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const name = essentialName(local.nameOf(record.typeId));
    if (name === "") return;
    const spec = parseCoreSpec(local, record);
    for (const id of this.#target.candidates(name)) {
      if (!kindsAreCompatible(this.#target.kindOf(id), local.kindOf(record.typeId))) continue;
      const match = matchSpec(spec, record.kind, this.#target, id);
      // A type that does not match must stay one that does not match, so it is kept without members.
      if (match === undefined) this.#mark(id, false);
      else if (isFieldKind(record.kind)) this.#markPath(match);
      else this.#mark(id, !isEnumKind(record.kind), record.kind === "TYPE_MATCHES");
    }
  }

  #markPath(spec: CoreSpec): void {
    this.#mark(spec.rootId, false);
    let at = resolveId(this.#target, spec.rootId);
    for (const index of spec.raw.slice(1)) {
      at = resolveId(this.#target, at);
      const type = this.#target.type(at);
      this.#mark(at, false);
      if (type.kind === "STRUCT" || type.kind === "UNION") {
        const member = type.members[index];
        if (member === undefined) return;
        this.#used.get(at)?.add(index);
        at = member.type;
        this.#mark(at, false);
      } else if (type.kind === "ARRAY") {
        at = type.type;
        this.#mark(at, false);
      } else return;
    }
  }

  /** Marks a type and what it is without its members; `pointers`: what they point to as well; `whole`: all members. */
  #mark(id: number, pointers: boolean, whole = false): void {
    if (id === 0) return;
    const type = this.#target.type(id);
    const composite = type.kind === "STRUCT" || type.kind === "UNION";
    if (this.#used.has(id) && !(composite && whole && this.#used.get(id) !== undefined)) return;
    this.#used.set(id, composite && !whole ? this.#used.get(id) ?? new Set() : undefined);
    if (composite && !whole) return;
    if (type.kind === "PTR" && !pointers && !whole) return;
    if (isModifier(type)) this.#mark(type.type, pointers, whole);
    else for (const child of childIds(type)) this.#mark(child, pointers, whole);
  }

  build(): Btf {
    const ids = [...this.#used.keys()].sort((a, b) => a - b);
    const builder = new BtfBuilder({ endian: this.#target.endian });
    const newIds = new Map(ids.map((id, i) => [id, i + builder.firstId]));
    // Pointers to what is not kept become void pointers.
    for (const id of ids) builder.add(mapChildIds(this.#kept(id), (child) => newIds.get(child) ?? 0));
    return builder.build(`minimal ${this.#target.path}`);
  }

  #kept(id: number): BtfType {
    const type = this.#target.type(id);
    const members = this.#used.get(id);
    if (members === undefined || (type.kind !== "STRUCT" && type.kind !== "UNION")) return type;
    return { ...type, members: type.members.filter((_, i) => members.has(i)) };
  }
}
