/**
 * The symbols of a stripped program or library: in a separate file, found by build id, then by the name and checksum in
 * `.gnu_debuglink`, in the places where gdb looks; or in a small compressed ELF file within it, `.gnu_debugdata`, as
 * Fedora has it. See "Debugging Information in Separate Files" and "MiniDebugInfo" of gdb's manual.
 */
import { crc32 } from "../bytes/crc32.ts";
import { SHT_NOTE } from "../abi/elf.ts";
import { unxz } from "../bytes/xz.ts";
import { type ElfFile, readElf } from "../object/elf.ts";
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

/** The file in `.gnu_debugdata`, which has what was taken from the symbol table; undefined if there is none. */
export function embeddedDebugFile(path: string, elf: ElfFile): ElfFile | undefined {
  const section = elf.section(".gnu_debugdata");
  return section === undefined ? undefined : readElf(unxz(section.bytes, section.path), `${path}: .gnu_debugdata`);
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
