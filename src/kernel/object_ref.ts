/** Opens maps, programs, links and BTF of the system, whoever made them: by id, pin, name or descriptor. */
import { ENOENT } from "../abi/errno.gen.ts";
import { NotFoundError, SyscallError, WaggleError } from "../errors.ts";
import { btfInfo, fdById, mapInfo, objectIds, type ObjectKind, objGet, progInfo } from "../syscall/bpf_object.ts";
import { dupFd, type Fd } from "../syscall/fd.ts";

/** Which object: exactly one of these. */
export type ObjectRef =
  /** The kernel's id. */
  | { readonly id: number }
  /** A pin in a bpf file system. */
  | { readonly path: string }
  /** The name; the kernel keeps 15 bytes of it. There must be only one such object. Links have none. */
  | { readonly name: string }
  /** A descriptor that stays the caller's. */
  | { readonly fd: number };

/** The name of an object, by kind. */
const NAMES: Readonly<Record<ObjectKind, ((fd: number) => string) | undefined>> = {
  map: (fd) => mapInfo(fd).name,
  prog: (fd) => progInfo(fd).name,
  btf: (fd) => btfInfo(fd).name,
  link: undefined,
};

const WORDS: Readonly<Record<ObjectKind, string>> = { map: "map", prog: "program", btf: "BTF", link: "link" };

/**
 * Opens an object. `flags` are BPF_F_RDONLY or BPF_F_WRONLY, for maps by path, id or name.
 *
 * @throws {NotFoundError} for a name that no object has
 * @throws {SyscallError} for an id or pin that is not there, or is refused
 */
export function openObject(kind: ObjectKind, ref: ObjectRef, flags = 0): Fd {
  if ("path" in ref) return objGet(ref.path, { flags });
  if ("id" in ref) return fdById(kind, ref.id, flags);
  if ("fd" in ref) return dupFd(ref.fd);
  if ("name" in ref) return openByName(kind, ref.name, flags);
  throw new TypeError(`Cannot open a ${WORDS[kind]}: give its id, path, name or fd`);
}

/** What `read` gives for every object of a kind; objects that go away meanwhile are left out. */
export function* eachObject<T>(kind: ObjectKind, read: (fd: Fd, id: number) => T): Generator<T, void, undefined> {
  for (const id of objectIds(kind)) {
    const fd = tryOpen(kind, id);
    if (fd === undefined) continue;
    try {
      yield read(fd, id);
    } finally {
      fd.close();
    }
  }
}

function tryOpen(kind: ObjectKind, id: number): Fd | undefined {
  try {
    return fdById(kind, id);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

function openByName(kind: ObjectKind, name: string, flags: number): Fd {
  const nameOf = NAMES[kind];
  if (nameOf === undefined) {
    throw new TypeError(`Cannot open ${WORDS[kind]} "${name}": it has no name, give an id or path`);
  }
  const kept = kind === "btf" ? name : new TextDecoder().decode(new TextEncoder().encode(name).subarray(0, 15));
  const all = [...eachObject(kind, (fd, id) => ({ id, name: nameOf(fd.number) }))];
  const found = all.filter((object) => object.name === kept).map((object) => object.id);
  if (found.length === 1) return fdById(kind, found[0]!, flags);
  if (found.length === 0) throw new NotFoundError(WORDS[kind], name, all.map((object) => object.name));
  throw new WaggleError(`Cannot open ${WORDS[kind]} "${name}": ${found.length} have this name`, {
    hint: `open one by id: ${found.join(", ")}`,
  });
}
