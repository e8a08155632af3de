/** BTF of the script's own types: layouts of keys, values, records and globals as C would describe them. */
import type { BtfBuilder } from "../../btf/write.ts";
import type { LayoutDesc } from "../../bytes/layout.ts";
import type { BtfInt, BtfType } from "../../btf/types.ts";

const C_NAMES: Readonly<Record<string, string>> = {
  u8: "unsigned char",
  i8: "signed char",
  u16: "unsigned short",
  i16: "short",
  u32: "unsigned int",
  i32: "int",
  u64: "unsigned long long",
  i64: "long long",
};

/** Adds types to a builder, equal ones once. */
export class LayoutTypes {
  readonly #builder: BtfBuilder;
  readonly #ids = new Map<string, number>();

  constructor(builder: BtfBuilder) {
    this.#builder = builder;
  }

  /** The id of a layout's type. */
  of(desc: LayoutDesc, size: number): number {
    switch (desc.kind) {
      case "int":
        return this.int(desc.bits / 8, desc.signed);
      case "bool":
        return this.add({
          kind: "INT",
          name: "_Bool",
          size: 1,
          bits: 8,
          bitOffset: 0,
          signed: false,
          char: false,
          bool: true,
        });
      case "float":
        return this.add({ kind: "FLOAT", name: desc.bits === 32 ? "float" : "double", size });
      case "str":
        return this.array(
          this.add({
            kind: "INT",
            name: "char",
            size: 1,
            bits: 8,
            bitOffset: 0,
            signed: true,
            char: false,
            bool: false,
          }),
          desc.length,
        );
      case "bytes":
        return this.array(this.int(1, false), desc.length);
      case "array":
        return this.array(this.of(desc.element.desc, desc.element.size), desc.length);
      case "enum": {
        const values = desc.values.map(([name, value]) => ({ name, value }));
        return this.add({
          kind: desc.bits === 64 ? "ENUM64" : "ENUM",
          name: identifier(desc.name),
          size,
          signed: desc.signed,
          values,
        });
      }
      default: {
        const members = desc.fields.map((field) => ({
          name: identifier(field.name),
          type: this.of(field.layout.desc, field.layout.size),
          bitOffset: field.offset * 8,
          bitSize: 0,
        }));
        return this.add({
          kind: desc.kind === "struct" ? "STRUCT" : "UNION",
          name: identifier(desc.name ?? ""),
          size,
          members,
          kflag: false,
        });
      }
    }
  }

  int(size: number, signed: boolean): number {
    const name = C_NAMES[`${signed ? "i" : "u"}${size * 8}`]!;
    return this.add(
      { kind: "INT", name, size, bits: size * 8, bitOffset: 0, signed, char: false, bool: false } satisfies BtfInt,
    );
  }

  array(element: number, nelems: number): number {
    return this.add({ kind: "ARRAY", name: "", type: element, indexType: this.int(4, false), nelems });
  }

  pointer(type: number): number {
    return this.add({ kind: "PTR", name: "", type });
  }

  /** `int (*)[value]`, how definitions of maps hold numbers. */
  number(value: number): number {
    return this.pointer(this.array(this.int(4, true), value));
  }

  add(type: BtfType): number {
    const key = JSON.stringify(type, (_key, value: unknown) => typeof value === "bigint" ? `${value}n` : value);
    let id = this.#ids.get(key);
    if (id === undefined) this.#ids.set(key, id = this.#builder.add(type));
    return id;
  }
}

/** The kernel takes C identifiers only. */
export function identifier(name: string): string {
  return name.replace(/[^\w]/g, "_").replace(/^(\d)/, "_$1");
}
