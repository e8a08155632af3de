/**
 * BTF as TypeScript: the types of the values that `btfCodec` reads and writes. Named structs, unions and enums become
 * exported declarations under their own name; everything they contain comes with them.
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import { byteArrayKind } from "./codec.ts";
import { bitFieldSize } from "./print_c_layout.ts";
import { identifier } from "./print_c_names.ts";
import { isKernelOwned } from "./codec_fields.ts";
import type { BtfComposite, BtfDatasec, BtfEnum, BtfMember, BtfType } from "./types.ts";
import { BTF_MAX_DEPTH, resolve, resolveId, where } from "./walk.ts";

/** What to print. */
export interface PrintTsOptions {
  /** Only these types and what they contain; all structs, unions and enums with a name if not given. */
  ids?: Iterable<number>;
}

/**
 * Declarations of the types, each with `export`.
 *
 * @example
 * ```ts ignore
 * // ignored: takes BTF at hand
 * printTs(btf, { ids: [btf.find("event", "STRUCT")!] });
 * // export interface event { pid: number; comm: string; … }
 * ```
 */
export function printTs(btf: Btf, options: PrintTsOptions = {}): string {
  const printer = new TsPrinter(btf);
  for (const id of options.ids ?? namedTypes(btf)) printer.type(id);
  return printer.text();
}

/** The type of one value: `{ x: number; y: number }[]`. Named types are referred to by name. */
export function typeTs(btf: Btf, id: number): string {
  return new TsPrinter(btf).type(id);
}

function* namedTypes(btf: Btf): Iterable<number> {
  for (const id of btf.ids()) {
    const { kind, name } = btf.type(id);
    const printed = kind === "STRUCT" || kind === "UNION" || kind === "ENUM" || kind === "ENUM64";
    if (printed && name !== "") yield id;
  }
}

/** Words that cannot name a type. */
const RESERVED = /^(any|bigint|boolean|never|null|number|object|string|symbol|undefined|unknown|void)$/;

class TsPrinter {
  readonly #btf: Btf;
  readonly #declarations: string[] = [];
  readonly #names = new Map<number, string>();
  readonly #taken = new Set<string>();
  #steps = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  text(): string {
    return this.#declarations.join("\n");
  }

  /** The type of a value of BTF type `id`; declares what it names. */
  type(id: number, depth = 0): string {
    this.#step(id, depth);
    const target = resolveId(this.#btf, id);
    const type = this.#btf.type(target);
    switch (type.kind) {
      case "INT":
        return type.bool ? "boolean" : type.size > 4 ? "bigint" : "number";
      case "FLOAT":
        return type.size === 4 || type.size === 8 ? "number" : "Uint8Array";
      case "PTR":
        return "bigint";
      case "ENUM":
      case "ENUM64":
        return type.name === "" ? enumType(type) : this.#named(target, type, depth);
      case "ARRAY":
        return this.#array(type.type, depth);
      case "STRUCT":
      case "UNION":
      case "DATASEC":
        return type.name === "" ? this.#inline(target, type, depth) : this.#named(target, type, depth);
      case "VAR":
        return this.type(type.type, depth + 1);
      default:
        throw new FormatError(
          where(this.#btf, id),
          `has no values: it is ${type.kind === "UNKN" ? "void" : type.kind}`,
        );
    }
  }

  #array(elementId: number, depth: number): string {
    resolveId(this.#btf, elementId);
    const kind = byteArrayKind(this.#btf, elementId);
    if (kind !== undefined) return kind === "chars" ? "string" : "Uint8Array";
    const element = this.type(elementId, depth + 1);
    return /^[\w$]+(\[\])*$|\}$/.test(element) ? `${element}[]` : `(${element})[]`;
  }

  #named(id: number, type: BtfComposite | BtfDatasec | BtfEnum, depth: number): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = this.#freeName(type.name);
    this.#names.set(id, name);
    if ("values" in type) {
      this.#declarations.push(`/** \`enum ${type.name}\` */\nexport type ${name} = ${enumType(type)};\n`);
    } else {
      const fields = this.#fields(id, type, depth).map((line) => `  ${line}\n`).join("");
      const word = type.kind === "DATASEC" ? "section" : type.kind.toLowerCase();
      this.#declarations.push(
        `/** \`${word} ${type.name}\`, ${type.size} bytes */\nexport interface ${name} {\n${fields}}\n`,
      );
    }
    return name;
  }

  #freeName(name: string): string {
    const plain = RESERVED.test(name) ? `${name}_` : identifier(name);
    let free = plain;
    for (let i = 2; this.#taken.has(free); i++) free = `${plain}___${i}`;
    this.#taken.add(free);
    return free;
  }

  #inline(id: number, type: BtfComposite | BtfDatasec, depth: number): string {
    const fields = this.#fields(id, type, depth);
    return fields.length === 0 ? "Record<string, never>" : `{ ${fields.join(" ").replace(/;$/, "")} }`;
  }

  /** `name: type;` of each field, those of anonymous members among them. */
  #fields(id: number, type: BtfComposite | BtfDatasec, depth: number, optional = type.kind === "UNION"): string[] {
    this.#step(id, depth);
    if (type.kind === "DATASEC") {
      return type.vars.map((info) => `${property(this.#btf.nameOf(info.type))}: ${this.type(info.type, depth + 1)};`);
    }
    const lines: string[] = [];
    for (const member of type.members) {
      const target = resolve(this.#btf, member.type);
      if (member.name !== "") {
        const mark = optional || isKernelOwned(target) ? "?" : "";
        lines.push(`${property(member.name)}${mark}: ${this.#member(member, target, depth)};`);
      } else if (target.kind === "STRUCT" || target.kind === "UNION") {
        const inner = optional || target.kind === "UNION";
        lines.push(...this.#fields(resolveId(this.#btf, member.type), target, depth + 1, inner));
      }
    }
    return lines;
  }

  #step(id: number, depth: number): void {
    if (depth > BTF_MAX_DEPTH) throw new FormatError(where(this.#btf, id), "contains itself");
    if (++this.#steps > MAX_STEPS) throw new FormatError(where(this.#btf, id), "has too many members");
  }

  #member(member: BtfMember, target: BtfType, depth: number): string {
    const bits = bitFieldSize(this.#btf, member);
    if (bits === 0) return this.type(member.type, depth + 1);
    if (target.kind === "INT" && target.bool) return "boolean";
    if (target.kind === "ENUM") return this.type(member.type, depth + 1);
    return bits > 32 ? "bigint" : "number";
  }
}

/** Many times the members of a kernel's structs; anonymous members multiply in hostile BTF. */
const MAX_STEPS = 1 << 22;

function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** The names of the values, and the number for what has no name. */
function enumType(type: BtfEnum): string {
  const names = new Set(type.values.map((v) => JSON.stringify(v.name)));
  return [...names, type.size > 4 ? "bigint" : "number"].join(" | ");
}
