/**
 * The part of the kernel's types that an object needs: for each CO-RE record the root type with the members on its path
 * and nothing else. Loaders match by name, so this is enough, and it keeps objects small. Records are rewritten from
 * ids and indices of the kernel's BTF to those of the object's own.
 */
import type { BtfComposite, BtfType } from "../../btf/types.ts";
import { resolveId } from "../../btf/walk.ts";
import type { BtfBuilder } from "../../btf/write.ts";
import type { KernelTypes } from "../check/kernel_types.ts";
import type { PendingRecord } from "../lower/module.ts";
import type { LayoutTypes } from "./layout_btf.ts";

export class KernelSubset {
  readonly #types: KernelTypes;
  readonly #builder: BtfBuilder;
  readonly #layouts: LayoutTypes;
  /** Members in use, by struct. */
  readonly #used = new Map<number, Set<number>>();
  /** Enumerators in use, by enum. */
  readonly #values = new Map<number, Set<number>>();
  /** Kernel id → own id. */
  readonly #ids = new Map<number, number>();

  constructor(types: KernelTypes, builder: BtfBuilder, layouts: LayoutTypes) {
    this.#types = types;
    this.#builder = builder;
    this.#layouts = layouts;
  }

  /** Adds the types of all records and rewrites them in place. */
  addRecords(records: Iterable<PendingRecord>): void {
    const all = [...records];
    for (const record of all) this.#note(record);
    for (const record of all) {
      const { typeId } = record;
      record.access = this.#access(record);
      record.typeId = this.type(typeId);
    }
  }

  #note({ typeId, access, kind }: PendingRecord): void {
    const path = access.split(":").map(Number);
    if (kind.startsWith("ENUMVAL")) return this.#use(this.#values, typeId, path[0]!);
    this.#walk(typeId, path.slice(1), (struct, index) => this.#use(this.#used, struct, index));
  }

  #use(map: Map<number, Set<number>>, id: number, index: number): void {
    const set = map.get(id) ?? new Set();
    map.set(id, set.add(index));
  }

  /** Calls `visit` for each struct member on the path. */
  #walk(typeId: number, path: readonly number[], visit: (struct: number, index: number) => void): void {
    let at = resolveId(this.#types.btf, typeId);
    for (const index of path) {
      const type = this.#types.btf.type(at);
      if (type.kind === "STRUCT" || type.kind === "UNION") {
        visit(at, index);
        at = resolveId(this.#types.btf, type.members[index]!.type);
      } else if (type.kind === "ARRAY") at = resolveId(this.#types.btf, type.type);
    }
  }

  /** The access string with the members' places in the reduced structs. */
  #access({ typeId, access, kind }: PendingRecord): string {
    const path = access.split(":").map(Number);
    if (kind.startsWith("ENUMVAL")) return String(ordered(this.#values.get(typeId)!).indexOf(path[0]!));
    const result = [path[0]!];
    let at = resolveId(this.#types.btf, typeId);
    for (const index of path.slice(1)) {
      const type = this.#types.btf.type(at);
      if (type.kind === "STRUCT" || type.kind === "UNION") {
        result.push(ordered(this.#used.get(at)!).indexOf(index));
        at = resolveId(this.#types.btf, type.members[index]!.type);
      } else {
        result.push(index);
        if (type.kind === "ARRAY") at = resolveId(this.#types.btf, type.type);
      }
    }
    return result.join(":");
  }

  /** The own id of a kernel type. */
  type(id: number): number {
    if (id === 0) return 0;
    const known = this.#ids.get(id);
    if (known !== undefined) return known;
    const type = this.#types.btf.type(id);
    if (type.kind === "STRUCT" || type.kind === "UNION") return this.#composite(id, type);
    const own = this.#plain(id, type);
    this.#ids.set(id, own);
    return own;
  }

  #plain(id: number, type: BtfType): number {
    switch (type.kind) {
      case "INT":
      case "FLOAT":
      case "FWD":
        return this.#layouts.add({ ...type });
      case "ENUM":
      case "ENUM64": {
        const used = ordered(this.#values.get(id) ?? new Set());
        return this.#layouts.add({ ...type, values: used.map((index) => type.values[index]!) });
      }
      case "ARRAY":
        return this.#layouts.add({ ...type, type: this.type(type.type), indexType: this.#layouts.int(4, false) });
      case "PTR":
        // What it points to is matched when it is used, by a record of its own.
        return this.#layouts.add({ kind: "PTR", name: "", type: 0 });
      case "TYPEDEF":
        return this.#layouts.add({ ...type, type: this.type(type.type) });
      case "FUNC_PROTO":
        return this.#layouts.add({ ...type, type: 0, params: [] });
      default:
        return "type" in type ? this.type(resolveId(this.#types.btf, id)) : 0;
    }
  }

  #composite(id: number, type: BtfComposite): number {
    // First, since a struct may lead back to itself.
    const own = this.#builder.add({ ...type, members: [] });
    this.#ids.set(id, own);
    const members = ordered(this.#used.get(id) ?? new Set()).map((index) => {
      const member = type.members[index]!;
      return { ...member, type: this.type(member.type) };
    });
    this.#builder.set(own, { ...type, members });
    return own;
  }

  /** A function's prototype with what the loader compares: kinds of parameters and what pointers point to. */
  prototype(id: number): number {
    const proto = this.#types.btf.type(resolveId(this.#types.btf, id));
    if (proto.kind !== "FUNC_PROTO") return 0;
    const params = proto.params.map((param) => ({ name: param.name, type: this.#signature(param.type) }));
    return this.#builder.add({ kind: "FUNC_PROTO", name: "", type: this.#signature(proto.type), params });
  }

  #signature(id: number): number {
    const resolved = resolveId(this.#types.btf, id);
    const type = this.#types.btf.type(resolved);
    if (type.kind === "PTR") return this.#builder.add({ kind: "PTR", name: "", type: this.#signature(type.type) });
    if (type.kind === "UNKN") return 0;
    return this.type(resolved);
  }
}

function ordered(set: ReadonlySet<number>): number[] {
  return [...set].sort((a, b) => a - b);
}
