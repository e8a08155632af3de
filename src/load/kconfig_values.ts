/**
 * Values of `__kconfig` externs: from the caller, from what waggle finds out itself (`LINUX_*`), or from the kernel's
 * configuration, written into the bytes of the `.kconfig` map. Conversions and their limits are libbpf's.
 */
import { WaggleError } from "../errors.ts";
import { hasFeature } from "../kernel/features.ts";
import { kernelConfig } from "../kernel/kconfig.ts";
import { kernelVersion } from "../kernel/version.ts";
import type { ExternSpec } from "../object/spec.ts";
import type { LoadOptions } from "./options.ts";

/** Externs that no configuration file has. */
const VIRTUAL: Readonly<Record<string, (() => number) | undefined>> = {
  LINUX_KERNEL_VERSION: () => kernelVersion().code,
  LINUX_HAS_BPF_COOKIE: () => (hasFeature("bpf_cookie") ? 1 : 0),
  LINUX_HAS_SYSCALL_WRAPPER: () => (hasFeature("syscall_wrapper") ? 1 : 0),
};

/** `enum libbpf_tristate`. */
const TRISTATE: Readonly<Record<string, number>> = { n: 0, y: 1, m: 2 };

/** The contents of the `.kconfig` map, and the externs that stayed without a value. */
export function kconfigData(
  externs: readonly ExternSpec[],
  size: number,
  given: LoadOptions["kconfig"] = {},
): Uint8Array {
  const data = new Uint8Array(size);
  const view = new DataView(data.buffer);
  const missing: ExternSpec[] = [];
  for (const extern of externs) {
    const value = given[extern.name];
    const virtual = VIRTUAL[extern.name];
    if (value !== undefined) writeValue(view, extern, configText(value));
    else if (virtual !== undefined) writeValue(view, extern, `${virtual()}`);
    else if (extern.name.startsWith("CONFIG_")) missing.push(extern);
    else if (!extern.name.startsWith("LINUX_") || !extern.weak) throw unresolved(extern);
  }
  if (missing.length > 0) readMissing(view, missing);
  return data;
}

function readMissing(view: DataView, missing: readonly ExternSpec[]): void {
  const values = kernelConfig(missing.map((e) => e.name));
  for (const extern of missing) {
    const value = values.get(extern.name);
    if (value !== undefined) writeValue(view, extern, value);
    else if (!extern.weak) throw unresolved(extern);
  }
}

function unresolved(extern: ExternSpec): WaggleError {
  return new WaggleError(`Cannot resolve kconfig extern "${extern.name}": the kernel's configuration does not set it`, {
    hint: `declare it __weak (it is 0 then), or pass it with the option kconfig: { ${extern.name}: … }`,
  });
}

/** A caller's value as a configuration file would say it. */
function configText(value: string | number | boolean | bigint): string {
  if (typeof value === "boolean") return value ? "y" : "n";
  if (typeof value !== "string") return `${value}`;
  return /^([ymn]|".*"?|-?(0x[0-9a-f]+|\d+))$/i.test(value) ? value : `"${value}"`;
}

function writeValue(view: DataView, extern: ExternSpec, text: string): void {
  if (text.startsWith('"')) return writeString(view, extern, text);
  const letter = text.charAt(0);
  if (TRISTATE[letter] !== undefined) return writeTristate(view, extern, letter);
  writeNumber(view, extern, text);
}

function writeTristate(view: DataView, extern: ExternSpec, letter: string): void {
  if (extern.value === "char") return view.setUint8(extern.offset, letter.charCodeAt(0));
  if (extern.value === "bool" && letter !== "m") return view.setUint8(extern.offset, letter === "y" ? 1 : 0);
  if (extern.value !== "tristate") {
    throw wrongType(extern, letter, letter === "m" ? "tristate or char" : "bool, tristate or char");
  }
  writeInteger(view, extern, BigInt(TRISTATE[letter]!));
}

function writeString(view: DataView, extern: ExternSpec, text: string): void {
  if (extern.value !== "string") throw wrongType(extern, text, "char array");
  const inner = text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text.slice(1);
  // What does not fit is cut off, as in libbpf: the array always ends with a zero byte.
  const bytes = new TextEncoder().encode(inner).subarray(0, extern.size - 1);
  new Uint8Array(view.buffer, extern.offset, extern.size).set(bytes);
}

function writeNumber(view: DataView, extern: ExternSpec, text: string): void {
  let value: bigint;
  try {
    value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  } catch {
    throw new WaggleError(`Cannot set kconfig extern "${extern.name}": value ${JSON.stringify(text)} is not known`);
  }
  if (extern.value !== "int" && extern.value !== "char" && extern.value !== "bool") {
    throw wrongType(extern, text, "integer");
  }
  const bits = BigInt(extern.size * 8);
  const [least, most] = extern.signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
  const limit = extern.value === "bool" ? 1n : most;
  // 64 bits take any pattern: unsigned values of a configuration are read into signed variables and back.
  if (extern.size < 8 && (value < least || value > limit)) {
    throw new RangeError(`Cannot set kconfig extern "${extern.name}": ${value} does not fit ${extern.size} bytes`);
  }
  writeInteger(view, extern, value);
}

function writeInteger(view: DataView, extern: ExternSpec, value: bigint): void {
  for (let i = 0; i < extern.size; i++) {
    view.setUint8(extern.offset + i, Number(BigInt.asUintN(8, value >> BigInt(8 * i))));
  }
}

function wrongType(extern: ExternSpec, text: string, wanted: string): WaggleError {
  return new WaggleError(
    `Cannot set kconfig extern "${extern.name}": value ${text} needs type ${wanted}, the object declares ${extern.value}`,
  );
}
