/**
 * The separate file with the symbols of a stripped program or library: by build id, then by the name and checksum in
 * `.gnu_debuglink`, in the places where gdb looks. See "Debugging Information in Separate Files" of its manual.
 */
import { SHT_NOTE } from "../abi/elf.ts";
import type { ElfFile } from "../object/elf.ts";
import { mapFile, tryStat } from "../syscall/files.ts";

const ROOT = "/usr/lib/debug";
const decoder = new TextDecoder();

/** The path of the debug file; undefined if there is none. */
export function findDebugFile(path: string, elf: ElfFile): string | undefined {
  const id = buildId(elf);
  if (id !== undefined && id.length > 2) {
    const file = `${ROOT}/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`;
    if (isFile(file)) return file;
  }
  const link = debugLink(elf);
  if (link === undefined) return undefined;
  const folder = path.slice(0, path.lastIndexOf("/") + 1) || "./";
  const places = [`${folder}${link.name}`, `${folder}.debug/${link.name}`, `${ROOT}${folder}${link.name}`];
  return places.find((place) => place !== path && isFile(place) && checksumOf(place) === link.checksum);
}

/** The note NT_GNU_BUILD_ID as hexadecimal text. */
export function buildId(elf: ElfFile): string | undefined {
  const NT_GNU_BUILD_ID = 3;
  for (const section of elf.sections) {
    if (section.type !== SHT_NOTE || section.name !== ".note.gnu.build-id") continue;
    const { bytes } = section;
    if (bytes.length < 16) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = 12 + Math.ceil(view.getUint32(0, elf.littleEndian) / 4) * 4;
    const end = start + view.getUint32(4, elf.littleEndian);
    if (view.getUint32(8, elf.littleEndian) !== NT_GNU_BUILD_ID || end > bytes.length) continue;
    return Array.from(bytes.subarray(start, end), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return undefined;
}

/** A file name, padded to a multiple of 4, and the CRC of that file's contents. */
function debugLink(elf: ElfFile): { name: string; checksum: number } | undefined {
  const bytes = elf.section(".gnu_debuglink")?.bytes;
  if (bytes === undefined || bytes.length < 8) return undefined;
  const end = bytes.indexOf(0);
  const name = decoder.decode(bytes.slice(0, Math.max(0, end)));
  if (name === "" || name.includes("/")) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { name, checksum: view.getUint32(bytes.length - 4, elf.littleEndian) };
}

function isFile(path: string): boolean {
  const found = tryStat(path);
  return typeof found !== "number" && !found.isDirectory;
}

function checksumOf(path: string): number {
  using file = mapFile(path);
  return crc32(file.bytes);
}

/** CRC-32 as zip and Ethernet have it (reflected, polynomial 0xedb88320). */
export function crc32(bytes: Uint8Array): number {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[i] = value;
  }
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
