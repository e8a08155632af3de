/**
 * THE table of BTF kinds: number, name, what follows `struct btf_type`, where type ids and string offsets sit, and the
 * first kernel that accepts the kind. Everything in BTF is a 32-bit word, so all lengths here count words. A new kind
 * is a new row here, a variant in `types.ts`, a case in `decode.ts` and one in `encode.ts`.
 * Follows include/uapi/linux/btf.h of Linux 7.2.
 */
import type { BtfKindName } from "./types.ts";

export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
/** Up to `str_len`; newer producers append the place of a layout section. */
export const BTF_HEADER_SIZE = 24;
/** Words of `struct btf_type`: name offset, info, size or type. */
export const BTF_TYPE_WORDS = 3;
/** Since Linux 7.2 `vlen` has 24 bits; older producers leave the upper 8 zero. */
export const BTF_MAX_VLEN = 0xffffff;
/** Bytes of a pointer on every machine BPF runs on. */
export const BTF_POINTER_SIZE = 8;

/** One row. */
export interface BtfKindDef {
  readonly number: number;
  readonly name: BtfKindName;
  /** What the third word of `struct btf_type` holds. */
  readonly word: "size" | "type" | "none";
  /** Words once behind `struct btf_type`, and which of them are type ids. */
  readonly fixed: number;
  readonly fixedTypes: readonly number[];
  /** Words for each of `vlen` elements, and which of them are type ids or string offsets. */
  readonly element: number;
  readonly elementTypes: readonly number[];
  readonly elementNames: readonly number[];
  /** First kernel that accepts the kind. */
  readonly since: string;
}

type Shape = Partial<Pick<BtfKindDef, "fixed" | "fixedTypes" | "element" | "elementTypes" | "elementNames">>;

function row(
  number: number,
  name: BtfKindName,
  word: BtfKindDef["word"],
  since: string,
  shape: Shape = {},
): BtfKindDef {
  return {
    number,
    name,
    word,
    since,
    fixed: 0,
    fixedTypes: [],
    element: 0,
    elementTypes: [],
    elementNames: [],
    ...shape,
  };
}

/** The rows, at their number. */
export const BTF_KINDS: readonly BtfKindDef[] = [
  row(0, "UNKN", "none", "4.18"),
  row(1, "INT", "size", "4.18", { fixed: 1 }),
  row(2, "PTR", "type", "4.18"),
  row(3, "ARRAY", "none", "4.18", { fixed: 3, fixedTypes: [0, 1] }),
  row(4, "STRUCT", "size", "4.18", { element: 3, elementTypes: [1], elementNames: [0] }),
  row(5, "UNION", "size", "4.18", { element: 3, elementTypes: [1], elementNames: [0] }),
  row(6, "ENUM", "size", "4.18", { element: 2, elementNames: [0] }),
  row(7, "FWD", "none", "4.18"),
  row(8, "TYPEDEF", "type", "4.18"),
  row(9, "VOLATILE", "type", "4.18"),
  row(10, "CONST", "type", "4.18"),
  row(11, "RESTRICT", "type", "4.18"),
  row(12, "FUNC", "type", "5.0"),
  row(13, "FUNC_PROTO", "type", "5.0", { element: 2, elementTypes: [1], elementNames: [0] }),
  row(14, "VAR", "type", "5.2", { fixed: 1 }),
  row(15, "DATASEC", "size", "5.2", { element: 3, elementTypes: [0] }),
  row(16, "FLOAT", "size", "5.13"),
  row(17, "DECL_TAG", "type", "5.16", { fixed: 1 }),
  row(18, "TYPE_TAG", "type", "5.17"),
  row(19, "ENUM64", "size", "6.0", { element: 3, elementNames: [0] }),
];

/** Whether a kind describes data and can have a name: what CO-RE and map definitions look for by name. */
export function isDataKind(kind: number): boolean {
  return (DATA_KINDS >>> kind & 1) === 1 && kind < 32;
}

// INT, STRUCT, UNION, ENUM, FWD, TYPEDEF, FLOAT, ENUM64, one bit each.
const DATA_KINDS = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 16 | 1 << 19;

/** Kind name → number, for comparisons with `Btf.kindOf()`. */
export const BTF_KIND = {
  UNKN: 0,
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

/** One column of the table by kind number, for loops over all types. 0 where a kind is unknown. */
function column(value: (def: BtfKindDef) => number): Uint8Array {
  const values = new Uint8Array(128);
  for (const def of BTF_KINDS) values[def.number] = value(def);
  return values;
}

/** The table as arrays, for passes that touch every word of a kernel's BTF. */
export const BTF_SHAPE = {
  /** 1 if the third word is a type id. */
  wordIsType: column((def) => (def.word === "type" ? 1 : 0)),
  /** Words before the elements, `struct btf_type` included. */
  head: column((def) => BTF_TYPE_WORDS + def.fixed),
  /** Words behind `struct btf_type` that are type ids; they come first. */
  fixedTypes: column((def) => def.fixedTypes.length),
  element: column((def) => def.element),
  /** 1 + which word of an element is a type id or a string offset; 0 if none is. */
  elementType: column((def) => 1 + (def.elementTypes[0] ?? -1)),
  elementName: column((def) => 1 + (def.elementNames[0] ?? -1)),
} as const;

export function kindOfInfo(info: number): number {
  return (info >>> 24) & 0x7f;
}

export function vlenOfInfo(info: number): number {
  return info & BTF_MAX_VLEN;
}

/** The name to print for a kind, also for one that is not in the table. */
export function kindName(number: number): string {
  return BTF_KINDS[number]?.name ?? `kind ${number}`;
}

/** The number of a kind given by name or number; undefined for `OPAQUE` and unknown names. */
export function kindNumber(kind: BtfKindName | number): number | undefined {
  if (typeof kind === "number") return kind;
  return kind === "OPAQUE" ? undefined : BTF_KIND[kind];
}
