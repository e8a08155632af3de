/**
 * Type names that the kernel accepts. It refuses a whole BTF for one name that is no C identifier or too long; Rust makes
 * such names from generics and closures (`Option<u32>`). Follows btf_name_valid_identifier() of kernel/bpf/btf.c.
 */
import type { Btf } from "../btf/btf.ts";
import { BTF_KIND, BTF_SHAPE, kindOfInfo, vlenOfInfo } from "../btf/kinds.ts";
import type { BtfType } from "../btf/types.ts";

/** KSYM_NAME_LEN before Linux 6.1, the terminating NUL included. */
const MAX_LENGTH = 128;
const VALID = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Variables may have dots, which static variables of functions do: `prog.count`. */
const VALID_VARIABLE = /^[A-Za-z_.][A-Za-z0-9_.]*$/;

/** The name itself if the kernel takes it; otherwise one made from it, the same for the same name. */
export function kernelName(name: string): string {
  if (name === "" || (VALID.test(name) && name.length < MAX_LENGTH)) return name;
  let safe = name.replace(/[^A-Za-z0-9_]/g, (c) => `_${c.codePointAt(0)!.toString(16).toUpperCase()}_`);
  if (/^[0-9]/.test(safe)) safe = `_${safe}`;
  if (safe.length < MAX_LENGTH) return safe;
  // The hash keeps names apart that only differ in their end.
  return `${safe.slice(0, MAX_LENGTH - 18)}_${hash(name)}`;
}

const LETTER = 1;
const DIGIT = 2;
const DOT = 3;

/** What each byte is in a name; 0 for what no name has. */
function nameBytes(): Uint8Array {
  const table = new Uint8Array(256);
  for (let c = 0x30; c <= 0x39; c++) table[c] = DIGIT;
  for (let c = 0x41; c <= 0x5a; c++) table[c] = table[c + 0x20] = LETTER;
  table[0x5f] = LETTER;
  table[0x2e] = DOT;
  return table;
}

/**
 * Whether `kernelType()` would leave every type of a BTF without base as it is. Looks at bytes: of thousands of names
 * hardly one needs a change.
 */
export function namesAreAcceptable(btf: Btf): boolean {
  const { words, offsets } = btf.raw();
  const table = nameBytes();
  const bytes = btf.strings.bytes;
  const count = offsets.length - 1;
  for (let i = 0; i < count; i++) {
    const at = offsets[i]!;
    const info = words[at + 1]!;
    const kind = kindOfInfo(info);
    if (!isChecked(kind)) continue;
    if (words[at] !== 0 && !isName(bytes, words[at]!, table, kind === BTF_KIND.VAR)) return false;
    const nameAt = BTF_SHAPE.elementName[kind]!;
    if (nameAt === 0) continue;
    const stride = BTF_SHAPE.element[kind]!;
    let slot = at + BTF_SHAPE.head[kind]! + nameAt - 1;
    for (let left = vlenOfInfo(info); left > 0; left--, slot += stride) {
      if (words[slot] !== 0 && !isName(bytes, words[slot]!, table, false)) return false;
    }
  }
  return true;
}

/** The kinds whose names `kernelType()` looks at. */
function isChecked(kind: number): boolean {
  return (kind >= BTF_KIND.STRUCT && kind <= BTF_KIND.TYPEDEF) || kind === BTF_KIND.ENUM64 ||
    (kind >= BTF_KIND.FUNC && kind <= BTF_KIND.VAR);
}

function isName(bytes: Uint8Array, from: number, table: Uint8Array, dots: boolean): boolean {
  let at = from;
  for (let c = bytes[at]!; c !== 0; c = bytes[++at]!) {
    const what = table[c]!;
    if (what === 0 || (what === DOT && !dots) || (what === DIGIT && at === from)) return false;
  }
  return at - from < MAX_LENGTH;
}

/** FNV-1a, 64 bits, as hexadecimal digits. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  }
  return value.toString(16).padStart(16, "0");
}

/** The type with all names that the kernel checks made acceptable; the same object if nothing changes. */
export function kernelType(type: BtfType): BtfType {
  switch (type.kind) {
    case "STRUCT":
    case "UNION": {
      const members = renamed(type.members);
      return renameType(members === type.members ? type : { ...type, members });
    }
    case "ENUM":
    case "ENUM64": {
      const values = renamed(type.values);
      return renameType(values === type.values ? type : { ...type, values });
    }
    case "FUNC_PROTO": {
      const params = renamed(type.params);
      return params === type.params ? type : { ...type, params };
    }
    case "FWD":
    case "TYPEDEF":
    case "FUNC":
      return renameType(type);
    case "VAR":
      return VALID_VARIABLE.test(type.name) && type.name.length < MAX_LENGTH ? type : renameType(type);
    default:
      // Integers, sections and tags may be called anything.
      return type;
  }
}

function renameType<T extends { name: string }>(type: T): T {
  const name = kernelName(type.name);
  return name === type.name ? type : { ...type, name };
}

function renamed<T extends { name: string }>(items: T[]): T[] {
  return items.every((item) => kernelName(item.name) === item.name) ? items : items.map(renameType);
}
