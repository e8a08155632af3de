/**
 * Questions about the kernel's types: which member a name means (anonymous structs and unions looked through), and what
 * a type is once names and qualifiers are taken away. Takes the kernel's BTF; follows C's rules of member lookup.
 */
import type { Btf } from "../../btf/btf.ts";
import type { BtfComposite, BtfType } from "../../btf/types.ts";
import { resolveId, sizeOf } from "../../btf/walk.ts";

/** A member found by name. */
export interface FoundMember {
  /** Indices from the struct asked, one for each anonymous level and one for the member. */
  readonly path: readonly number[];
  /** Type as declared. */
  readonly type: number;
  readonly bitOffset: number;
  readonly bitSize: number;
}

/** What a type is to the compiler. */
export type Shape =
  | { k: "int"; size: number; signed: boolean; bool: boolean }
  | { k: "pointer"; to: number; user: boolean; percpu: boolean }
  | { k: "composite"; id: number }
  | { k: "array"; element: number; length: number; chars: boolean }
  | { k: "other"; what: string };

export class KernelTypes {
  readonly btf: Btf;
  readonly #members = new Map<string, FoundMember | undefined>();
  readonly #shapes = new Map<number, Shape>();

  constructor(btf: Btf) {
    this.btf = btf;
  }

  /** A struct or union by name; also a typedef of one. */
  struct(name: string): number | undefined {
    const id = this.btf.find(name, "STRUCT") ?? this.btf.find(name, "UNION");
    if (id !== undefined) return id;
    const typedef = this.btf.find(name, "TYPEDEF");
    if (typedef === undefined) return undefined;
    const resolved = resolveId(this.btf, typedef);
    return this.composite(resolved) === undefined ? undefined : resolved;
  }

  /** Any type by name, for `as` and `sizeof`. `struct sock` and `sock` mean the same. */
  named(name: string): number | undefined {
    const bare = name.replace(/^(struct|union|enum)\s+/, "");
    return this.struct(bare) ?? this.btf.find(bare, "TYPEDEF") ?? this.btf.find(bare, "INT") ??
      this.btf.find(bare, "ENUM") ?? this.btf.find(bare, "ENUM64");
  }

  composite(id: number): BtfComposite | undefined {
    const type = this.btf.type(id);
    return type.kind === "STRUCT" || type.kind === "UNION" ? type : undefined;
  }

  member(structId: number, name: string): FoundMember | undefined {
    const key = `${structId}.${name}`;
    if (!this.#members.has(key)) this.#members.set(key, this.#find(structId, name, [], 0));
    return this.#members.get(key);
  }

  #find(structId: number, name: string, path: readonly number[], bits: number): FoundMember | undefined {
    const struct = this.composite(structId);
    if (struct === undefined || path.length > 16) return undefined;
    for (const [i, member] of struct.members.entries()) {
      if (member.name === name) {
        return { path: [...path, i], type: member.type, bitOffset: bits + member.bitOffset, bitSize: member.bitSize };
      }
    }
    for (const [i, member] of struct.members.entries()) {
      if (member.name !== "") continue;
      const found = this.#find(resolveId(this.btf, member.type), name, [...path, i], bits + member.bitOffset);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Names of all members, those of anonymous ones included. */
  memberNames(structId: number, depth = 0): string[] {
    const struct = this.composite(structId);
    if (struct === undefined || depth > 16) return [];
    return struct.members.flatMap((m) =>
      m.name === "" ? this.memberNames(resolveId(this.btf, m.type), depth + 1) : [m.name]
    );
  }

  shape(id: number): Shape {
    let shape = this.#shapes.get(id);
    if (shape === undefined) this.#shapes.set(id, shape = this.#shape(id));
    return shape;
  }

  #shape(id: number): Shape {
    const resolved = resolveId(this.btf, id);
    const type = this.btf.type(resolved);
    switch (type.kind) {
      case "INT":
        return { k: "int", size: type.size, signed: type.signed, bool: type.bool };
      case "ENUM":
      case "ENUM64":
        return { k: "int", size: type.size, signed: type.signed, bool: false };
      case "PTR":
        return {
          k: "pointer",
          to: type.type,
          user: this.#tagged(type.type, "user"),
          percpu: this.#tagged(type.type, "percpu"),
        };
      case "STRUCT":
      case "UNION":
        return { k: "composite", id: resolved };
      case "ARRAY":
        return { k: "array", element: type.type, length: type.nelems, chars: this.#isChar(type.type) };
      default:
        return { k: "other", what: type.kind === "UNKN" ? "void" : type.kind.toLowerCase() };
    }
  }

  #tagged(id: number, tag: string): boolean {
    let type: BtfType = this.btf.type(id);
    for (let depth = 0; depth < 16; depth++) {
      if (type.kind === "TYPE_TAG" && type.name === tag) return true;
      if (type.kind !== "TYPE_TAG" && type.kind !== "CONST" && type.kind !== "VOLATILE") return false;
      type = this.btf.type(type.type);
    }
    return false;
  }

  #isChar(id: number): boolean {
    const type = this.btf.type(resolveId(this.btf, id));
    return type.kind === "INT" && type.size === 1 && (type.char || type.name === "char");
  }

  /** Bytes; 0 for what has none. */
  size(id: number): number {
    const shape = this.shape(id);
    return shape.k === "other" ? 0 : sizeOf(this.btf, id);
  }

  /** `struct task_struct`, for messages. */
  name(id: number): string {
    const type = this.btf.type(resolveId(this.btf, id));
    const kind = type.kind === "STRUCT" || type.kind === "UNION" || type.kind === "ENUM"
      ? `${type.kind.toLowerCase()} `
      : "";
    return type.name === "" ? `an anonymous ${kind}`.trim() : `${kind}${type.name}`;
  }
}
