/**
 * Names in printed C: valid identifiers, and one meaning for each. C has one scope for tags (struct, union, enum) and
 * one for typedefs and enumerators; a kernel's BTF has several types of one name, of which the second becomes
 * `name___2`, which CO-RE takes for a flavour of the first.
 */
import type { Btf } from "./btf.ts";
import type { BtfType } from "./types.ts";

/** Spellings of integers and floats that C knows by itself. */
const C_WORDS = new Set([
  "char",
  "short",
  "int",
  "long",
  "signed",
  "unsigned",
  "float",
  "double",
  "_Bool",
  "__int128",
  "_Complex",
  "__int128_t",
  "_Float16",
  "_Float32",
  "_Float64",
  "_Float128",
  "__float128",
  "__bf16",
]);

/** Whether a base type's name is C as it stands: `long unsigned int`, and not Rust's `usize`. */
export function isCType(name: string): boolean {
  return name !== "" && name.split(" ").every((word) => C_WORDS.has(word));
}

/** The name with every character replaced that a C identifier cannot have. */
export function identifier(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9_]/g, "_");
  return /^[0-9]/.test(safe) ? `_${safe}` : safe;
}

/** struct, union or enum. */
export function keyword(type: BtfType): string {
  if (type.kind === "FWD") return type.union ? "union" : "struct";
  return type.kind === "ENUM64" ? "enum" : type.kind.toLowerCase();
}

interface Tag {
  keyword: string;
  /** The type that has the plain name; 0 while only forward declarations use it. */
  owner: number;
  count: number;
}

/** Gives names in the order in which they are asked for. */
export class CNames {
  readonly #btf: Btf;
  readonly #named = new Map<number, string>();
  readonly #tags = new Map<string, Tag>();
  readonly #ordinary = new Map<string, number>();

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** The tag or the typedef's name; empty for anonymous types. */
  of(id: number): string {
    let name = this.#named.get(id);
    if (name === undefined) {
      const type = this.#btf.type(id);
      name = type.name === "" ? "" : this.#assign(id, type);
      this.#named.set(id, name);
    }
    return name;
  }

  /** An enumerator or a typedef: the name itself the first time, numbered after that. */
  ordinary(name: string): string {
    const plain = identifier(name);
    const count = (this.#ordinary.get(plain) ?? 0) + 1;
    this.#ordinary.set(plain, count);
    return count === 1 ? plain : `${plain}___${count}`;
  }

  #assign(id: number, type: BtfType): string {
    if (type.kind === "TYPEDEF" || type.kind === "INT" || type.kind === "FLOAT") return this.ordinary(type.name);
    const plain = identifier(type.name);
    const word = keyword(type);
    const tag = this.#tags.get(plain);
    if (tag === undefined) {
      this.#tags.set(plain, { keyword: word, owner: type.kind === "FWD" ? 0 : id, count: 1 });
      return plain;
    }
    // A forward declaration and a definition of one tag are the same thing to C.
    if (tag.keyword === word && (type.kind === "FWD" || tag.owner === 0)) {
      if (type.kind !== "FWD") tag.owner = id;
      return plain;
    }
    return `${plain}___${++tag.count}`;
  }
}
