/**
 * One BTF type back into words: the inverse of `decode.ts`. `string` gives the offset of a string in the blob being
 * written. Throws `RangeError` for values the format has no room for.
 */
import { BTF_KIND, BTF_MAX_VLEN } from "./kinds.ts";
import type { BtfComposite, BtfEnum, BtfInt, BtfType } from "./types.ts";

/** Where words go, and where strings get their offsets. */
export interface EncodeTarget {
  word(value: number): void;
  string(text: string): number;
}

const LINKAGE = { static: 0, global: 1, extern: 2 } as const;

/** Appends `type` to `target`. `void` (id 0) has no words of its own and is refused. */
export function encodeType(target: EncodeTarget, type: BtfType): void {
  switch (type.kind) {
    case "UNKN":
      throw new TypeError("Cannot write BTF type void: it is id 0 and never written");
    case "INT":
      return encodeInt(target, type);
    case "ARRAY":
      head(target, type, 0, 0);
      target.word(type.type);
      target.word(type.indexType);
      return target.word(type.nelems);
    case "STRUCT":
    case "UNION":
      return encodeComposite(target, type);
    case "ENUM":
    case "ENUM64":
      return encodeEnum(target, type);
    case "FWD":
      return head(target, type, 0, 0, type.union);
    case "FUNC":
      return head(target, type, LINKAGE[type.linkage], type.type);
    case "FUNC_PROTO":
      head(target, type, type.params.length, type.type);
      for (const param of type.params) {
        target.word(target.string(param.name));
        target.word(param.type);
      }
      return;
    case "VAR":
      head(target, type, 0, type.type);
      return target.word(LINKAGE[type.linkage]);
    case "DATASEC":
      head(target, type, type.vars.length, type.size);
      for (const info of type.vars) {
        target.word(info.type);
        target.word(info.offset);
        target.word(info.size);
      }
      return;
    case "FLOAT":
      return head(target, type, 0, type.size);
    case "DECL_TAG":
      head(target, type, 0, type.type, type.kflag);
      return target.word(type.component);
    case "TYPE_TAG":
      return head(target, type, 0, type.type, type.kflag);
    case "OPAQUE":
      target.word(target.string(type.name));
      target.word(infoWord(type.number, type.vlen, type.kflag));
      target.word(type.word);
      for (const word of type.payload) target.word(word);
      return;
    default:
      return head(target, type, 0, type.type);
  }
}

/** `struct btf_type`. */
function head(
  target: EncodeTarget,
  type: Exclude<BtfType, { kind: "OPAQUE" }>,
  vlen: number,
  word: number,
  kflag = false,
): void {
  target.word(target.string(type.name));
  target.word(infoWord(BTF_KIND[type.kind], vlen, kflag));
  target.word(word);
}

function infoWord(kind: number, vlen: number, kflag: boolean): number {
  if (vlen > BTF_MAX_VLEN) {
    throw new RangeError(`Cannot write BTF type: ${vlen} elements are more than ${BTF_MAX_VLEN}`);
  }
  return ((kflag ? 0x80000000 : 0) | (kind << 24) | vlen) >>> 0;
}

function encodeInt(target: EncodeTarget, type: BtfInt): void {
  head(target, type, 0, type.size);
  const encoding = (type.signed ? 1 : 0) | (type.char ? 2 : 0) | (type.bool ? 4 : 0);
  target.word((encoding << 24) | ((type.bitOffset & 0xff) << 16) | (type.bits & 0xff));
}

function encodeComposite(target: EncodeTarget, type: BtfComposite): void {
  head(target, type, type.members.length, type.size, type.kflag);
  for (const member of type.members) {
    if (!type.kflag && member.bitSize !== 0) {
      throw new RangeError(`Cannot write BTF ${type.kind} "${type.name}": bit-field "${member.name}" needs kflag`);
    }
    if (type.kflag && (member.bitOffset > 0xffffff || member.bitSize > 0xff)) {
      throw new RangeError(
        `Cannot write BTF ${type.kind} "${type.name}": offset of "${member.name}" needs over 24 bits`,
      );
    }
    target.word(target.string(member.name));
    target.word(member.type);
    target.word(type.kflag ? (member.bitSize << 24) | member.bitOffset : member.bitOffset);
  }
}

function encodeEnum(target: EncodeTarget, type: BtfEnum): void {
  head(target, type, type.values.length, type.size, type.signed);
  for (const { name, value } of type.values) {
    target.word(target.string(name));
    target.word(Number(BigInt.asUintN(32, value)));
    if (type.kind === "ENUM64") target.word(Number(BigInt.asUintN(32, value >> 32n)));
  }
}
