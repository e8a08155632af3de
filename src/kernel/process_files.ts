/**
 * Programs and libraries as a process sees them: by the files it has mapped, and by paths in its own root directory (a
 * container's). Takes what a person calls a file and a process, returns a path that this process can open.
 */
import { NotFoundError } from "../errors.ts";
import { readText, tryReadText, tryStat } from "../syscall/files.ts";
import { findBinary } from "./binary_path.ts";

/** A file in the memory of a process. */
export interface MappedFile {
  readonly start: bigint;
  readonly end: bigint;
  readonly executable: boolean;
  /** Bytes from the start of the file. */
  readonly offset: bigint;
  readonly inode: bigint;
  /** As the process sees it. */
  readonly path: string;
  /** Its name is gone; the file is still there for those that map it. */
  readonly deleted: boolean;
}

const DELETED = " (deleted)";

/** Parses /proc/PID/maps; only mappings of files. */
export function parseMappedFiles(text: string): MappedFile[] {
  const files: MappedFile[] = [];
  for (const line of text.split("\n")) {
    const parts = /^([0-9a-f]+)-([0-9a-f]+) (.{4}) ([0-9a-f]+) \S+ (\d+) +(\/.*)$/.exec(line);
    if (parts === null) continue;
    const [, start, end, rights, offset, inode, name] = parts;
    const deleted = name!.endsWith(DELETED);
    files.push({
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      executable: rights![2] === "x",
      offset: BigInt(`0x${offset}`),
      inode: BigInt(inode!),
      path: deleted ? name!.slice(0, -DELETED.length) : name!,
      deleted,
    });
  }
  return files;
}

/** The files that a process has mapped; 0: this process. Throws `NotFoundError` if there is no such process. */
export function mappedFiles(pid: number): MappedFile[] {
  const text = tryReadText(`/proc/${processName(pid)}/maps`);
  if (text !== undefined) return parseMappedFiles(text);
  if (typeof tryStat(`/proc/${processName(pid)}`) === "number") throw new NotFoundError("process", String(pid), []);
  return parseMappedFiles(readText(`/proc/${processName(pid)}/maps`)); // the reason: usually rights
}

/**
 * The path of a program or library for one process, or for all if `pid` is undefined. Names without a slash are looked
 * for among the files that the process has mapped (`libc`, `libc.so.6`), then as `findBinary` does. Paths are those of
 * the process: in a container they lie below its own root. Throws `NotFoundError`.
 */
export function findBinaryOf(name: string, pid: number | undefined): string {
  if (pid === undefined) return findBinary(name);
  if (name.startsWith("/proc/")) return findBinary(name);
  const root = rootOf(pid);
  if (name.includes("/")) return findBinary(root !== "" && name.startsWith("/") ? `${root}${name}` : name);
  const mapped = mappedFiles(pid).find((file) => file.executable && isCalled(file.path, name));
  if (mapped === undefined) return findBinary(name);
  return mapped.deleted
    ? `/proc/${processName(pid)}/map_files/${mapped.start.toString(16)}-${mapped.end.toString(16)}`
    : findBinary(`${root}${mapped.path}`);
}

/** Where code of a file lies in a process; undefined if it is not mapped. `offset` is from the start of the file. */
export function addressInProcess(path: string, offset: number, pid: number): bigint | undefined {
  const file = tryStat(path);
  if (typeof file === "number") return undefined;
  const place = BigInt(offset);
  const found = mappedFiles(pid).find((m) =>
    m.executable && m.inode === file.ino && place >= m.offset && place < m.offset + (m.end - m.start)
  );
  return found === undefined ? undefined : found.start + (place - found.offset);
}

/** Empty if the process sees the same files as this one. */
function rootOf(pid: number): string {
  if (pid === 0) return "";
  const root = `/proc/${pid}/root`;
  const theirs = tryStat(`${root}/`);
  const ours = tryStat("/");
  if (typeof theirs === "number" || typeof ours === "number") return "";
  const same = theirs.ino === ours.ino && theirs.dev.major === ours.dev.major && theirs.dev.minor === ours.dev.minor;
  const namespaces = [`/proc/${pid}/ns/mnt`, "/proc/self/ns/mnt"].map((path) => tryStat(path));
  const [a, b] = namespaces;
  const sameNamespace = typeof a !== "number" && typeof b !== "number" && a!.ino === b!.ino;
  return same && sameNamespace ? "" : root;
}

function isCalled(path: string, name: string): boolean {
  const base = path.slice(path.lastIndexOf("/") + 1);
  return base === name || base.startsWith(`${name}.so`) || base.startsWith(`${name}-`) && base.includes(".so");
}

function processName(pid: number): string {
  return pid === 0 ? "self" : String(pid);
}
