/**
 * BTF as C: every type in an order that compiles, forward declarations where pointers need them, padding, bit-fields
 * and packed structs as they are. The counterpart of `bpftool btf dump file … format c`.
 */
import { FormatError } from "../errors.ts";
import type { Btf } from "./btf.ts";
import { CDeclarations } from "./print_c_decl.ts";
import { CNames, isCType, keyword } from "./print_c_names.ts";
import type { BtfType } from "./types.ts";
import { childIds, where } from "./walk.ts";

/** What to print. */
export interface PrintCOptions {
  /** Only these types and what they need; all if not given. */
  ids?: Iterable<number>;
  /**
   * Wrap the text as `vmlinux.h`: include guard, and `preserve_access_index` on every struct so that clang makes CO-RE
   * records for accesses.
   */
  header?: string;
}

/**
 * The types of a BTF as C text. Throws `FormatError` where types cannot be C: a struct that contains itself.
 *
 * @example
 * ```ts ignore
 * // ignored: prints what this kernel has
 * const text = printC(kernelBtf, { ids: [kernelBtf.find("task_struct", "STRUCT")!] });
 * ```
 */
export function printC(btf: Btf, options: PrintCOptions = {}): string {
  const printer = new CPrinter(btf);
  if (options.ids === undefined) printer.all();
  else for (const id of options.ids) printer.need(id, true, 0);
  const text = printer.text();
  return options.header === undefined ? text : wrap(text, options.header);
}

/** One declaration: the type `id` with a name, for example `struct file *files[4]`. */
export function declareC(btf: Btf, id: number, name = ""): string {
  return new CDeclarations(btf, new CNames(btf)).declare(id, name);
}

function wrap(text: string, name: string): string {
  const guard = `__${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}__`;
  const record = "__attribute__((preserve_access_index)), apply_to = record";
  return `#ifndef ${guard}\n#define ${guard}\n\n#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n` +
    `#pragma clang attribute push (${record})\n#endif\n\n${text}\n` +
    `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n#endif /* ${guard} */\n`;
}

/** The C library of the compiler knows these; BTF's own definition of them would be an error. */
const BUILT_IN = new Set(["__builtin_va_list"]);

/** Deeper chains of definitions than any kernel's; keeps hostile BTF off the end of the stack. */
const MAX_DEPTH = 1500;

const enum_ = (type: BtfType): boolean => type.kind === "ENUM" || type.kind === "ENUM64";

class CPrinter {
  readonly #btf: Btf;
  readonly #names: CNames;
  readonly #declarations: CDeclarations;
  readonly #out: string[] = [];
  /** Types whose definition is printed or being printed. */
  readonly #defined = new Map<number, "busy" | "done">();
  /** Anonymous structs and function types whose needs are met. */
  readonly #visited = new Set<number>();
  /** `struct x` that may be used behind pointers. */
  readonly #declared = new Set<string>();

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#names = new CNames(btf);
    this.#declarations = new CDeclarations(btf, this.#names);
  }

  text(): string {
    return this.#out.join("\n");
  }

  all(): void {
    const used = new Set<number>();
    for (const id of this.#btf.ids()) for (const child of childIds(this.#btf.type(id))) used.add(child);
    for (const id of this.#btf.ids()) {
      const type = this.#btf.type(id);
      if (type.kind === "FUNC" || type.kind === "VAR" || type.kind === "DATASEC" || type.kind === "DECL_TAG") continue;
      if (type.name !== "") this.need(id, true, 0);
      else if (enum_(type) && !used.has(id)) this.#define(id, 0);
    }
  }

  /**
   * Prints what a declaration with type `id` needs before it. `whole`: the type is used by value, so that its size must
   * be known; otherwise its name is enough.
   */
  need(id: number, whole: boolean, depth: number): void {
    if (id === 0) return;
    if (depth > MAX_DEPTH) throw new FormatError(where(this.#btf, id), "depends on too many types in a row");
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "PTR":
        return this.need(type.type, false, depth + 1);
      case "ARRAY":
        // C wants elements complete even behind a pointer.
        return this.need(type.type, true, depth + 1);
      case "FUNC_PROTO":
        return this.#needOnce(id, [type, ...type.params], false, depth);
      case "TYPEDEF":
        if (!BUILT_IN.has(type.name)) this.#define(id, depth);
        if (whole) this.need(type.type, true, depth + 1);
        return;
      case "INT":
      case "FLOAT":
        if (!isCType(type.name)) this.#define(id, depth);
        return;
      case "STRUCT":
      case "UNION":
        if (type.name === "") return this.#needOnce(id, type.members, true, depth);
        return whole ? this.#define(id, depth) : this.#forward(id, type);
      case "ENUM":
      case "ENUM64":
        if (type.name !== "") this.#define(id, depth);
        return;
      case "FWD":
        return this.#forward(id, type);
      default:
        if ("type" in type) this.need(type.type, whole, depth + 1);
    }
  }

  #needOnce(id: number, parts: readonly { type: number }[], whole: boolean, depth: number): void {
    if (this.#visited.has(id)) return;
    this.#visited.add(id);
    for (const part of parts) this.need(part.type, whole, depth + 1);
  }

  #forward(id: number, type: BtfType): void {
    const text = `${keyword(type)} ${this.#names.of(id)};`;
    if (this.#declared.has(text)) return;
    this.#declared.add(text);
    this.#out.push(`${text}\n`);
  }

  #define(id: number, depth: number): void {
    const state = this.#defined.get(id);
    if (state === "done") return;
    const type = this.#btf.type(id);
    if (state === "busy") {
      if (type.kind === "STRUCT" || type.kind === "UNION") {
        throw new FormatError(where(this.#btf, id), "contains itself");
      }
      return;
    }
    this.#defined.set(id, "busy");
    this.#print(id, type, depth);
    this.#defined.set(id, "done");
  }

  #print(id: number, type: BtfType, depth: number): void {
    if (type.kind === "STRUCT" || type.kind === "UNION") {
      for (const member of type.members) this.need(member.type, true, depth + 1);
      this.#declared.add(`${keyword(type)} ${this.#names.of(id)};`);
      this.#out.push(`${this.#declarations.composite(id, type, 0)};\n`);
    } else if (type.kind === "ENUM" || type.kind === "ENUM64") {
      this.#out.push(`${this.#declarations.enumeration(id, type, 0)};\n`);
    } else if (type.kind === "TYPEDEF") {
      this.need(type.type, false, depth + 1);
      this.#out.push(`typedef ${this.#declarations.declare(type.type, this.#names.of(id))};\n`);
    } else if (type.kind === "INT" || type.kind === "FLOAT") {
      this.#out.push(`typedef ${plainType(type)} ${this.#names.of(id)};\n`);
    }
  }
}

/** A C type of the same size for a base type of another language. */
function plainType(type: Extract<BtfType, { kind: "INT" | "FLOAT" }>): string {
  if (type.kind === "FLOAT") return type.size === 4 ? "float" : type.size === 8 ? "double" : "long double";
  if (type.bool) return "_Bool";
  const words: Readonly<Record<number, string>> = { 1: "char", 2: "short", 4: "int", 8: "long long", 16: "__int128" };
  return `${type.signed ? "signed" : "unsigned"} ${words[type.size] ?? "int"}`;
}
