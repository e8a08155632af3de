/**
 * THE probe table: what a kernel may lack, and how to find out. A kernel since `since` has the feature unless a condition
 * is left out of it; of an older one, to which distributions may have ported it, only its own answer counts. An answer is
 * yes, no, or unknown (the process may not ask); conclusive ones are kept for the life of the process. To add a feature,
 * add a row: `docs/support.md` and the skip reasons of tests follow.
 */
import {
  BPF_CGROUP_INET_SOCK_CREATE,
  BPF_F_MMAPABLE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_PERF_EVENT,
  BPF_PROG_TYPE_CGROUP_SOCK,
  BPF_PROG_TYPE_KPROBE,
  BPF_PROG_TYPE_SOCKET_FILTER,
  BPF_PROG_TYPE_TRACEPOINT,
  BPF_TCX_INGRESS,
  BPF_TRACE_UPROBE_MULTI,
} from "../abi/bpf.gen.ts";
import { EBADF, EINVAL } from "../abi/errno.gen.ts";
import { Builder, r0, r1 } from "../asm/build.ts";
import { helperId } from "../asm/helpers.ts";
import { BtfBuilder } from "../btf/write.ts";
import { bpfTry } from "../syscall/bpf_call.ts";
import { progLoadWithLog } from "../syscall/bpf_prog.ts";
import { Fd } from "../syscall/fd.ts";
import { arena } from "../syscall/memory.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";
import { kernelSymbols } from "./kallsyms.ts";
import {
  addInt,
  probeArray,
  trivialProgram,
  tryBtf,
  tryHelper,
  tryMap,
  tryProgram,
  type Verdict,
} from "./probe_parts.ts";
import { kernelIsSince } from "./version.ts";

/** One row. */
export interface FeatureDef {
  readonly name: string;
  /** First kernel version that has it. */
  readonly since: string;
  /** What it is, and why the probe proves it. */
  readonly doc: string;
  /** What it takes beside the version; the version says nothing then. */
  readonly condition?: string;
  readonly probe: () => Verdict;
}

// dprint-ignore
/** The table. */
export const FEATURES = [
  {
    name: "prog_name",
    since: "4.15",
    doc: "Names of programs and maps. Older kernels refuse an attribute that long (E2BIG).",
    probe: (): Verdict => tryProgram({ prog_name: "waggle_probe" }),
  },
  {
    name: "exp_attach_type",
    since: "4.17",
    doc: "The field expected_attach_type. Older kernels refuse an attribute that long.",
    probe: (): Verdict =>
      tryProgram({ prog_type: BPF_PROG_TYPE_CGROUP_SOCK, expected_attach_type: BPF_CGROUP_INET_SOCK_CREATE }),
  },
  {
    name: "syscall_wrapper",
    since: "4.17",
    doc: "System calls as __x64_sys_*, taking pt_regs. The symbols are there or not.",
    condition: "CONFIG_ARCH_HAS_SYSCALL_WRAPPER",
    probe: probeSyscallWrapper,
  },
  { name: "btf", since: "4.18", doc: "BPF_BTF_LOAD: loads one int.", probe: (): Verdict => tryBtf(addInt) },
  {
    name: "btf_func",
    since: "5.0",
    doc: "BTF FUNC and with it func_info and line_info: loads one function.",
    probe: (): Verdict =>
      tryBtf((b) => void b.add({ kind: "FUNC", name: "f", type: addVoidProto(b), linkage: "static" })),
  },
  {
    name: "global_data",
    since: "5.2",
    doc: "Programs address the value of an array map directly: loads such a program.",
    probe: probeGlobalData,
  },
  {
    name: "btf_datasec",
    since: "5.2",
    doc: "BTF VAR and DATASEC: loads one of each.",
    probe: (): Verdict => tryBtf((b) => addDatasec(b, ".data")),
  },
  {
    name: "array_mmap",
    since: "5.5",
    doc: "Array maps that can be mapped: creates one with BPF_F_MMAPABLE.",
    probe: (): Verdict => tryMap({ map_flags: BPF_F_MMAPABLE }),
  },
  {
    name: "probe_read_kernel",
    since: "5.5",
    doc: "Helpers bpf_probe_read_kernel and kin, apart from those for user memory.",
    probe: (): Verdict => tryHelper(BPF_PROG_TYPE_TRACEPOINT, helperId("probe_read_kernel")),
  },
  {
    name: "btf_global_func",
    since: "5.6",
    doc: "BTF FUNC with linkage: functions verified one by one. Loads a global one.",
    probe: (): Verdict =>
      tryBtf((b) => void b.add({ kind: "FUNC", name: "f", type: addIntProto(b), linkage: "global" })),
  },
  {
    name: "link",
    since: "5.7",
    doc: "BPF_LINK_CREATE. With no program it answers EBADF; older kernels do not know the command (EINVAL).",
    probe: (): Verdict => bpfTry("BPF_LINK_CREATE", { prog_fd: 0x7fffffff }) === -EBADF,
  },
  {
    name: "ringbuf",
    since: "5.8",
    doc: "Ring buffer maps: creates one of a page.",
    probe: (): Verdict => tryMap({ map_type: BPF_MAP_TYPE_RINGBUF, key_size: 0, value_size: 0, max_entries: 65536 }),
  },
  {
    name: "ringbuf_reserve",
    since: "5.8",
    doc: "Helper bpf_ringbuf_reserve.",
    probe: (): Verdict => tryHelper(BPF_PROG_TYPE_TRACEPOINT, helperId("ringbuf_reserve")),
  },
  { name: "prog_bind_map", since: "5.10", doc: "BPF_PROG_BIND_MAP: binds an array to a program.", probe: probeBindMap },
  {
    name: "module_btf",
    since: "5.11",
    doc: "BTF objects have names, so those of modules can be told apart: asks for the name of one.",
    probe: probeModuleBtf,
  },
  {
    name: "memcg_account",
    since: "5.11",
    doc:
      "Maps are charged to the memory cgroup, not to RLIMIT_MEMLOCK. Came with bpf_ktime_get_coarse_ns, which can be asked for.",
    probe: (): Verdict => tryHelper(BPF_PROG_TYPE_SOCKET_FILTER, helperId("ktime_get_coarse_ns")),
  },
  {
    name: "btf_float",
    since: "5.13",
    doc: "BTF FLOAT: loads one.",
    probe: (): Verdict => tryBtf((b) => void b.add({ kind: "FLOAT", name: "float", size: 4 })),
  },
  {
    name: "fd_array",
    since: "5.14",
    doc: "Programs refer to BTF of modules by index in an array of fds: loads a program with an empty one.",
    probe: probeFdArray,
  },
  {
    name: "perf_link",
    since: "5.15",
    doc: "Links of perf events. A bad event answers EBADF; older kernels do not know the attach type (EINVAL).",
    condition: "CONFIG_BPF_EVENTS",
    probe: probePerfLink,
  },
  {
    name: "bpf_cookie",
    since: "5.15",
    doc: "Helper bpf_get_attach_cookie, and cookies with it.",
    condition: "CONFIG_BPF_EVENTS",
    probe: (): Verdict => tryHelper(BPF_PROG_TYPE_KPROBE, helperId("get_attach_cookie")),
  },
  {
    name: "btf_decl_tag",
    since: "5.16",
    doc: "BTF DECL_TAG: loads a tagged variable.",
    probe: (): Verdict =>
      tryBtf((b) => void b.add({ kind: "DECL_TAG", name: "tag", type: addVar(b), component: -1, kflag: false })),
  },
  {
    name: "btf_type_tag",
    since: "5.17",
    doc: "BTF TYPE_TAG: loads a pointer to a tagged int.",
    probe: (): Verdict =>
      tryBtf((b) =>
        void b.add({
          kind: "PTR",
          name: "",
          type: b.add({ kind: "TYPE_TAG", name: "tag", type: addInt(b), kflag: false }),
        })
      ),
  },
  {
    name: "bpf_loop",
    since: "5.17",
    doc: "Helper bpf_loop.",
    probe: (): Verdict => tryHelper(BPF_PROG_TYPE_TRACEPOINT, helperId("loop")),
  },
  {
    name: "btf_enum64",
    since: "6.0",
    doc: "BTF ENUM64: loads one.",
    probe: (): Verdict =>
      tryBtf((b) =>
        void b.add({ kind: "ENUM64", name: "e", size: 8, signed: false, values: [{ name: "V", value: 1n }] })
      ),
  },
  {
    name: "cpu_v4",
    since: "6.6",
    doc: "Instruction set v4 (sign extension, byte swap, long jumps): loads a sign-extending move.",
    condition: "the JIT compiler, where it is the only way to run programs",
    probe: (): Verdict => tryProgram({ code: new Builder().mov(r1, 1).movsx(8, r0, r1).mov(r0, 0).exit() }),
  },
  {
    name: "uprobe_multi_link",
    since: "6.6",
    doc: "One link for many uprobes. A path that is no file answers EBADF; kernels without it answer EINVAL.",
    condition: "CONFIG_UPROBES, CONFIG_BPF_EVENTS; a patch release of 6.6",
    probe: probeUprobeMulti,
  },
  {
    name: "tcx",
    since: "6.6",
    doc: "Traffic control programs without a qdisc: lists those of the loopback device.",
    condition: "CONFIG_NET_XGRESS",
    probe: (): Verdict => tcxVerdict(),
  },
  {
    name: "arg_ctx_tag",
    since: "6.8",
    doc: "Arguments of global functions tagged arg:ctx: loads a program with one.",
    condition: "CONFIG_BPF_EVENTS",
    probe: probeArgCtxTag,
  },
  {
    name: "btf_qmark_datasec",
    since: "6.9",
    doc: "DATASEC names that start with a question mark: loads one.",
    probe: (): Verdict => tryBtf((b) => addDatasec(b, "?.data")),
  },
  {
    name: "ldimm64_full_range_off",
    since: "7.0",
    doc: "Offsets into map values of more than 512 MiB. The text of the verifier's complaint tells.",
    probe: probeFullRangeOffset,
  },
] as const satisfies readonly FeatureDef[];

/** The name of a row. */
export type FeatureName = (typeof FEATURES)[number]["name"];

const cache: WeakMap<Runtime, Map<FeatureName, boolean>> = new WeakMap();

/** Whether the kernel has a feature; undefined if this process may not find out. */
export function probeFeature(name: FeatureName): Verdict {
  const rt = runtime();
  let known = cache.get(rt);
  if (known === undefined) cache.set(rt, known = new Map());
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const answer = featureDef(name).probe();
  if (answer !== undefined) known.set(name, answer);
  return answer;
}

/**
 * Whether the kernel has a feature, asked of it only where its version does not tell: the probes behind a first load cost
 * as much as the load. What cannot be found out counts as there: the call itself will tell.
 */
export function hasFeature(name: FeatureName): boolean {
  const { since, condition } = featureDef(name);
  return (condition === undefined && kernelIsSince(since)) || (probeFeature(name) ?? true);
}

/** The row of a feature. */
export function featureDef(name: FeatureName): FeatureDef {
  return FEATURES.find((f) => f.name === name)!;
}

function addVoidProto(b: BtfBuilder): number {
  return b.add({ kind: "FUNC_PROTO", name: "", type: 0, params: [] });
}

function addIntProto(b: BtfBuilder): number {
  return b.add({ kind: "FUNC_PROTO", name: "", type: 0, params: [{ name: "a", type: addInt(b) }] });
}

function addVar(b: BtfBuilder): number {
  return b.add({ kind: "VAR", name: "v", type: addInt(b), linkage: "static" });
}

function addDatasec(b: BtfBuilder, name: string): void {
  b.add({ kind: "DATASEC", name, size: 4, vars: [{ type: addVar(b), offset: 0, size: 4 }] });
}

function probeSyscallWrapper(): Verdict {
  const symbol = runtime().arch === "x86_64" ? "__x64_sys_bpf" : "__arm64_sys_bpf";
  const found = kernelSymbols([symbol, "bpf_prog_put"]);
  // kptr_restrict hides all addresses, and with them the answer; every kernel since 4.17 that runs here has wrappers.
  return found.size === 0 ? undefined : found.has(symbol);
}

function probeGlobalData(): Verdict {
  using map = probeArray(32);
  if (map === undefined) return undefined;
  const code = new Builder().mapValue(r1, map.number, 16).store(64, r1, 0, 42).mov(r0, 0).exit();
  return tryProgram({ code });
}

function probeBindMap(): Verdict {
  using map = probeArray();
  if (map === undefined) return undefined;
  const insns = trivialProgram().bytes();
  const program = bpfTry("BPF_PROG_LOAD", {
    prog_type: BPF_PROG_TYPE_SOCKET_FILTER,
    license: "GPL",
    insns,
    insn_cnt: insns.length / 8,
  });
  if (program < 0) return undefined;
  using fd = new Fd(program);
  return bpfTry("BPF_PROG_BIND_MAP", { prog_fd: fd.number, map_fd: map.number }) === 0;
}

/** `struct bpf_btf_info` got the field `name` with the BTF of modules; a longer struct with zeros there proves nothing. */
function probeModuleBtf(): Verdict {
  const btf = btfOfInt();
  if (btf === undefined) return undefined;
  using fd = btf;
  using scope = arena().scope();
  const info = scope.alloc(32);
  const name = scope.alloc(16);
  info.view.setBigUint64(16, BigInt(name.address), true);
  info.view.setUint32(24, name.length, true);
  return bpfTry("BPF_OBJ_GET_INFO_BY_FD", { bpf_fd: fd.number, info: info.address, info_len: info.length }) === 0;
}

function btfOfInt(): Fd | undefined {
  let fd: Fd | undefined;
  const builder = new BtfBuilder();
  addInt(builder);
  const btf = builder.toBytes();
  const result = bpfTry("BPF_BTF_LOAD", { btf, btf_size: btf.length });
  if (result >= 0) fd = new Fd(result);
  return fd;
}

function probeFdArray(): Verdict {
  using scope = arena().scope();
  return tryProgram({ fd_array: scope.u32s([0]) });
}

function probePerfLink(): Verdict {
  const insns = trivialProgram().bytes();
  const program = bpfTry("BPF_PROG_LOAD", {
    prog_type: BPF_PROG_TYPE_TRACEPOINT,
    license: "GPL",
    insns,
    insn_cnt: insns.length / 8,
  });
  if (program < 0) return undefined;
  using fd = new Fd(program);
  return bpfTry("BPF_LINK_CREATE", { prog_fd: fd.number, target_fd: 0xffffffff, attach_type: BPF_PERF_EVENT }) ===
    -EBADF;
}

function probeUprobeMulti(): Verdict {
  const insns = trivialProgram().bytes();
  const program = bpfTry("BPF_PROG_LOAD", {
    prog_type: BPF_PROG_TYPE_KPROBE,
    expected_attach_type: BPF_TRACE_UPROBE_MULTI,
    license: "GPL",
    insns,
    insn_cnt: insns.length / 8,
  });
  if (program === -EINVAL) return false;
  if (program < 0) return undefined;
  using fd = new Fd(program);
  using scope = arena().scope();
  const link = (pid: number): number =>
    bpfTry("BPF_LINK_CREATE", {
      prog_fd: fd.number,
      attach_type: BPF_TRACE_UPROBE_MULTI,
      "uprobe_multi.path": scope.string("/"),
      "uprobe_multi.offsets": scope.u64s([0]),
      "uprobe_multi.cnt": 1,
      "uprobe_multi.pid": pid,
    });
  // The first 6.6 releases took the pid for that of a thread (46ba0e49b642); those that do not refuse pid -1 are left
  // out, as libbpf does.
  return link(0) === -EBADF && link(0xffffffff) === -EINVAL;
}

function tcxVerdict(): Verdict {
  const LOOPBACK = 1;
  const result = bpfTry("BPF_PROG_QUERY", { target_ifindex: LOOPBACK, attach_type: BPF_TCX_INGRESS });
  return result === 0 ? true : result === -EINVAL ? false : undefined;
}

function probeArgCtxTag(): Verdict {
  const b = new BtfBuilder();
  const int = addInt(b);
  const context = b.add({ kind: "PTR", name: "", type: 0 });
  const mainProto = b.add({ kind: "FUNC_PROTO", name: "", type: int, params: [] });
  const main = b.add({ kind: "FUNC", name: "main_prog", type: mainProto, linkage: "global" });
  const subProto = b.add({ kind: "FUNC_PROTO", name: "", type: int, params: [{ name: "ctx", type: context }] });
  const sub = b.add({ kind: "FUNC", name: "subprog", type: subProto, linkage: "global" });
  b.add({ kind: "DECL_TAG", name: "arg:ctx", type: sub, component: 0, kflag: false });
  const bytes = b.toBytes();
  const btf = bpfTry("BPF_BTF_LOAD", { btf: bytes, btf_size: bytes.length });
  if (btf < 0) return false;
  using fd = new Fd(btf);
  const code = new Builder().callFunc("sub").exit().label("sub").call(helperId("get_func_ip")).exit();
  using scope = arena().scope();
  return tryProgram({
    prog_type: BPF_PROG_TYPE_KPROBE,
    code,
    prog_btf_fd: fd.number,
    func_info: scope.u32s([0, main, 2, sub]),
    func_info_cnt: 2,
    func_info_rec_size: 8,
  });
}

function probeFullRangeOffset(): Verdict {
  using map = probeArray();
  if (map === undefined) return undefined;
  const insns = new Builder().mapValue(r1, map.number, 0x7fff_ffff).mov(r0, 0).exit().bytes();
  const { fd, log, errno } = progLoadWithLog({ prog_type: BPF_PROG_TYPE_SOCKET_FILTER, license: "GPL", insns }, {
    level: 1,
    size: 4096,
  });
  fd?.close();
  if (errno === 0) return true;
  // Old kernels refuse the offset by its size, new ones by the size of the value.
  return /direct value offset of/.test(log)
    ? false
    : /invalid access to map value pointer/.test(log)
    ? true
    : undefined;
}
