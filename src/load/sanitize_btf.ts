/**
 * The object's types as this kernel accepts them. The kernel checks every type, knows no extern variables in `.ksyms`,
 * and old ones do not know newer kinds: each of those becomes an older kind of the same size and place, so that ids
 * stay. What needs no change is handed over as it is. The replacements are libbpf's.
 */
import type { Btf } from "../btf/btf.ts";
import { BTF_HEADER_SIZE, BTF_KIND, kindOfInfo, vlenOfInfo } from "../btf/kinds.ts";
import type { BtfDatasec, BtfType } from "../btf/types.ts";
import { BtfBuilder } from "../btf/write.ts";
import type { FeatureName } from "../kernel/features.ts";

/** How to find out what the kernel has. */
export type HasFeature = (name: FeatureName) => boolean;

/** Kinds that are not in every kernel with BTF, and the feature that says so. */
const KIND_FEATURES: readonly (readonly [kind: number, feature: FeatureName])[] = [
  [BTF_KIND.FUNC, "btf_func"],
  [BTF_KIND.FUNC_PROTO, "btf_func"],
  [BTF_KIND.VAR, "btf_datasec"],
  [BTF_KIND.DATASEC, "btf_datasec"],
  [BTF_KIND.FLOAT, "btf_float"],
  [BTF_KIND.DECL_TAG, "btf_decl_tag"],
  [BTF_KIND.TYPE_TAG, "btf_type_tag"],
  [BTF_KIND.ENUM64, "btf_enum64"],
];

/** What loading adds to the object's own types and strings; ids and offsets that are there stay. */
export interface BtfExtras {
  /** Interns strings that line information needs. */
  strings?: ((intern: (text: string) => number) => void) | undefined;
  /** Types to append, given the id that the first will have. */
  types?: ((firstId: number) => BtfType[]) | undefined;
}

/** The bytes to load. */
export function sanitizeBtf(btf: Btf, has: HasFeature, extra?: BtfExtras): Uint8Array {
  const lacks = missingFeatures(btf, has);
  const ksyms = btf.find(".ksyms", "DATASEC");
  const adds = extra?.strings !== undefined || extra?.types !== undefined;
  const headerSize = new DataView(btf.bytes.buffer, btf.bytes.byteOffset).getUint32(4, btf.endian === "little");
  // A header longer than the kernel's own is refused unless it is zero there (BTF layout, Linux 7.2).
  if (lacks.size === 0 && ksyms === undefined && !adds && headerSize <= BTF_HEADER_SIZE) return btf.bytes;
  return new Sanitizer(btf, lacks, ksyms, extra).bytes();
}

function missingFeatures(btf: Btf, has: HasFeature): Set<FeatureName> {
  const kinds = new Uint8Array(256);
  let globalFunc = false;
  let qmark = false;
  const { words, offsets } = btf.raw();
  for (let i = 0; i < offsets.length - 1; i++) {
    const info = words[offsets[i]! + 1]!;
    const kind = kindOfInfo(info);
    kinds[kind] = 1;
    if (kind === BTF_KIND.FUNC) globalFunc ||= vlenOfInfo(info) !== 0;
    else if (kind === BTF_KIND.DATASEC) qmark ||= btf.nameOf(btf.firstId + i).startsWith("?");
  }
  const lacks = new Set<FeatureName>();
  for (const [kind, feature] of KIND_FEATURES) if (kinds[kind] === 1 && !has(feature)) lacks.add(feature);
  if (globalFunc && !has("btf_global_func")) lacks.add("btf_global_func");
  if (qmark && !has("btf_qmark_datasec")) lacks.add("btf_qmark_datasec");
  // The kernel learnt the sign of enums together with ENUM64.
  if (kinds[BTF_KIND.ENUM] === 1 && hasSignedEnum(btf) && !has("btf_enum64")) lacks.add("btf_enum64");
  return lacks;
}

function hasSignedEnum(btf: Btf): boolean {
  for (const id of btf.ids(BTF_KIND.ENUM)) if (btf.infoOf(id) >>> 31 === 1) return true;
  return false;
}

class Sanitizer {
  readonly #btf: Btf;
  readonly #lacks: ReadonlySet<FeatureName>;
  readonly #ksyms: number | undefined;
  readonly #builder: BtfBuilder;
  readonly #int: number;
  readonly #dummy: number;
  readonly #ksymIds: ReadonlySet<number>;
  readonly #extra: BtfExtras | undefined;

  constructor(btf: Btf, lacks: ReadonlySet<FeatureName>, ksyms: number | undefined, extra: BtfExtras | undefined) {
    this.#btf = btf;
    this.#lacks = lacks;
    this.#ksyms = ksyms;
    this.#builder = new BtfBuilder({ endian: btf.endian, stringsOf: btf });
    // Types made here come behind the object's own.
    this.#int = findInt(btf) ?? btf.typeCount;
    this.#dummy = btf.typeCount + 1;
    this.#ksymIds = new Set(ksyms === undefined ? [] : (btf.type(ksyms) as BtfDatasec).vars.map((v) => v.type));
    this.#extra = extra;
    extra?.strings?.((text) => this.#builder.addString(text));
  }

  bytes(): Uint8Array {
    const btf = this.#btf;
    const protos = this.#kfuncProtos();
    for (const id of btf.ids()) {
      let type = btf.type(id);
      if (id === this.#ksyms) type = this.#ksymDatasec(type as BtfDatasec);
      else if (this.#ksymIds.has(id)) type = this.#ksym(type);
      else if (protos.has(id) && type.kind === "FUNC_PROTO") type = nameParams(type);
      this.#builder.add(this.#replace(type));
    }
    this.#builder.add({
      kind: "INT",
      name: "int",
      size: 4,
      bits: 32,
      bitOffset: 0,
      signed: true,
      char: false,
      bool: false,
    });
    this.#builder.add(this.#replace({ kind: "VAR", name: "dummy_ksym", type: this.#int, linkage: "global" }));
    for (const type of this.#extra?.types?.(this.#builder.nextId) ?? []) this.#builder.add(this.#replace(type));
    return this.#builder.toBytes();
  }

  /** The kernel wants names for the parameters of functions that have a FUNC. */
  #kfuncProtos(): Set<number> {
    const ids = new Set<number>();
    for (const id of this.#ksymIds) {
      const type = this.#btf.type(id);
      if (type.kind === "FUNC") ids.add(type.type);
    }
    return ids;
  }

  /** The kernel checks that variables of a DATASEC have a size and do not overlap: each ksym becomes an int. */
  #ksymDatasec(type: BtfDatasec): BtfType {
    const vars = type.vars.map((v, i) => {
      const isFunc = this.#btf.kindOf(v.type) === BTF_KIND.FUNC;
      return { type: isFunc ? this.#dummy : v.type, offset: i * 4, size: 4 };
    });
    return { ...type, vars, size: vars.length * 4 };
  }

  #ksym(type: BtfType): BtfType {
    if (type.kind === "VAR") return { ...type, linkage: "global", type: this.#int };
    if (type.kind === "FUNC") return { ...type, linkage: "global" };
    return type;
  }

  #replace(type: BtfType): BtfType {
    const lacks = this.#lacks;
    switch (type.kind) {
      case "VAR":
        return lacks.has("btf_datasec") ? intOf(type.name, 1) : type;
      case "DECL_TAG":
        return lacks.has("btf_decl_tag") ? intOf(type.name, 1) : type;
      case "DATASEC":
        if (lacks.has("btf_datasec")) return this.#datasecAsStruct(type);
        return lacks.has("btf_qmark_datasec") && type.name.startsWith("?")
          ? { ...type, name: `_${type.name.slice(1)}` }
          : type;
      case "FUNC_PROTO":
        if (!lacks.has("btf_func")) return type;
        return {
          kind: "ENUM",
          name: "",
          size: 4,
          signed: false,
          values: type.params.map((p) => ({ name: p.name, value: BigInt(p.type) })),
        };
      case "FUNC":
        if (lacks.has("btf_func")) return { kind: "TYPEDEF", name: type.name, type: type.type };
        return lacks.has("btf_global_func") ? { ...type, linkage: "static" } : type;
      case "FLOAT":
        // Anonymous: "float" is no name that C allows for a struct.
        return lacks.has("btf_float") ? { kind: "STRUCT", name: "", size: type.size, members: [], kflag: false } : type;
      case "TYPE_TAG":
        return lacks.has("btf_type_tag") ? { kind: "CONST", name: "", type: type.type } : type;
      case "ENUM":
        return lacks.has("btf_enum64") ? { ...type, signed: false } : type;
      case "ENUM64":
        return lacks.has("btf_enum64") ? this.#enum64AsUnion(type.name, type.size, type.values) : type;
      default:
        return type;
    }
  }

  #datasecAsStruct(type: BtfDatasec): BtfType {
    const members = type.vars.map((v) => ({
      name: this.#btf.nameOf(v.type),
      type: v.type,
      bitOffset: v.offset * 8,
      bitSize: 0,
    }));
    return { kind: "STRUCT", name: type.name.replace(/[^A-Za-z0-9_]/g, "_"), size: type.size, members, kflag: false };
  }

  #enum64AsUnion(name: string, size: number, values: readonly { name: string }[]): BtfType {
    const members = values.map((v) => ({ name: v.name, type: this.#int, bitOffset: 0, bitSize: 0 }));
    return { kind: "UNION", name, size, members, kflag: false };
  }
}

function findInt(btf: Btf): number | undefined {
  for (const id of btf.ids(BTF_KIND.INT)) {
    const type = btf.type(id);
    if (type.kind === "INT" && type.size === 4 && type.bits === 32) return id;
  }
  return undefined;
}

function intOf(name: string, size: number): BtfType {
  return { kind: "INT", name, size, bits: size * 8, bitOffset: 0, signed: false, char: false, bool: false };
}

function nameParams(type: Extract<BtfType, { kind: "FUNC_PROTO" }>): BtfType {
  return {
    ...type,
    params: type.params.map((p) => (p.type !== 0 && p.name === "" ? { ...p, name: "dummy_ksym" } : p)),
  };
}
