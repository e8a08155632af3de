/**
 * Bytes of a BPF object → `ObjectSpec`. The same bytes give the same spec on every machine: nothing of the running
 * kernel enters. Each step below is a file of its own.
 */
import { FormatError } from "../errors.ts";
import { openBtf } from "./fix_btf.ts";
import type { ObjectFile } from "./object_file.ts";
import { openObject, sectionWithRole } from "./object_file.ts";
import { parseExterns } from "./parse_externs.ts";
import type { DataMap } from "./parse_globals.ts";
import { parseArenaGlobals, parseDataMaps } from "./parse_globals.ts";
import { parseLegacyMaps } from "./parse_legacy_maps.ts";
import type { DeclaredMap } from "./parse_maps.ts";
import { parseDeclaredMaps, parseMapSlots } from "./parse_maps.ts";
import { parseFunctions } from "./parse_programs.ts";
import type { Referents } from "./parse_relocations.ts";
import { parseStructOps } from "./parse_struct_ops.ts";
import type { ObjectSpec } from "./spec.ts";

/** How to read an object. */
export interface ParseOptions {
  /** File name: appears in errors, and without its suffixes in the kernel names of data maps. */
  name?: string | undefined;
}

/**
 * Reads a BPF object: what clang, the linker, bpftool or waggle's compiler wrote.
 *
 * @throws {FormatError} if the bytes are no BPF object or do not hold together; its `path` says where
 */
export function parseObject(bytes: Uint8Array, options: ParseOptions = {}): ObjectSpec {
  const file = openObject(bytes, options.name ?? "");
  const license = parseLicense(file);
  const kernelVersion = parseVersion(file);
  openBtf(file);
  const { externs, kconfig } = parseExterns(file);
  const declared = [...parseDeclaredMaps(file), ...parseLegacyMaps(file)];
  parseMapSlots(file, declared);
  const data = parseDataMaps(file);
  const arena = parseArenaGlobals(file, declared);
  const functions = parseFunctions(file, collectReferents(declared, [...data, ...arena]));
  const maps = [...declared, ...data].map((m) => m.spec);
  if (kconfig !== undefined) maps.push(kconfig);
  maps.push(...parseStructOps(file));
  const name = baseName(options.name ?? "");
  return { name, endian: file.elf.endian, license, kernelVersion, btf: file.btf, ...functions, maps, externs };
}

/** `/a/opensnoop.bpf.o` → `opensnoop`. */
export function baseName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const dot = file.indexOf(".");
  return dot < 0 ? file : file.slice(0, dot);
}

/** The kernel copies 128 bytes of it; libbpf keeps 63. */
const MAX_LICENSE = 63;

function parseLicense(file: ObjectFile): string {
  const section = sectionWithRole(file, "license");
  if (section === undefined) return "";
  const bytes = section.bytes.subarray(0, MAX_LICENSE);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function parseVersion(file: ObjectFile): number {
  const section = sectionWithRole(file, "version");
  if (section === undefined) return 0;
  const bytes = section.bytes;
  if (bytes.length !== 4) throw new FormatError(section.path, `has ${bytes.length} bytes, not 4`);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, file.elf.littleEndian);
}

function collectReferents(declared: readonly DeclaredMap[], data: readonly DataMap[]): Referents {
  return {
    maps: new Map(declared.map((m) => [`${m.section}:${m.offset}`, m.spec.name])),
    dataMaps: new Map(data.map((m) => [m.section, m.spec.name])),
  };
}
