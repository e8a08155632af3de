/**
 * Links of the system, whoever made them, with every field of `struct bpf_link_info` of their kind. What the kernel
 * writes to memory of its own (names, addresses, cookies) is asked for in a second call, when the sizes are known.
 */
import { E2BIG, ENOENT, ENOSPC } from "../abi/errno.gen.ts";
import { bpf_link_info } from "../abi/info.ts";
import { readStruct, type StructInput, structSize, writeStruct } from "../abi/struct.ts";
import { SyscallError } from "../errors.ts";
import { bpfTry, checkBpf } from "../syscall/bpf_call.ts";
import type { LinkInfo } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import { arena, type Scope } from "../syscall/memory.ts";
import { attachTypeName, cgroupOrderName, linkTypeName, perfEventTypeName } from "./enum_names.ts";
import type { IterLink, LinkDetails, LinkType, PerfEventTarget } from "./link_types.ts";
import { eachObject, type ObjectRef, openObject } from "./object_ref.ts";

/**
 * Every link of the system. Needs CAP_SYS_ADMIN.
 *
 * @example
 * ```ts ignore
 * // ignored: lists whatever the machine runs
 * for (const link of listLinks()) if (link.type === "xdp") console.log(link.id, link.ifindex);
 * ```
 */
export function listLinks(): LinkDetails[] {
  return [...eachObject("link", (fd) => tryDetails(fd.number))].filter((link) => link !== undefined);
}

/** Undefined for a link whose target went away while it was looked at: the kernel then finds no program (ENOENT). */
function tryDetails(fd: number): LinkDetails | undefined {
  try {
    return linkDetailsOf(fd);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

/** One link. Throws `SyscallError` if it is not there. */
export function linkDetails(ref: ObjectRef): LinkDetails {
  using fd: Fd = openObject("link", ref);
  return linkDetailsOf(fd.number);
}

type Ask = StructInput<typeof bpf_link_info>;
type Own<T extends LinkType> = Omit<Extract<LinkDetails, { type: T }>, "type" | "id" | "programId">;

/** The fields of a kind beside the common ones. */
type Readers = { readonly [T in LinkType]: (info: LinkInfo, fd: number) => Own<T> };

/** One row per kind; a kind without a row is given as a number with its bytes. */
const READERS: Readers = {
  raw_tracepoint: (info, fd) => ({
    name: text(fd, "raw_tracepoint.tp_name", "raw_tracepoint.tp_name_len", info["raw_tracepoint.tp_name_len"]),
    cookie: info["raw_tracepoint.cookie"],
  }),
  tracing: (info) => ({
    attachType: attachTypeName(info["tracing.attach_type"]),
    targetObjectId: info["tracing.target_obj_id"],
    targetBtfId: info["tracing.target_btf_id"],
    cookie: info["tracing.cookie"],
  }),
  cgroup: (info) => ({
    cgroupId: info["cgroup.cgroup_id"],
    attachType: attachTypeName(info["cgroup.attach_type"]),
  }),
  iter: readIterator,
  netns: (info) => ({
    netnsIno: info["netns.netns_ino"],
    attachType: attachTypeName(info["netns.attach_type"]),
  }),
  xdp: (info) => ({ ifindex: info["xdp.ifindex"] }),
  tcx: (info) => ({ ifindex: info["tcx.ifindex"], attachType: attachTypeName(info["tcx.attach_type"]) }),
  netkit: (info) => ({ ifindex: info["netkit.ifindex"], attachType: attachTypeName(info["netkit.attach_type"]) }),
  netfilter: (info) => ({
    protocol: info["netfilter.pf"],
    hook: info["netfilter.hooknum"],
    priority: info["netfilter.priority"],
    flags: info["netfilter.flags"],
  }),
  struct_ops: (info) => ({ mapId: info["struct_ops.map_id"] }),
  sockmap: (info) => ({ mapId: info["sockmap.map_id"], attachType: attachTypeName(info["sockmap.attach_type"]) }),
  kprobe_multi: readKprobeMulti,
  uprobe_multi: readUprobeMulti,
  tracing_multi: readTracingMulti,
  perf_event: readPerfEvent,
};

/** A link by its descriptor, which stays the caller's. */
export function linkDetailsOf(fd: number): LinkDetails {
  const { info, raw } = askLink(fd);
  const type = linkTypeName(info.type);
  const common = { id: info.id, programId: info.prog_id };
  const read = typeof type === "string" && Object.hasOwn(READERS, type) ? READERS[type as LinkType] : undefined;
  if (read === undefined) return { type: info.type, ...common, raw };
  return { type, ...common, ...read(info, fd) } as LinkDetails;
}

const SIZE = structSize(bpf_link_info, 8);
const COMMON = 16;

/** BPF_OBJ_GET_INFO_BY_FD of a link, the bytes of the union among it. */
function askLink(fd: number, ask: Ask = {}): { info: LinkInfo; raw: Uint8Array } {
  const { info, raw, result } = tryAsk(fd, ask);
  checkBpf(result, "BPF_OBJ_GET_INFO_BY_FD", "read the link's information");
  return { info, raw };
}

function tryAsk(fd: number, ask: Ask): { info: LinkInfo; raw: Uint8Array; result: number } {
  using scope = arena().scope();
  const room = scope.alloc(SIZE);
  writeStruct(room.view, 0, bpf_link_info, ask);
  const result = bpfTry("BPF_OBJ_GET_INFO_BY_FD", { bpf_fd: fd, info: room.address, info_len: SIZE });
  return { info: readStruct(room.view, 0, bpf_link_info), raw: room.bytes.slice(COMMON), result };
}

const decoder = new TextDecoder();
const MAX_TEXT = 4096;

/** A string that the kernel writes to memory of ours; empty if the link has none. */
function text(fd: number, pointer: keyof Ask, length: keyof Ask, size: number = MAX_TEXT): string {
  if (size === 0) return "";
  using scope = arena().scope();
  const room = scope.alloc(Math.min(size, MAX_TEXT));
  const { result } = tryAsk(fd, { [pointer]: room.address, [length]: room.length } as Ask);
  // A name that does not fit is cut, and still written. One that is gone since the first call is no reason to fail.
  return result < 0 && result !== -ENOSPC ? "" : cString(room.bytes);
}

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(bytes.slice(0, end < 0 ? bytes.length : end));
}

function readIterator(info: LinkInfo, fd: number): Own<"iter"> {
  const target = text(fd, "iter.target_name", "iter.target_name_len", info["iter.target_name_len"]);
  const own: { -readonly [K in "mapId" | "cgroup" | "task"]: IterLink[K] } = {
    mapId: undefined,
    cgroup: undefined,
    task: undefined,
  };
  // Which member of the union holds follows from the target, as in the kernel's bpf_iter_reg tables.
  if (target === "bpf_map_elem" || target === "bpf_sk_storage_map" || target === "sockmap") {
    own.mapId = info["iter.map.map_id"];
  } else if (target === "cgroup") {
    own.cgroup = { id: info["iter.cgroup.cgroup_id"], order: cgroupOrderName(info["iter.cgroup.order"]) };
  } else if (target === "task" || target === "task_file" || target === "task_vma") {
    own.task = { tid: info["iter.task.tid"], pid: info["iter.task.pid"] };
  }
  return { target, ...own };
}

/** Arrays that the kernel fills, `count` numbers each. Kernels that do not know the last of them refuse it (E2BIG). */
class Arrays {
  readonly #fd: number;
  readonly #scope: Scope;
  readonly #count: number;

  constructor(fd: number, scope: Scope, count: number) {
    this.#fd = fd;
    this.#scope = scope;
    this.#count = count;
  }

  /** The numbers behind `pointers`, in their order; `sizes` says where the room is written to. */
  read(
    sizes: Ask,
    pointers: readonly (readonly [pointer: keyof Ask, bytes: 4 | 8])[],
  ): bigint[][] {
    for (let known = pointers.length; known > 0; known--) {
      const rooms = pointers.slice(0, known).map(([, bytes]) => this.#scope.alloc(this.#count * bytes));
      const ask = Object.fromEntries(pointers.slice(0, known).map(([pointer], i) => [pointer, rooms[i]!.address]));
      const { result } = tryAsk(this.#fd, { ...ask, ...sizes });
      if (result === -E2BIG && known > 1) continue;
      checkBpf(result, "BPF_OBJ_GET_INFO_BY_FD", "read the link's targets");
      return pointers.map(([, bytes], i) => {
        const room = rooms[i];
        if (room === undefined) return [];
        return Array.from(
          { length: this.#count },
          (_, at) => bytes === 8 ? room.view.getBigUint64(at * 8, true) : BigInt(room.view.getUint32(at * 4, true)),
        );
      });
    }
    return pointers.map(() => []);
  }
}

function readKprobeMulti(info: LinkInfo, fd: number): Own<"kprobe_multi"> {
  const count = info["kprobe_multi.count"];
  using scope = arena().scope();
  const [addresses, cookies] = count === 0 ? [[], []] : new Arrays(fd, scope, count).read(
    { "kprobe_multi.count": count },
    [["kprobe_multi.addrs", 8], ["kprobe_multi.cookies", 8]],
  );
  return {
    flags: info["kprobe_multi.flags"],
    missed: info["kprobe_multi.missed"],
    addresses: addresses!,
    cookies: cookies!,
  };
}

function readUprobeMulti(info: LinkInfo, fd: number): Own<"uprobe_multi"> {
  const count = info["uprobe_multi.count"];
  using scope = arena().scope();
  const path = scope.alloc(MAX_TEXT);
  const [offsets, refCtrOffsets, cookies] = count === 0 ? [[], [], []] : new Arrays(fd, scope, count).read(
    { "uprobe_multi.count": count, "uprobe_multi.path": path.address, "uprobe_multi.path_size": path.length },
    [["uprobe_multi.offsets", 8], ["uprobe_multi.ref_ctr_offsets", 8], ["uprobe_multi.cookies", 8]],
  );
  return {
    path: cString(path.bytes),
    flags: info["uprobe_multi.flags"],
    pid: info["uprobe_multi.pid"],
    offsets: offsets!,
    refCtrOffsets: refCtrOffsets!,
    cookies: cookies!,
  };
}

function readTracingMulti(info: LinkInfo, fd: number): Own<"tracing_multi"> {
  const count = info["tracing_multi.count"];
  using scope = arena().scope();
  const [ids, addresses, cookies] = count === 0 ? [[], [], []] : new Arrays(fd, scope, count).read(
    { "tracing_multi.count": count },
    [["tracing_multi.ids", 4], ["tracing_multi.addrs", 8], ["tracing_multi.cookies", 8]],
  );
  return {
    attachType: attachTypeName(info["tracing_multi.attach_type"]),
    btfObjectId: info["tracing_multi.btf_obj_id"],
    btfIds: ids!.map(Number),
    addresses: addresses!,
    cookies: cookies!,
  };
}

function readPerfEvent(info: LinkInfo, fd: number): PerfEventTarget {
  const event = perfEventTypeName(info["perf_event.type"]);
  switch (event) {
    case "kprobe":
    case "kretprobe":
      return {
        event,
        function: text(fd, "perf_event.kprobe.func_name", "perf_event.kprobe.name_len"),
        offset: info["perf_event.kprobe.offset"],
        address: info["perf_event.kprobe.addr"],
        missed: info["perf_event.kprobe.missed"],
        cookie: info["perf_event.kprobe.cookie"],
      };
    case "uprobe":
    case "uretprobe":
      return {
        event,
        path: text(fd, "perf_event.uprobe.file_name", "perf_event.uprobe.name_len"),
        offset: info["perf_event.uprobe.offset"],
        refCtrOffset: info["perf_event.uprobe.ref_ctr_offset"],
        cookie: info["perf_event.uprobe.cookie"],
      };
    case "tracepoint":
      return {
        event,
        name: text(fd, "perf_event.tracepoint.tp_name", "perf_event.tracepoint.name_len"),
        cookie: info["perf_event.tracepoint.cookie"],
      };
    case "event":
      return {
        event,
        perfType: info["perf_event.event.type"],
        config: info["perf_event.event.config"],
        cookie: info["perf_event.event.cookie"],
      };
    default:
      return { event };
  }
}
