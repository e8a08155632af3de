/**
 * The static probes that a program or library declares (USDT): notes of the section `.note.stapsdt`, as the macros of
 * <sys/sdt.h> write them. Takes an ELF file, returns one record for each place of a probe; the format is described in
 * https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
 */
import { PF_X, PT_LOAD, SHT_NOTE } from "../abi/elf.ts";
import { FormatError } from "../errors.ts";
import type { ElfFile, ElfSegment } from "../object/elf.ts";

/** One place of a static probe. The same probe may have many. */
export interface UsdtNote {
  readonly provider: string;
  readonly name: string;
  /** Where the arguments are, in the notation of the assembler: `-4@%edi 8@-16(%rbp)`. */
  readonly args: string;
  /** Address as the file has it. */
  readonly address: bigint;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Place in the file of the 16-bit counter that must not be 0 for the probe to fire; 0 if it has none. */
  readonly semaphore: number;
}

const NOTE_TYPE = 3;
const NOTE_NAME = "stapsdt";
const decoder = new TextDecoder();

/** All places of static probes, in the order of the file. Empty if it declares none. Throws `FormatError`. */
export function usdtNotes(elf: ElfFile): UsdtNote[] {
  const section = elf.sections.find((s) => s.type === SHT_NOTE && s.name === ".note.stapsdt");
  if (section === undefined) return [];
  const { bytes } = section;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments = elf.segments().filter((s) => s.type === PT_LOAD);
  // A file that was moved after linking (prelink) has new addresses, but the notes and their base are not touched.
  const base = elf.section(".stapsdt.base")?.address;
  const notes: UsdtNote[] = [];
  for (let at = 0; at + 12 <= bytes.length;) {
    const nameSize = view.getUint32(at, elf.littleEndian);
    const size = view.getUint32(at + 4, elf.littleEndian);
    const type = view.getUint32(at + 8, elf.littleEndian);
    const descriptor = at + 12 + align4(nameSize);
    const end = descriptor + size;
    if (end > bytes.length) throw new FormatError(section.path, `the note at ${at} is cut off`);
    const name = decoder.decode(bytes.slice(at + 12, at + 12 + Math.max(0, nameSize - 1)));
    if (type === NOTE_TYPE && name === NOTE_NAME) {
      const raw = parseDescriptor(bytes.subarray(descriptor, end), elf.littleEndian, `${section.path} at ${at}`);
      notes.push(locate(elf, segments, raw, base));
    }
    at = descriptor + align4(size);
  }
  return notes;
}

interface RawNote {
  location: bigint;
  base: bigint;
  semaphore: bigint;
  provider: string;
  name: string;
  args: string;
}

/** Three addresses and three strings. */
function parseDescriptor(bytes: Uint8Array, littleEndian: boolean, path: string): RawNote {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 27) throw new FormatError(path, "the note is too short");
  const strings: string[] = [];
  for (let at = 24; strings.length < 3;) {
    const end = bytes.indexOf(0, at);
    if (end < 0) throw new FormatError(path, "a string of the note does not end");
    strings.push(decoder.decode(bytes.slice(at, end)));
    at = end + 1;
  }
  const [provider, name, args] = strings;
  return {
    location: view.getBigUint64(0, littleEndian),
    base: view.getBigUint64(8, littleEndian),
    semaphore: view.getBigUint64(16, littleEndian),
    provider: provider!,
    name: name!,
    // Old compilers write a lone colon for a probe without arguments.
    args: args! === ":" ? "" : args!,
  };
}

function locate(elf: ElfFile, segments: readonly ElfSegment[], raw: RawNote, base: number | undefined): UsdtNote {
  const moved = base === undefined ? 0n : BigInt(base) - raw.base;
  const { provider, name, args } = raw;
  const label = `static probe ${provider}:${name}`;
  const address = BigInt.asUintN(64, raw.location + moved);
  const offset = toFile(segments.filter((s) => (s.flags & PF_X) !== 0), address);
  if (offset === undefined) {
    throw new FormatError(elf.at(label), `no executable segment has address 0x${address.toString(16)}`);
  }
  if (raw.semaphore === 0n) return { provider, name, args, address, offset, semaphore: 0 };
  const counter = BigInt.asUintN(64, raw.semaphore + moved);
  const semaphore = toFile(segments.filter((s) => (s.flags & PF_X) === 0), counter);
  if (semaphore === undefined) {
    throw new FormatError(elf.at(label), `no data segment has its semaphore at 0x${counter.toString(16)}`);
  }
  return { provider, name, args, address, offset, semaphore };
}

function toFile(segments: readonly ElfSegment[], address: bigint): number | undefined {
  for (const { address: start, fileSize, offset } of segments) {
    if (address >= BigInt(start) && address < BigInt(start) + BigInt(fileSize)) {
      return Number(address - BigInt(start)) + offset;
    }
  }
  return undefined;
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}
