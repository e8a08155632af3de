/**
 * Reads `ar` archives: GNU and BSD names, symbol indexes, thin archives. Members are views of the archive's bytes, in
 * their order in the file. Follows ar(5) and llvm/lib/Object/Archive.cpp for the names.
 */
import { FormatError } from "../errors.ts";

/** A file in an archive. */
export interface ArchiveMember {
  name: string;
  /** Undefined in thin archives: the content is in the file called `name`, beside the archive. */
  bytes: Uint8Array | undefined;
  size: number;
}

export interface Archive {
  thin: boolean;
  members: ArchiveMember[];
}

/** `!<arch>` and `!<thin>`, each with a line feed. */
const MAGIC = [0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e, 0x0a];
const THIN = [0x21, 0x3c, 0x74, 0x68, 0x69, 0x6e, 0x3e, 0x0a];
const HEADER = 60;
const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder();

/** Whether the bytes start like an archive, thin ones included. */
export function isArchive(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte) || THIN.every((byte, i) => bytes[i] === byte);
}

/** Reads an archive. Throws `FormatError`. */
export function readArchive(bytes: Uint8Array, path = "archive"): Archive {
  if (!isArchive(bytes)) throw new FormatError(path, "is not an archive");
  const thin = bytes[2] === 0x74;
  const members: ArchiveMember[] = [];
  let longNames: Uint8Array = new Uint8Array(0);
  let at = 8;
  while (at < bytes.length) {
    const where = `${path}: member at ${at}`;
    const header = readHeader(bytes, at, where);
    const special = header.name === "/" || header.name === "//" || header.name === "/SYM64/";
    const stored = thin && !special ? 0 : header.size;
    const start = at + HEADER;
    if (start + stored > bytes.length) {
      throw new FormatError(where, `needs ${header.size} bytes, but there are only ${bytes.length - start}`);
    }
    const content = bytes.subarray(start, start + stored);
    if (header.name === "//") longNames = content;
    else if (!special) addMember(members, header, content, { thin, longNames, where });
    at = start + stored + (stored % 2);
  }
  return { thin, members };
}

interface Header {
  name: string;
  size: number;
}

function readHeader(bytes: Uint8Array, at: number, where: string): Header {
  if (at + HEADER > bytes.length) throw new FormatError(where, "header is cut off");
  const text = latin1.decode(bytes.subarray(at, at + HEADER));
  if (!text.endsWith("`\n")) throw new FormatError(where, "header does not end as one");
  const size = text.slice(48, 58).trim();
  if (!/^\d+$/.test(size)) throw new FormatError(where, `size "${size}" is not a number`);
  return { name: text.slice(0, 16).trimEnd(), size: Number(size) };
}

function addMember(
  members: ArchiveMember[],
  header: Header,
  content: Uint8Array,
  archive: { thin: boolean; longNames: Uint8Array; where: string },
): void {
  const bsd = /^#1\/(\d+)$/.exec(header.name);
  let name = header.name.replace(/\/$/, "");
  let bytes = content;
  if (bsd !== null) {
    // BSD: the name stands before the content and counts as part of it.
    const length = Number(bsd[1]);
    if (length > content.length) {
      throw new FormatError(archive.where, `name of ${length} bytes is longer than the member`);
    }
    name = utf8.decode(content.subarray(0, length)).replace(/\0+$/, "");
    bytes = content.subarray(length);
  } else if (/^\/\d+/.test(header.name)) {
    name = longName(archive.longNames, Number(/^\/(\d+)/.exec(header.name)![1]), archive.where);
  }
  // The symbol index of BSD and Darwin: which member has which symbol, which the linker finds out itself.
  if (name === "__.SYMDEF" || name.startsWith("__.SYMDEF")) return;
  members.push({ name, bytes: archive.thin ? undefined : bytes, size: archive.thin ? header.size : bytes.length });
}

/** GNU: names over 15 characters stand in the member `//`, each ended by "/\n". */
function longName(names: Uint8Array, offset: number, where: string): string {
  if (offset >= names.length) {
    throw new FormatError(where, `name at ${offset} is outside of the table of ${names.length} bytes`);
  }
  let end = offset;
  while (end < names.length && names[end] !== 0x0a && names[end] !== 0) end++;
  return utf8.decode(names.subarray(offset, end)).replace(/\/$/, "");
}
