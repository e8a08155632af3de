/**
 * What a BTF type is once decoded: plain data, one variant per kind, kernel spelling of the kinds.
 * Type ids are numbers; id 0 is `void`. See https://docs.kernel.org/bpf/btf.html
 */

/**
 * `BTF_KIND_*` without the prefix. `UNKN` is only the type of id 0, `void`. `OPAQUE` stands for every kind that is newer
 * than this module and whose length the BTF's own layout section gives.
 */
export type BtfKindName =
  | "UNKN"
  | "INT"
  | "PTR"
  | "ARRAY"
  | "STRUCT"
  | "UNION"
  | "ENUM"
  | "FWD"
  | "TYPEDEF"
  | "VOLATILE"
  | "CONST"
  | "RESTRICT"
  | "FUNC"
  | "FUNC_PROTO"
  | "VAR"
  | "DATASEC"
  | "FLOAT"
  | "DECL_TAG"
  | "TYPE_TAG"
  | "ENUM64"
  | "OPAQUE";

export interface BtfVoid {
  kind: "UNKN";
  name: "";
}

export interface BtfInt {
  kind: "INT";
  name: string;
  /** Bytes. */
  size: number;
  /** Bits used, counted from `bitOffset`; old compilers describe bit-fields so. */
  bits: number;
  bitOffset: number;
  signed: boolean;
  char: boolean;
  bool: boolean;
}

export interface BtfPtr {
  kind: "PTR";
  name: "";
  type: number;
}
export interface BtfArray {
  kind: "ARRAY";
  name: "";
  type: number;
  indexType: number;
  nelems: number;
}

export interface BtfMember {
  name: string;
  type: number;
  /** From the start of the struct. */
  bitOffset: number;
  /** Bits of a bit-field, 0 for a plain member. */
  bitSize: number;
}

export interface BtfComposite {
  kind: "STRUCT" | "UNION";
  name: string;
  size: number;
  members: BtfMember[];
  /** `kind_flag`: member offsets are encoded with bit-field sizes. Kept so that writing is faithful. */
  kflag: boolean;
}

export interface BtfEnumValue {
  name: string;
  value: bigint;
}

export interface BtfEnum {
  kind: "ENUM" | "ENUM64";
  name: string;
  size: number;
  signed: boolean;
  values: BtfEnumValue[];
}

export interface BtfFwd {
  kind: "FWD";
  name: string;
  union: boolean;
}
export interface BtfTypedef {
  kind: "TYPEDEF";
  name: string;
  type: number;
}
export interface BtfModifier {
  kind: "VOLATILE" | "CONST" | "RESTRICT";
  name: "";
  type: number;
}
export interface BtfFunc {
  kind: "FUNC";
  name: string;
  type: number;
  linkage: BtfFuncLinkage;
}
export interface BtfParam {
  name: string;
  type: number;
}
/** Variadic functions end with a parameter without name and of type 0. */
export interface BtfFuncProto {
  kind: "FUNC_PROTO";
  name: "";
  type: number;
  params: BtfParam[];
}
export interface BtfVar {
  kind: "VAR";
  name: string;
  type: number;
  linkage: BtfVarLinkage;
}
export interface BtfSecInfo {
  type: number;
  offset: number;
  size: number;
}
export interface BtfDatasec {
  kind: "DATASEC";
  name: string;
  size: number;
  vars: BtfSecInfo[];
}
export interface BtfFloat {
  kind: "FLOAT";
  name: string;
  size: number;
}
/** `component` is the member or parameter index, -1 for the whole; `kflag` makes it an attribute, not a tag. */
export interface BtfDeclTag {
  kind: "DECL_TAG";
  name: string;
  type: number;
  component: number;
  kflag: boolean;
}
export interface BtfTypeTag {
  kind: "TYPE_TAG";
  name: string;
  type: number;
  kflag: boolean;
}

/** A kind that is not known here: kept as it is, word for word. */
export interface BtfOpaque {
  kind: "OPAQUE";
  name: string;
  /** `BTF_KIND_*` number. */
  number: number;
  kflag: boolean;
  vlen: number;
  /** The third word of `struct btf_type`: a size or a type id, nobody knows. */
  word: number;
  /** Everything behind `struct btf_type`, as 32-bit words. */
  payload: Uint32Array;
}

export type BtfFuncLinkage = "static" | "global" | "extern";
export type BtfVarLinkage = "static" | "global" | "extern";

export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfPtr
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfFwd
  | BtfTypedef
  | BtfModifier
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfFloat
  | BtfDeclTag
  | BtfTypeTag
  | BtfOpaque;
