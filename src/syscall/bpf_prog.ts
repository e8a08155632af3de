/** The program commands of bpf(2). */
import { ENOSPC } from "../abi/errno.gen.ts";
import { bpfCall, bpfFd, type BpfInput, callPrepared, checkBpf, prepareAttr } from "./bpf_call.ts";
import { Fd } from "./fd.ts";
import { arena, type Block, type Scope } from "./memory.ts";

/** BPF_PROG_LOAD's attribute, with counts and the pointer table derived. */
export type ProgLoadAttr =
  & Omit<
    BpfInput<"BPF_PROG_LOAD">,
    | "insn_cnt"
    | "insns"
    | "log_buf"
    | "log_size"
    | "log_level"
    | "log_true_size"
    | "func_info_cnt"
    | "line_info_cnt"
    | "fd_array"
  >
  & {
    readonly insns: Uint8Array;
    readonly func_info?: Uint8Array | undefined;
    readonly line_info?: Uint8Array | undefined;
    /** BTF and map fds that instructions refer to by index (5.14). */
    readonly fd_array?: ArrayLike<number> | undefined;
  };

/** What to write of the verifier's work. */
export interface LogRequest {
  /** 1: what it does, 2: with registers, 4: statistics; may be added up (4 needs 5.2). */
  readonly level: number;
  /** Bytes of room. */
  readonly size: number;
}

/** A load that may have failed: `fd` or `errno`, and the log. */
export interface LoadResult {
  readonly fd: Fd | undefined;
  /** 0, or the positive errno. */
  readonly errno: number;
  readonly log: string;
  /** The log did not fit: ask again with more room. */
  readonly truncated: boolean;
  /** How much room the whole log needs, if the kernel says (6.4). */
  readonly logSize: number | undefined;
}

const LOG_TRUE_SIZE_END = 144;
const BTF_LOG_TRUE_SIZE_END = 32;
const decoder = new TextDecoder();

/** BPF_PROG_LOAD without a log. Throws `SyscallError`; EAGAIN has been tried five times. */
export function progLoad(attr: ProgLoadAttr): Fd {
  using scope = arena().scope();
  const prepared = prepareAttr(scope, "BPF_PROG_LOAD", loadAttr(scope, attr));
  const result = callPrepared("BPF_PROG_LOAD", prepared);
  return new Fd(checkBpf(result, "BPF_PROG_LOAD", () => `load program "${attr.prog_name ?? ""}"`));
}

/** BPF_PROG_LOAD with a log of the verifier. Does not throw for what the kernel refuses. */
export function progLoadWithLog(attr: ProgLoadAttr, log: LogRequest): LoadResult {
  using scope = arena().scope();
  const room = scope.alloc(log.size);
  const prepared = prepareAttr(scope, "BPF_PROG_LOAD", {
    ...loadAttr(scope, attr),
    log_level: log.level,
    log_size: log.size,
    log_buf: room.address,
  });
  const result = callPrepared("BPF_PROG_LOAD", prepared, LOG_TRUE_SIZE_END);
  return loadResult(result, room, prepared.view.getUint32(LOG_TRUE_SIZE_END - 4, true));
}

function loadAttr(scope: Scope, attr: ProgLoadAttr): BpfInput<"BPF_PROG_LOAD"> {
  const { func_info, line_info, fd_array, ...rest } = attr;
  return {
    ...rest,
    insn_cnt: attr.insns.length / 8,
    ...(func_info && { func_info, func_info_cnt: func_info.length / (attr.func_info_rec_size ?? 8) }),
    ...(line_info && { line_info, line_info_cnt: line_info.length / (attr.line_info_rec_size ?? 16) }),
    ...(func_info && { func_info_rec_size: attr.func_info_rec_size ?? 8 }),
    ...(line_info && { line_info_rec_size: attr.line_info_rec_size ?? 16 }),
    ...(fd_array && { fd_array: scope.u32s(fd_array) }),
  };
}

function loadResult(result: number, room: Block, trueSize: number): LoadResult {
  const end = room.bytes.indexOf(0);
  return {
    fd: result < 0 ? undefined : new Fd(result),
    errno: result < 0 ? -result : 0,
    // A copy: decoders refuse memory that another thread could change.
    log: decoder.decode(room.bytes.slice(0, end < 0 ? room.length : end)),
    truncated: result === -ENOSPC || trueSize > room.length,
    logSize: trueSize === 0 ? undefined : trueSize,
  };
}

/** BPF_BTF_LOAD (4.18). Throws `SyscallError`. */
export function btfLoad(btf: Uint8Array, options: { flags?: number; tokenFd?: number } = {}): Fd {
  return bpfFd("BPF_BTF_LOAD", btfAttr(btf, options), "load BTF");
}

/** BPF_BTF_LOAD with the kernel's log. Does not throw for what the kernel refuses. */
export function btfLoadWithLog(
  btf: Uint8Array,
  log: LogRequest,
  options: { flags?: number; tokenFd?: number } = {},
): LoadResult {
  using scope = arena().scope();
  const room = scope.alloc(log.size);
  const prepared = prepareAttr(scope, "BPF_BTF_LOAD", {
    ...btfAttr(btf, options),
    btf_log_buf: room.address,
    btf_log_size: log.size,
    btf_log_level: log.level,
  });
  const result = callPrepared("BPF_BTF_LOAD", prepared, BTF_LOG_TRUE_SIZE_END);
  return loadResult(result, room, prepared.view.getUint32(BTF_LOG_TRUE_SIZE_END - 4, true));
}

function btfAttr(btf: Uint8Array, options: { flags?: number; tokenFd?: number }): BpfInput<"BPF_BTF_LOAD"> {
  return { btf, btf_size: btf.length, btf_flags: options.flags, btf_token_fd: options.tokenFd };
}

/** BPF_PROG_ATTACH: the older way to attach, for cgroups, sockmaps, flow dissectors, tcx and netkit. */
export function progAttach(attr: BpfInput<"BPF_PROG_ATTACH">): void {
  bpfCall("BPF_PROG_ATTACH", attr, "attach the program");
}

/** BPF_PROG_DETACH. */
export function progDetach(attr: BpfInput<"BPF_PROG_DETACH">): void {
  bpfCall("BPF_PROG_DETACH", attr, "detach the program");
}

/** What BPF_PROG_QUERY tells. Arrays that the kernel or the hook does not have are empty. */
export interface ProgQueryResult {
  progIds: number[];
  /** BPF_F_ALLOW_OVERRIDE, BPF_F_ALLOW_MULTI of the hook itself. */
  attachFlags: number;
  /** Per program (6.1, cgroups) and per link (6.6, tcx and netkit). */
  progAttachFlags: number[];
  linkIds: number[];
  linkAttachFlags: number[];
  /** Changes with every change of the list (6.6). */
  revision: bigint;
}

/** BPF_PROG_QUERY: the programs attached to a cgroup, network device or namespace. */
export function progQuery(
  attr: Pick<BpfInput<"BPF_PROG_QUERY">, "target_fd" | "target_ifindex" | "attach_type" | "query_flags">,
  options: { lists?: "progs" | "links" } = {},
): ProgQueryResult {
  using scope = arena().scope();
  for (let capacity = 64;; capacity *= 4) {
    const [progIds, progFlags, linkIds, linkFlags] = [0, 1, 2, 3].map(() => scope.alloc(capacity * 4)) as [
      Block,
      Block,
      Block,
      Block,
    ];
    // Asked for only on request: older kernels refuse what they do not know, cgroups the links, tcx the flags.
    const lists = options.lists === "links"
      ? { link_ids: linkIds.address, link_attach_flags: linkFlags.address }
      : options.lists === "progs"
      ? { prog_attach_flags: progFlags.address }
      : {};
    const prepared = prepareAttr(scope, "BPF_PROG_QUERY", {
      ...attr,
      ...lists,
      prog_ids: progIds.address,
      count: capacity,
    });
    const result = callPrepared("BPF_PROG_QUERY", prepared, options.lists === "links" ? 64 : 0);
    if (result === -ENOSPC && capacity < 1 << 16) continue;
    checkBpf(result, "BPF_PROG_QUERY", "list attached programs");
    const count = Math.min(prepared.view.getUint32(24, true), capacity);
    const read = (block: Block) => Array.from({ length: count }, (_, i) => block.view.getUint32(i * 4, true));
    return {
      progIds: read(progIds),
      attachFlags: prepared.view.getUint32(12, true),
      progAttachFlags: options.lists === "progs" ? read(progFlags) : [],
      linkIds: options.lists === "links" ? read(linkIds) : [],
      linkAttachFlags: options.lists === "links" ? read(linkFlags) : [],
      revision: prepared.view.getBigUint64(56, true),
    };
  }
}

/** Input of `progTestRun`. */
export interface TestRunInput {
  /** The packet or data; for socket programs at least 14 bytes. */
  readonly data?: Uint8Array | undefined;
  /** Room for what the program made of it; as long as the data, plus 256 bytes, if left out. */
  readonly dataSizeOut?: number | undefined;
  readonly ctx?: Uint8Array | undefined;
  /** Room for the context after the run; none if left out, as several types refuse it. */
  readonly ctxSizeOut?: number | undefined;
  readonly repeat?: number | undefined;
  /** BPF_F_TEST_RUN_ON_CPU, BPF_F_TEST_XDP_LIVE_FRAMES. */
  readonly flags?: number | undefined;
  readonly cpu?: number | undefined;
  readonly batchSize?: number | undefined;
}

/** Result of `progTestRun`. */
export interface TestRunResult {
  /** What the program returned, unsigned. */
  readonly retval: number;
  /** Nanoseconds per run, averaged over `repeat`. */
  readonly duration: number;
  readonly data: Uint8Array;
  readonly ctx: Uint8Array;
}

/** BPF_PROG_TEST_RUN: runs a program once or often on given data. Throws `SyscallError`, ENOTSUPP for most types. */
export function progTestRun(fd: number, input: TestRunInput = {}): TestRunResult {
  using scope = arena().scope();
  const dataSize = input.dataSizeOut ?? (input.data === undefined ? 0 : input.data.length + 256);
  const ctxSize = input.ctxSizeOut ?? 0;
  const dataOut = scope.alloc(dataSize);
  const ctxOut = scope.alloc(ctxSize);
  const prepared = prepareAttr(scope, "BPF_PROG_TEST_RUN", {
    prog_fd: fd,
    data_size_in: input.data?.length ?? 0,
    data_in: scope.bytes(input.data),
    data_size_out: dataSize,
    data_out: dataSize === 0 ? 0 : dataOut.address,
    ctx_size_in: input.ctx?.length ?? 0,
    ctx_in: scope.bytes(input.ctx),
    ctx_size_out: ctxSize,
    ctx_out: ctxSize === 0 ? 0 : ctxOut.address,
    repeat: input.repeat,
    flags: input.flags,
    cpu: input.cpu,
    batch_size: input.batchSize,
  });
  checkBpf(callPrepared("BPF_PROG_TEST_RUN", prepared), "BPF_PROG_TEST_RUN", "run the program");
  const { view } = prepared;
  return {
    retval: view.getUint32(4, true),
    duration: view.getUint32(36, true),
    data: dataOut.bytes.slice(0, Math.min(view.getUint32(12, true), dataSize)),
    ctx: ctxOut.bytes.slice(0, Math.min(view.getUint32(44, true), ctxSize)),
  };
}

/** BPF_PROG_BIND_MAP (5.10): keeps a map alive as long as the program. */
export function progBindMap(progFd: number, mapFd: number): void {
  bpfCall("BPF_PROG_BIND_MAP", { prog_fd: progFd, map_fd: mapFd }, "bind the map to the program");
}

/** BPF_PROG_STREAM_READ_BY_FD (6.17): text a program wrote, stream 1 its output, 2 its errors. Empty at the end. */
export function progStreamRead(progFd: number, stream: 1 | 2, size = 4096): Uint8Array {
  using scope = arena().scope();
  const room = scope.alloc(size);
  const count = bpfCall("BPF_PROG_STREAM_READ_BY_FD", {
    prog_fd: progFd,
    stream_id: stream,
    stream_buf: room.address,
    stream_buf_len: size,
  }, "read the program's stream");
  return room.bytes.slice(0, count);
}

/** BPF_PROG_ASSOC_STRUCT_OPS (6.19): ties a program to a struct_ops map. */
export function progAssocStructOps(progFd: number, mapFd: number): void {
  bpfCall("BPF_PROG_ASSOC_STRUCT_OPS", { prog_fd: progFd, map_fd: mapFd }, "associate the program with struct_ops");
}
