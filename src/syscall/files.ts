/**
 * Files through libc, which needs no permission but FFI: Deno refuses every path below /sys and /proc through its own
 * API unless it may do everything. Paths are absolute or relative to the working directory; text is UTF-8.
 */
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  MAP_PRIVATE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  S_IFDIR,
  S_IFMT,
} from "../abi/defines.ts";
import { EEXIST, ENOENT } from "../abi/errno.gen.ts";
import { Fd } from "./fd.ts";
import { call, check } from "./libc.ts";
import { arena, Mapping } from "./memory.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** openat(2) with O_CLOEXEC. Throws `SyscallError`. */
export function openFile(path: string, flags: number = O_RDONLY, mode = 0o644): Fd {
  return new Fd(check(tryOpen(path, flags, mode), "openat", () => `Cannot open "${path}"`));
}

/** The same, returning the number or `-errno`. */
export function tryOpen(path: string, flags: number = O_RDONLY, mode = 0o644): number {
  using scope = arena().scope();
  return call("openat", AT_FDCWD, scope.string(path), flags | O_CLOEXEC, mode);
}

/** The bytes of a file. Sizes of files below /proc and /sys are not to be trusted, so it reads until the end. */
export function readFile(path: string): Uint8Array<ArrayBuffer> {
  using fd = openFile(path);
  return readAll(fd.number, path, sizeHint(fd.number));
}

/** The text of a file. */
export function readText(path: string): string {
  return decoder.decode(readFile(path));
}

/** The text of a file, or undefined if it does not exist or cannot be read. */
export function tryReadText(path: string): string | undefined {
  const number = tryOpen(path);
  if (number < 0) return undefined;
  using fd = new Fd(number);
  try {
    return decoder.decode(readAll(fd.number, path, 0));
  } catch {
    return undefined; // some files of /proc and /sys open, but refuse to be read
  }
}

/** Reads a descriptor to its end. `expected` is the size if known. */
export function readAll(fd: number, name: string, expected = 0): Uint8Array<ArrayBuffer> {
  using scope = arena().scope();
  const room = scope.room(Math.min(Math.max(expected + 1, 1 << 16), 8 << 20));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  for (;;) {
    const count = check(call("read", fd, room.address, room.length), "read", () => `Cannot read "${name}"`);
    if (count === 0) break;
    parts.push(room.bytes.slice(0, count));
    total += count;
  }
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** read(2) once: up to `size` bytes, empty at the end; or `-errno`. */
export function tryRead(fd: number, size: number): Uint8Array<ArrayBuffer> | number {
  using scope = arena().scope();
  const room = scope.alloc(size);
  const count = call("read", fd, room.address, size);
  return count < 0 ? count : room.bytes.slice(0, count);
}

/** pread(2) of exactly `size` bytes at `offset`; fewer only at the end of the file. */
export function readAt(fd: number, offset: number, size: number): Uint8Array<ArrayBuffer> {
  using scope = arena().scope();
  const room = scope.alloc(size);
  let done = 0;
  while (done < size) {
    const result = call("pread64", fd, room.address + done, size - done, offset + done);
    if (check(result, "pread64", "Cannot read the file") === 0) break;
    done += result;
  }
  return room.bytes.slice(0, done);
}

/** write(2) of everything. Control files (tracefs, cgroup) take one write whole or refuse it. */
export function writeAll(fd: number, data: Uint8Array | string, name: string): void {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  using scope = arena().scope();
  const address = scope.bytes(bytes);
  for (let done = 0; done < bytes.length;) {
    done += check(call("write", fd, address + done, bytes.length - done), "write", () => `Cannot write "${name}"`);
  }
}

/** Creates or truncates a file and writes it. */
export function writeFile(path: string, data: Uint8Array | string, mode = 0o644): void {
  using fd = openFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  writeAll(fd.number, data, path);
}

/** Writes at the end of an existing file: how tracefs takes new probes. */
export function appendFile(path: string, data: Uint8Array | string): void {
  using fd = openFile(path, O_WRONLY | O_APPEND);
  writeAll(fd.number, data, path);
}

/** Names in a directory, without `.` and `..`, in the kernel's order. */
export function readDir(path: string): string[] {
  // O_DIRECTORY differs between machines; getdents64 refuses other files anyway.
  using fd = openFile(path);
  using scope = arena().scope();
  const room = scope.alloc(1 << 16);
  const names: string[] = [];
  for (;;) {
    const count = check(
      call("getdents64", fd.number, room.address, room.length),
      "getdents64",
      () => `Cannot list "${path}"`,
    );
    if (count === 0) return names;
    // struct linux_dirent64: u64 ino, s64 off, u16 reclen, u8 type, char name[]
    for (let at = 0; at < count; at += room.view.getUint16(at + 16, true)) {
      const start = at + 19;
      const name = decoder.decode(room.bytes.slice(start, room.bytes.indexOf(0, start)));
      if (name !== "." && name !== "..") names.push(name);
    }
  }
}

/** What stat tells of a file. */
export interface FileStat {
  readonly size: number;
  readonly mode: number;
  /** As in /proc/PID/maps: major and minor number. */
  readonly dev: { readonly major: number; readonly minor: number };
  readonly ino: bigint;
  readonly isDirectory: boolean;
  /** Seconds since 1970. */
  readonly mtime: number;
}

const STATX_BASIC_STATS = 0x7ff;

/** statx(2), the same on every machine (4.11). Throws `SyscallError`. */
export function stat(path: string, options: { followSymlinks?: boolean } = {}): FileStat {
  const result = tryStat(path, options);
  if (typeof result === "number") check(result, "statx", `Cannot stat "${path}"`);
  return result as FileStat;
}

/** The same, or `-errno`. */
export function tryStat(path: string, options: { followSymlinks?: boolean } = {}): FileStat | number {
  using scope = arena().scope();
  const flags = options.followSymlinks === false ? AT_SYMLINK_NOFOLLOW : 0;
  const { address, view } = scope.alloc(256);
  const result = call("statx", AT_FDCWD, scope.string(path), flags, STATX_BASIC_STATS, address);
  if (result < 0) return result;
  // struct statx of include/uapi/linux/stat.h
  const mode = view.getUint16(28, true);
  return {
    mode,
    ino: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    mtime: Number(view.getBigInt64(112, true)),
    dev: { major: view.getUint32(136, true), minor: view.getUint32(140, true) },
    isDirectory: (mode & S_IFMT) === S_IFDIR,
  };
}

/** Whether something is at the path, as far as this process may see. */
export function exists(path: string): boolean {
  return typeof tryStat(path) !== "number";
}

/** mkdirat(2). An existing directory is no error. */
export function mkdir(path: string, options: { recursive?: boolean; mode?: number } = {}): void {
  const { recursive = false, mode = 0o755 } = options;
  using scope = arena().scope();
  const result = call("mkdirat", AT_FDCWD, scope.string(path), mode);
  const parent = path.replace(/\/+[^/]*\/*$/, "");
  if (result === -ENOENT && recursive && parent !== "" && parent !== path) {
    mkdir(parent, options);
    mkdir(path, { mode });
    return;
  }
  if (result === -EEXIST) {
    const found = tryStat(path);
    if (typeof found !== "number" && found.isDirectory) return;
  }
  check(result, "mkdirat", `Cannot create directory "${path}"`);
}

/** unlinkat(2). */
export function unlink(path: string): void {
  using scope = arena().scope();
  check(call("unlinkat", AT_FDCWD, scope.string(path), 0), "unlinkat", `Cannot remove "${path}"`);
}

/** Removes an empty directory. */
export function rmdir(path: string): void {
  using scope = arena().scope();
  check(call("unlinkat", AT_FDCWD, scope.string(path), AT_REMOVEDIR), "unlinkat", `Cannot remove "${path}"`);
}

/** Where a symbolic link points. */
export function readlink(path: string): string {
  using scope = arena().scope();
  const room = scope.alloc(4096);
  const result = call("readlinkat", AT_FDCWD, scope.string(path), room.address, room.length);
  const count = check(result, "readlinkat", `Cannot read link "${path}"`);
  return decoder.decode(room.bytes.slice(0, count));
}

/** A file's bytes while this object lives: mapped where the file allows it, else read into memory. */
export interface FileView extends Disposable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** False if the bytes are a copy. */
  readonly mapped: boolean;
  close(): void;
}

/**
 * Maps a file for reading. /sys/kernel/btf/vmlinux can be mapped since 6.16; where mapping is refused, the file is
 * read instead.
 */
export function mapFile(path: string): FileView {
  using fd = openFile(path);
  const size = sizeHint(fd.number);
  const mapping = size > 0 ? tryMap(fd.number, size) : undefined;
  if (mapping === undefined) {
    return { bytes: readAll(fd.number, path, size), mapped: false, close() {}, [Symbol.dispose]() {} };
  }
  return {
    bytes: new Uint8Array(mapping.buffer, 0, size),
    mapped: true,
    close: () => mapping.close(),
    [Symbol.dispose]: () => mapping.close(),
  };
}

function tryMap(fd: number, size: number): Mapping | undefined {
  try {
    // The kernel's BTF refuses shared mappings.
    return Mapping.ofFd(fd, size, { flags: MAP_PRIVATE });
  } catch {
    return undefined; // ENODEV or EINVAL: the file system cannot map this file
  }
}

function sizeHint(fd: number): number {
  const AT_EMPTY_PATH = 0x1000;
  using scope = arena().scope();
  const { address, view } = scope.alloc(256);
  const result = call("statx", fd, scope.string(""), AT_EMPTY_PATH, STATX_BASIC_STATS, address);
  return result < 0 ? 0 : Number(view.getBigUint64(40, true));
}
