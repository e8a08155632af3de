/** The commands of bpf(2) for all kinds of objects: pins, ids, info, statistics, tokens. */
import { BPF_F_PATH_FD } from "../abi/bpf.gen.ts";
import { E2BIG, ENOENT } from "../abi/errno.gen.ts";
import { bpf_btf_info, bpf_link_info, bpf_map_info, bpf_prog_info } from "../abi/info.ts";
import { type Fields, readStruct, type StructInput, structSize, type StructValue, writeStruct } from "../abi/struct.ts";
import { SyscallError } from "../errors.ts";
import { bpfCall, bpfFd, callPrepared, checkBpf, prepareAttr } from "./bpf_call.ts";
import type { Fd } from "./fd.ts";
import { arena } from "./memory.ts";

/** Options of `objPin` and `objGet`. */
export interface PathOptions {
  /** A directory that the path is relative to (6.5). */
  readonly pathFd?: number | undefined;
  /** BPF_F_RDONLY, BPF_F_WRONLY; only for `objGet`. */
  readonly flags?: number | undefined;
}

/** BPF_OBJ_PIN: gives an object a name in a bpf file system. Throws `SyscallError`, EEXIST if the path is taken. */
export function objPin(fd: number, path: string, options: PathOptions = {}): void {
  bpfCall("BPF_OBJ_PIN", { bpf_fd: fd, pathname: path, ...pathFields(options) }, () => `pin to "${path}"`);
}

/** BPF_OBJ_GET: opens a pinned object. */
export function objGet(path: string, options: PathOptions = {}): Fd {
  return bpfFd("BPF_OBJ_GET", { pathname: path, ...pathFields(options) }, () => `open pin "${path}"`);
}

function pathFields(options: PathOptions): { file_flags?: number; path_fd?: number } {
  if (options.pathFd === undefined) return { file_flags: options.flags ?? 0 };
  return { file_flags: (options.flags ?? 0) | BPF_F_PATH_FD, path_fd: options.pathFd };
}

/** The kinds of objects that have ids. */
export type ObjectKind = "map" | "prog" | "btf" | "link";

const NEXT_ID = {
  map: "BPF_MAP_GET_NEXT_ID",
  prog: "BPF_PROG_GET_NEXT_ID",
  btf: "BPF_BTF_GET_NEXT_ID",
  link: "BPF_LINK_GET_NEXT_ID",
} as const;

/** BPF_*_GET_NEXT_ID: the id after `start`, or undefined. */
export function nextId(kind: ObjectKind, start: number): number | undefined {
  using scope = arena().scope();
  const attr = prepareAttr(scope, NEXT_ID[kind], { start_id: start });
  const result = callPrepared(NEXT_ID[kind], attr, 8);
  if (result === -ENOENT) return undefined;
  checkBpf(result, NEXT_ID[kind], `list ${kind} ids`);
  return attr.view.getUint32(4, true);
}

/** All ids of a kind, in ascending order. Objects may come and go meanwhile. */
export function* objectIds(kind: ObjectKind): Generator<number, void, undefined> {
  for (let id = nextId(kind, 0); id !== undefined; id = nextId(kind, id)) yield id;
}

/** BPF_*_GET_FD_BY_ID. Throws `SyscallError`, ENOENT if the object is gone. */
export function fdById(kind: ObjectKind, id: number, openFlags = 0): Fd {
  const action = `open ${kind} ${id}`;
  switch (kind) {
    case "map":
      return bpfFd("BPF_MAP_GET_FD_BY_ID", { map_id: id, open_flags: openFlags }, action, idHint(id));
    case "prog":
      return bpfFd("BPF_PROG_GET_FD_BY_ID", { prog_id: id, open_flags: openFlags }, action, idHint(id));
    case "btf":
      return bpfFd("BPF_BTF_GET_FD_BY_ID", { btf_id: id, open_flags: openFlags }, action, idHint(id));
    case "link":
      return bpfFd("BPF_LINK_GET_FD_BY_ID", { link_id: id, open_flags: openFlags }, action, idHint(id));
  }
}

/** Only a hint of the number 0, which the kernel answers with ENOENT like any other. */
function idHint(id: number): string | undefined {
  return id === 0 ? "ids start at 1" : undefined;
}

/** BPF_OBJ_GET_INFO_BY_FD with any of the tables of src/abi/info.ts. `ask` sets the pointers and counts. */
export function infoByFd<F extends Fields>(fd: number, fields: F, ask?: StructInput<F>): StructValue<F> {
  using scope = arena().scope();
  const info = scope.alloc(structSize(fields, 8));
  if (ask !== undefined) writeStruct(info.view, 0, fields, ask);
  bpfCall(
    "BPF_OBJ_GET_INFO_BY_FD",
    { bpf_fd: fd, info: info.address, info_len: info.length },
    "read the object's information",
  );
  return readStruct(info.view, 0, fields);
}

/** `struct bpf_map_info`. */
export type MapInfo = StructValue<typeof bpf_map_info>;
/** `struct bpf_prog_info`, without its arrays. */
export type ProgInfo = StructValue<typeof bpf_prog_info>;
/** `struct bpf_link_info`; which of the dotted fields hold follows from `type`. */
export type LinkInfo = StructValue<typeof bpf_link_info>;
/** `struct bpf_btf_info`. */
export type BtfInfo = StructValue<typeof bpf_btf_info>;

/** Type, sizes, flags, name and BTF ids of a map. */
export function mapInfo(fd: number): MapInfo {
  return infoByFd(fd, bpf_map_info);
}

/** Type, id, name, tag, counts and statistics of a program. */
export function progInfo(fd: number): ProgInfo {
  return infoByFd(fd, bpf_prog_info);
}

/** The ids of the maps a program uses. */
export function progMapIds(fd: number): number[] {
  const count = progInfo(fd).nr_map_ids;
  if (count === 0) return [];
  using scope = arena().scope();
  const ids = scope.alloc(count * 4);
  const { nr_map_ids } = infoByFd(fd, bpf_prog_info, { map_ids: ids.address, nr_map_ids: count });
  return Array.from({ length: Math.min(nr_map_ids, count) }, (_, i) => ids.view.getUint32(i * 4, true));
}

/** The program's instructions as the kernel rewrote them; empty if it does not show them to this process. */
export function progXlatedInsns(fd: number): Uint8Array {
  const size = progInfo(fd).xlated_prog_len;
  if (size === 0) return new Uint8Array(0);
  using scope = arena().scope();
  const insns = scope.alloc(size);
  const info = infoByFd(fd, bpf_prog_info, { xlated_prog_insns: insns.address, xlated_prog_len: size });
  return info.xlated_prog_insns === 0n ? new Uint8Array(0) : insns.bytes.slice(0, Math.min(info.xlated_prog_len, size));
}

/** Type, id, program and target of a link. */
export function linkInfo(fd: number): LinkInfo {
  return infoByFd(fd, bpf_link_info);
}

const decoder = new TextDecoder();

/** A string that a link's information points to: which field holds its address, and which its length. */
export function linkInfoString<P extends keyof typeof bpf_link_info, L extends keyof typeof bpf_link_info>(
  fd: number,
  pointer: P,
  length: L,
): string {
  using scope = arena().scope();
  const size = 4096;
  const text = scope.alloc(size);
  infoByFd(fd, bpf_link_info, { [pointer]: text.address, [length]: size } as StructInput<typeof bpf_link_info>);
  const end = text.bytes.indexOf(0);
  return decoder.decode(text.bytes.slice(0, end < 0 ? size : end));
}

/** What is known of a BTF object: its name ("vmlinux", a module's, or empty), its id, and its bytes if asked for. */
export function btfInfo(
  fd: number,
  options: { data?: boolean } = {},
): { id: number; name: string; kernel: boolean; size: number; data: Uint8Array | undefined } {
  using scope = arena().scope();
  const name = scope.alloc(128);
  const first = nameAndInfo(fd, { name: name.address, name_len: name.length });
  let data: Uint8Array | undefined;
  if (options.data) {
    const room = scope.alloc(first.btf_size);
    infoByFd(fd, bpf_btf_info, { btf: room.address, btf_size: room.length });
    data = room.bytes.slice();
  }
  const text = decoder.decode(name.bytes.slice(0, name.bytes.indexOf(0)));
  return { id: first.id, name: text, kernel: first.kernel_btf !== 0, size: first.btf_size, data };
}

/** Before 5.11 BTF objects have no name: asking for one, which lies behind the struct that kernel knows, is E2BIG. */
function nameAndInfo(fd: number, ask: StructInput<typeof bpf_btf_info>): StructValue<typeof bpf_btf_info> {
  try {
    return infoByFd(fd, bpf_btf_info, ask);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === E2BIG) return infoByFd(fd, bpf_btf_info);
    throw error;
  }
}

/** BPF_ENABLE_STATS (5.8): counts run time of programs while the descriptor is open. */
export function enableStats(type = 0): Fd {
  return bpfFd("BPF_ENABLE_STATS", { type }, "enable BPF statistics");
}

/** BPF_TOKEN_CREATE (6.9): delegated rights of a bpf file system mounted with `delegate_*` options. */
export function tokenCreate(bpffsFd: number, flags = 0): Fd {
  return bpfFd("BPF_TOKEN_CREATE", { bpffs_fd: bpffsFd, flags }, "create a BPF token");
}
