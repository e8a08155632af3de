/**
 * From what a person calls a program or library to its path. A name with a slash is a path. Otherwise `libc.so.6` and
 * `libc` are searched for as the dynamic loader does, and other names as the shell does; libbpf searches the same
 * directories, but not the loader's cache.
 */
import { NotFoundError } from "../errors.ts";
import { tryReadText } from "../syscall/files.ts";
import { readFile, tryStat } from "../syscall/files.ts";
import { arch } from "../syscall/libc.ts";

const LD_SO_CACHE = "/etc/ld.so.cache";

/** The path of a program or library. Throws `NotFoundError`. */
export function findBinary(name: string): string {
  if (name === "") throw new TypeError("Cannot find a file: its name is empty");
  if (name.includes("/")) {
    if (isFile(name)) return name;
    throw new NotFoundError("file", name, []);
  }
  const isLibrary = /\.so(\.|$)/.test(name);
  const directories = isLibrary ? libraryDirectories() : commandDirectories();
  for (const directory of directories) if (isFile(`${directory}/${name}`)) return `${directory}/${name}`;
  const cached = cachedLibraries();
  const found = cached.find((l) => l.name === name) ?? cached.find((l) => l.name.startsWith(`${name}.so`));
  if (found !== undefined && isFile(found.path)) return found.path;
  throw new NotFoundError(isLibrary ? "library" : "program or library", name, cached.map((l) => l.name), {
    where: directories.join(":"),
  });
}

function isFile(path: string): boolean {
  const found = tryStat(path);
  return typeof found !== "number" && !found.isDirectory;
}

function libraryDirectories(): string[] {
  const multiarch = `${arch()}-linux-gnu`;
  return [
    ...environmentList("LD_LIBRARY_PATH"),
    "/usr/lib64",
    "/usr/lib",
    `/lib/${multiarch}`,
    `/usr/lib/${multiarch}`,
    "/lib64",
    "/lib",
  ];
}

function commandDirectories(): string[] {
  return [...environmentList("PATH"), "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
}

/** A list of directories in the environment that this process was started with. */
function environmentList(variable: string): string[] {
  const environment = tryReadText("/proc/self/environ")?.split("\0") ?? [];
  const value = environment.find((entry) => entry.startsWith(`${variable}=`))?.slice(variable.length + 1) ?? "";
  return value.split(":").filter((directory) => directory !== "");
}

interface CachedLibrary {
  name: string;
  path: string;
}

const MAGIC = "glibc-ld.so.cache1.1";
const HEADER_SIZE = 48;
const ENTRY_SIZE = 24;
const decoder = new TextDecoder();

/** The loader's cache; empty where there is none (musl) or it cannot be read. */
function cachedLibraries(): CachedLibrary[] {
  if (!isFile(LD_SO_CACHE)) return [];
  return parseLoaderCache(readFile(LD_SO_CACHE));
}

/**
 * Parses ld.so.cache of glibc 2.2 and later: header of 48 bytes (magic, u32 count), entries of 24 bytes (u32 flags, name
 * and path as offsets from the header, …). What is cut off or of another format is left out.
 */
export function parseLoaderCache(bytes: Uint8Array): CachedLibrary[] {
  // An old-format table may come first; the new one follows it, 8-byte aligned.
  const start = indexOf(bytes, MAGIC);
  if (start < 0 || start + HEADER_SIZE > bytes.length) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start);
  const room = Math.floor((view.byteLength - HEADER_SIZE) / ENTRY_SIZE);
  const count = Math.min(view.getUint32(20, true), room);
  const libraries: CachedLibrary[] = [];
  for (let i = 0; i < count; i++) {
    const at = HEADER_SIZE + i * ENTRY_SIZE;
    const name = stringAt(bytes, start + view.getUint32(at + 4, true));
    const path = stringAt(bytes, start + view.getUint32(at + 8, true));
    if (name !== undefined && path !== undefined) libraries.push({ name, path });
  }
  return libraries;
}

function indexOf(bytes: Uint8Array, text: string): number {
  const first = text.charCodeAt(0);
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (decoder.decode(bytes.subarray(at, at + text.length)) === text) return at;
  }
  return -1;
}

function stringAt(bytes: Uint8Array, offset: number): string | undefined {
  const end = bytes.indexOf(0, offset);
  return offset >= bytes.length || end < 0 ? undefined : decoder.decode(bytes.subarray(offset, end));
}
