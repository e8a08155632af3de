/**
 * One BTF type as plain data, from its words. Checks every type id, string offset and count, and says which member of
 * which type is wrong. The shapes are in `kinds.ts`.
 */
import { FormatError } from "../errors.ts";
import { BTF_KIND, BTF_TYPE_WORDS, kindName, kindOfInfo, vlenOfInfo } from "./kinds.ts";
import type {
  BtfComposite,
  BtfEnum,
  BtfEnumValue,
  BtfFuncLinkage,
  BtfInt,
  BtfMember,
  BtfParam,
  BtfSecInfo,
  BtfType,
} from "./types.ts";

/** What decoding needs from the blob. */
export interface DecodeSource {
  readonly path: string;
  readonly typeCount: number;
  string(offset: number): string;
}

const LINKAGE: readonly BtfFuncLinkage[] = ["static", "global", "extern"];

/** State of one decode: where the type is and how to complain about it. */
class TypeReader {
  readonly source: DecodeSource;
  readonly words: Uint32Array;
  readonly at: number;
  readonly id: number;
  readonly info: number;
  readonly vlen: number;
  /** The third word: size or type. */
  readonly word: number;

  constructor(source: DecodeSource, words: Uint32Array, at: number, id: number) {
    this.source = source;
    this.words = words;
    this.at = at;
    this.id = id;
    this.info = words[at + 1]!;
    this.vlen = vlenOfInfo(this.info);
    this.word = words[at + 2]!;
  }

  get kflag(): boolean {
    return this.info >>> 31 === 1;
  }

  /** The i-th word behind `struct btf_type`. */
  trailing(i: number): number {
    return this.words[this.at + BTF_TYPE_WORDS + i]!;
  }

  name(): string {
    return this.string(this.words[this.at]!, "name");
  }

  string(offset: number, what: string): string {
    try {
      return this.source.string(offset);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return this.fail(`${what}: string offset ${offset} is out of range`);
    }
  }

  typeId(id: number, what: string): number {
    if (id >= this.source.typeCount) this.fail(`${what}: type id ${id} is out of range`);
    return id;
  }

  target(): number {
    return this.typeId(this.word, "type");
  }

  fail(problem: string): never {
    throw new FormatError(`${this.source.path}: ${describe(this)}`, problem);
  }
}

/** `type 12 STRUCT "task_struct"`; must not fail itself. */
function describe(reader: TypeReader): string {
  const kind = `type ${reader.id} ${kindName(kindOfInfo(reader.info))}`;
  try {
    const name = reader.source.string(reader.words[reader.at]!);
    return name === "" ? kind : `${kind} "${name}"`;
  } catch {
    return kind;
  }
}

type Decoder = (r: TypeReader) => BtfType;

const DECODERS: Readonly<Record<number, Decoder>> = {
  [BTF_KIND.INT]: decodeInt,
  [BTF_KIND.PTR]: (r) => ({ kind: "PTR", name: "", type: r.target() }),
  [BTF_KIND.ARRAY]: (r) => ({
    kind: "ARRAY",
    name: "",
    type: r.typeId(r.trailing(0), "element type"),
    indexType: r.typeId(r.trailing(1), "index type"),
    nelems: r.trailing(2),
  }),
  [BTF_KIND.STRUCT]: (r) => decodeComposite(r, "STRUCT"),
  [BTF_KIND.UNION]: (r) => decodeComposite(r, "UNION"),
  [BTF_KIND.ENUM]: (r) => decodeEnum(r, "ENUM"),
  [BTF_KIND.FWD]: (r) => ({ kind: "FWD", name: r.name(), union: r.kflag }),
  [BTF_KIND.TYPEDEF]: (r) => ({ kind: "TYPEDEF", name: r.name(), type: r.target() }),
  [BTF_KIND.VOLATILE]: (r) => ({ kind: "VOLATILE", name: "", type: r.target() }),
  [BTF_KIND.CONST]: (r) => ({ kind: "CONST", name: "", type: r.target() }),
  [BTF_KIND.RESTRICT]: (r) => ({ kind: "RESTRICT", name: "", type: r.target() }),
  [BTF_KIND.FUNC]: (r) => ({ kind: "FUNC", name: r.name(), type: r.target(), linkage: linkage(r, r.vlen) }),
  [BTF_KIND.FUNC_PROTO]: decodeProto,
  [BTF_KIND.VAR]: (r) => ({ kind: "VAR", name: r.name(), type: r.target(), linkage: linkage(r, r.trailing(0)) }),
  [BTF_KIND.DATASEC]: decodeDatasec,
  [BTF_KIND.FLOAT]: (r) => ({ kind: "FLOAT", name: r.name(), size: r.word }),
  [BTF_KIND.DECL_TAG]: (r) => ({
    kind: "DECL_TAG",
    name: r.name(),
    type: r.target(),
    component: r.trailing(0) | 0,
    kflag: r.kflag,
  }),
  [BTF_KIND.TYPE_TAG]: (r) => ({ kind: "TYPE_TAG", name: r.name(), type: r.target(), kflag: r.kflag }),
  [BTF_KIND.ENUM64]: (r) => decodeEnum(r, "ENUM64"),
};

/** Decodes the type whose first word is `words[at]`. The caller has checked that all its words are there. */
export function decodeType(source: DecodeSource, words: Uint32Array, at: number, end: number, id: number): BtfType {
  const reader = new TypeReader(source, words, at, id);
  const decoder = DECODERS[kindOfInfo(reader.info)];
  return decoder === undefined ? decodeOpaque(reader, end) : decoder(reader);
}

function decodeInt(r: TypeReader): BtfInt {
  const data = r.trailing(0);
  const encoding = (data >>> 24) & 0xf;
  return {
    kind: "INT",
    name: r.name(),
    size: r.word,
    bits: data & 0xff,
    bitOffset: (data >>> 16) & 0xff,
    signed: (encoding & 1) !== 0,
    char: (encoding & 2) !== 0,
    bool: (encoding & 4) !== 0,
  };
}

function decodeComposite(r: TypeReader, kind: "STRUCT" | "UNION"): BtfComposite {
  const kflag = r.kflag;
  const members = new Array<BtfMember>(r.vlen);
  for (let i = 0; i < r.vlen; i++) {
    const offset = r.trailing(i * 3 + 2);
    members[i] = {
      name: r.string(r.trailing(i * 3), `member ${i}`),
      type: r.typeId(r.trailing(i * 3 + 1), `member ${i}`),
      bitOffset: kflag ? offset & 0xffffff : offset,
      bitSize: kflag ? offset >>> 24 : 0,
    };
  }
  return { kind, name: r.name(), size: r.word, members, kflag };
}

function decodeEnum(r: TypeReader, kind: "ENUM" | "ENUM64"): BtfEnum {
  const signed = r.kflag;
  const width = kind === "ENUM" ? 2 : 3;
  const values = new Array<BtfEnumValue>(r.vlen);
  for (let i = 0; i < r.vlen; i++) {
    const low = r.trailing(i * width + 1);
    const high = kind === "ENUM64" ? r.trailing(i * width + 2) : 0;
    let value: bigint;
    if (kind === "ENUM") value = BigInt(signed ? low | 0 : low);
    else value = (BigInt(signed ? high | 0 : high) << 32n) | BigInt(low);
    values[i] = { name: r.string(r.trailing(i * width), `value ${i}`), value };
  }
  return { kind, name: r.name(), size: r.word, signed, values };
}

function decodeProto(r: TypeReader): BtfType {
  const params = new Array<BtfParam>(r.vlen);
  for (let i = 0; i < r.vlen; i++) {
    params[i] = {
      name: r.string(r.trailing(i * 2), `parameter ${i}`),
      type: r.typeId(r.trailing(i * 2 + 1), `parameter ${i}`),
    };
  }
  return { kind: "FUNC_PROTO", name: "", type: r.target(), params };
}

function decodeDatasec(r: TypeReader): BtfType {
  const vars = new Array<BtfSecInfo>(r.vlen);
  for (let i = 0; i < r.vlen; i++) {
    vars[i] = {
      type: r.typeId(r.trailing(i * 3), `variable ${i}`),
      offset: r.trailing(i * 3 + 1),
      size: r.trailing(i * 3 + 2),
    };
  }
  return { kind: "DATASEC", name: r.name(), size: r.word, vars };
}

function decodeOpaque(r: TypeReader, end: number): BtfType {
  const payload = r.words.slice(r.at + BTF_TYPE_WORDS, end);
  return {
    kind: "OPAQUE",
    name: r.name(),
    number: kindOfInfo(r.info),
    kflag: r.kflag,
    vlen: r.vlen,
    word: r.word,
    payload,
  };
}

function linkage(r: TypeReader, number: number): BtfFuncLinkage {
  const name = LINKAGE[number];
  if (name === undefined) r.fail(`linkage ${number} is unknown`);
  return name;
}
