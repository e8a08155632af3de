/**
 * Type names that the kernel accepts. It refuses a whole BTF for one name that is no C identifier or too long; Rust makes
 * such names from generics and closures (`Option<u32>`). Follows btf_name_valid_identifier() of kernel/bpf/btf.c.
 */
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
