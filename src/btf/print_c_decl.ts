/**
 * Types as C writes them: declarators from the inside out (`int (*name[3])(void)`), bodies of structs and enums.
 * Definitions of named types are not repeated here; `print_c.ts` puts them in order.
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import type { CNames } from "./print_c_names.ts";
import { identifier, isCType, keyword } from "./print_c_names.ts";
import type { CPadding } from "./print_c_layout.ts";
import { bitFieldSize, layoutOf } from "./print_c_layout.ts";
import type { BtfComposite, BtfEnum, BtfFuncProto } from "./types.ts";
import { where } from "./walk.ts";

/** Deeper nesting of declarators and anonymous structs does not exist in sane BTF. */
const MAX_NESTING = 128;
/** Parts of one declaration; in hostile BTF anonymous structs and parameters multiply. */
const MAX_PARTS = 1 << 16;

/** Writes declarations of one BTF. */
export class CDeclarations {
  readonly #btf: Btf;
  readonly #names: CNames;
  readonly #indent: string;
  #parts = 0;

  constructor(btf: Btf, names: CNames, indent = "\t") {
    this.#btf = btf;
    this.#names = names;
    this.#indent = indent;
  }

  /** `name` declared as type `id`; an empty name gives the bare type. Anonymous structs are written out at `level`. */
  declare(id: number, name: string, level = 0): string {
    this.#parts = 0;
    return this.#declare(id, name, [], level, 0);
  }

  /** `struct x { … }` with everything between the braces, without the semicolon. */
  composite(id: number, type: BtfComposite, level: number): string {
    this.#parts = 0;
    return this.#composite(id, type, level, 0);
  }

  #composite(id: number, type: BtfComposite, level: number, depth: number): string {
    const tag = this.#names.of(id);
    const layout = layoutOf(this.#btf, type);
    const inner = this.#indent.repeat(level + 1);
    const lines: string[] = [];
    const padding = ({ word, bits }: CPadding): void => {
      this.#count(id, depth);
      lines.push(`${inner}${word}: ${bits};`);
    };
    for (const [i, member] of type.members.entries()) {
      layout.padding[i]?.forEach(padding);
      const bits = bitFieldSize(this.#btf, member);
      const text = this.#declare(member.type, identifier(member.name), [], level + 1, depth + 1);
      lines.push(`${inner}${text}${bits === 0 ? "" : `: ${bits}`};`);
    }
    layout.tail.forEach(padding);
    const body = lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${this.#indent.repeat(level)}}`;
    const packed = layout.packed ? " __attribute__((packed))" : "";
    const aligned = layout.aligned === undefined ? "" : ` __attribute__((aligned(${layout.aligned})))`;
    return `${[keyword(type), tag, body].filter((s) => s !== "").join(" ")}${packed}${aligned}`;
  }

  /** `enum x { A = 1, … }` without the semicolon. */
  enumeration(id: number, type: BtfEnum, level: number): string {
    const head = ["enum", this.#names.of(id)].filter((s) => s !== "").join(" ");
    if (type.values.length === 0) return head;
    const inner = this.#indent.repeat(level + 1);
    const suffix = type.kind === "ENUM64" ? (type.signed ? "LL" : "ULL") : "";
    const lines = type.values.map(({ name, value }) =>
      `${inner}${this.#names.ordinary(name)} = ${number(value, suffix)},`
    );
    return `${head} {\n${lines.join("\n")}\n${this.#indent.repeat(level)}}${enumMode(type)}`;
  }

  #declare(id: number, inner: string, qualifiers: readonly string[], level: number, depth: number): string {
    this.#count(id, depth);
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "CONST":
      case "VOLATILE":
      case "RESTRICT": {
        const words = { CONST: "const", VOLATILE: "volatile", RESTRICT: "restrict" } as const;
        return this.#declare(type.type, inner, [...qualifiers, words[type.kind]], level, depth + 1);
      }
      case "TYPE_TAG": {
        const tag = `__attribute__((btf_type_tag(${JSON.stringify(type.name)})))`;
        return this.#declare(type.type, inner, type.kflag ? qualifiers : [...qualifiers, tag], level, depth + 1);
      }
      case "PTR": {
        const own = qualifiers.length === 0 ? inner : [...qualifiers, inner].filter((s) => s !== "").join(" ");
        return this.#declare(type.type, `*${own}`, [], level, depth + 1);
      }
      case "ARRAY":
        return this.#declare(type.type, `${group(inner)}[${type.nelems}]`, qualifiers, level, depth + 1);
      case "FUNC_PROTO":
        return this.#declare(type.type, `${group(inner)}(${this.#params(type, level, depth)})`, [], level, depth + 1);
      default:
        return specifier(this.#base(id, level, depth), qualifiers, inner);
    }
  }

  #count(id: number, depth: number): void {
    if (depth <= MAX_NESTING && ++this.#parts <= MAX_PARTS) return;
    throw new FormatError(where(this.#btf, id), "nests too deeply or has too many parts to be written as C");
  }

  #params(type: BtfFuncProto, level: number, depth: number): string {
    if (type.params.length === 0) return "void";
    const last = type.params.length - 1;
    return type.params.map((param, i) => {
      // The end of a variadic list; the only parameter without a type.
      if (i === last && param.type === 0 && param.name === "") return "...";
      return this.#declare(param.type, identifier(param.name), [], level, depth + 1);
    }).join(", ");
  }

  /** What stands at the left of a declaration. */
  #base(id: number, level: number, depth: number): string {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "UNKN":
        return "void";
      case "INT":
      case "FLOAT":
        return isCType(type.name) ? type.name : this.#names.of(id) || "int";
      case "STRUCT":
      case "UNION":
        return type.name === "" ? this.#composite(id, type, level, depth) : `${keyword(type)} ${this.#names.of(id)}`;
      case "ENUM":
      case "ENUM64":
        return type.name === "" ? this.enumeration(id, type, level) : `enum ${this.#names.of(id)}`;
      case "FWD":
        return `${keyword(type)} ${this.#names.of(id)}`;
      case "TYPEDEF":
        return this.#names.of(id);
      default:
        throw new FormatError(where(this.#btf, id), `cannot be part of a C declaration`);
    }
  }
}

/** Pointers bind weaker than arrays and parameters. */
function group(inner: string): string {
  return inner.startsWith("*") ? `(${inner})` : inner;
}

/** Qualifiers come first, type tags behind the type, where clang takes them for part of it. */
function specifier(base: string, qualifiers: readonly string[], inner: string): string {
  // Only pointers can be restrict; BTF of arrays of them puts it elsewhere.
  const words = qualifiers.filter((q) => q === "const" || q === "volatile");
  const tags = qualifiers.filter((q) => q.startsWith("__attribute__"));
  return [...words, base, ...tags, inner].filter((s) => s !== "").join(" ");
}

function number(value: bigint, suffix: string): string {
  return `${value}${suffix}`;
}

/** The attribute that makes C choose the size that BTF gives. */
function enumMode(type: BtfEnum): string {
  if (type.size === 1) return " __attribute__((mode(byte)))";
  if (type.size === 2) return " __attribute__((mode(HI)))";
  const wide = type.values.some(({ value }) => value > 0xffffffffn || value < -0x80000000n);
  return type.size === 8 && !wide ? " __attribute__((mode(word)))" : "";
}
