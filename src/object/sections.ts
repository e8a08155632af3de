/**
 * THE section table: one row per name that SEC() may carry, with everything that follows from it. To support a hook of
 * a new kernel, add a row here; the attacher registry, the documentation (docs/sections.md) and the error texts follow.
 * Rows and order are those of libbpf 1.8 (`section_defs` in its src/libbpf.c). Data only: section_name.ts matches names.
 */
import { bpf_attach_type, bpf_prog_type } from "../abi/bpf.gen.ts";

/** How a program is attached: the key of the attacher registry. `none`: programs of this kind are not attached. */
export type AttachKind =
  | "none"
  | "kprobe"
  | "kprobe_multi"
  | "ksyscall"
  | "uprobe"
  | "uprobe_multi"
  | "usdt"
  | "tracepoint"
  | "raw_tracepoint"
  | "trace"
  | "trace_multi"
  | "freplace"
  | "iter"
  | "perf_event"
  | "xdp"
  | "tc"
  | "tcx"
  | "netkit"
  | "cgroup"
  | "netns"
  | "netfilter"
  | "sockmap"
  | "sk_reuseport"
  | "socket_filter"
  | "lwt"
  | "lirc"
  | "struct_ops";

/**
 * What the loader must do besides setting the type. `attachable`: the expected attach type is required; `attachableOpt`:
 * it is dropped on kernels that do not know the field (before 4.17); `attachBtf`: needs the BTF id of what it attaches
 * to; `sleepable`: BPF_F_SLEEPABLE; `xdpFrags`: BPF_F_XDP_HAS_FRAGS; `usdt`: BPF_TRACE_UPROBE_MULTI where the kernel
 * has it.
 */
export type SectionFlag = "attachable" | "attachableOpt" | "attachBtf" | "sleepable" | "xdpFrags" | "usdt";

/** One row. */
export interface SectionDef {
  /** The pattern: exact, or with a final `+`: also followed by `/` and anything. */
  readonly sec: string;
  /** Program type, kernel spelling. */
  readonly prog: `BPF_PROG_TYPE_${string}`;
  /** Expected attach type, kernel spelling; none: 0. */
  readonly expected?: `BPF_${string}`;
  readonly flags?: readonly SectionFlag[];
  /** Grammar of what follows the `/`, as documentation and errors print it. */
  readonly extras?: string;
  readonly attach: AttachKind;
  /** Whether the name alone says enough to attach: `attach()` without arguments does. */
  readonly auto: boolean;
  /** Type of the context: a kernel struct, or `tracepoint`, `btf_args`, `bpf_iter`. */
  readonly ctx: string;
  /** First kernel version. */
  readonly since: string;
  readonly doc: string;
}

/** The table, in libbpf's order. */
// deno-fmt-ignore
export const SECTIONS = [
  { sec: "socket", prog: "BPF_PROG_TYPE_SOCKET_FILTER", attach: "socket_filter", auto: false, ctx: "__sk_buff", since: "3.19", doc: "Filters what a socket receives; returns how many bytes to keep." },
  { sec: "sk_reuseport/migrate", prog: "BPF_PROG_TYPE_SK_REUSEPORT", expected: "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE", flags: ["attachable"], attach: "sk_reuseport", auto: false, ctx: "sk_reuseport_md", since: "5.14", doc: "Chooses the socket of a reuseport group, also when a listener closes." },
  { sec: "sk_reuseport", prog: "BPF_PROG_TYPE_SK_REUSEPORT", expected: "BPF_SK_REUSEPORT_SELECT", flags: ["attachable"], attach: "sk_reuseport", auto: false, ctx: "sk_reuseport_md", since: "4.19", doc: "Chooses the socket of a reuseport group." },
  { sec: "kprobe+", prog: "BPF_PROG_TYPE_KPROBE", extras: "<function>[+<offset>]", attach: "kprobe", auto: true, ctx: "pt_regs", since: "4.1", doc: "Entry of a kernel function, or an instruction in it." },
  { sec: "uprobe+", prog: "BPF_PROG_TYPE_KPROBE", extras: "<file>:<function>[+<offset>]", attach: "uprobe", auto: true, ctx: "pt_regs", since: "4.3", doc: "Entry of a function of a program or library, or an instruction in it." },
  { sec: "uprobe.s+", prog: "BPF_PROG_TYPE_KPROBE", flags: ["sleepable"], extras: "<file>:<function>[+<offset>]", attach: "uprobe", auto: true, ctx: "pt_regs", since: "6.0", doc: "As uprobe, may sleep." },
  { sec: "kretprobe+", prog: "BPF_PROG_TYPE_KPROBE", extras: "<function>", attach: "kprobe", auto: true, ctx: "pt_regs", since: "4.1", doc: "Return from a kernel function." },
  { sec: "uretprobe+", prog: "BPF_PROG_TYPE_KPROBE", extras: "<file>:<function>", attach: "uprobe", auto: true, ctx: "pt_regs", since: "4.3", doc: "Return from a function of a program or library." },
  { sec: "uretprobe.s+", prog: "BPF_PROG_TYPE_KPROBE", flags: ["sleepable"], extras: "<file>:<function>", attach: "uprobe", auto: true, ctx: "pt_regs", since: "6.0", doc: "As uretprobe, may sleep." },
  { sec: "kprobe.multi+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_KPROBE_MULTI", extras: "<glob>", attach: "kprobe_multi", auto: true, ctx: "pt_regs", since: "5.18", doc: "Entry of every kernel function that matches." },
  { sec: "kretprobe.multi+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_KPROBE_MULTI", extras: "<glob>", attach: "kprobe_multi", auto: true, ctx: "pt_regs", since: "5.18", doc: "Return from every kernel function that matches." },
  { sec: "kprobe.session+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_KPROBE_SESSION", extras: "<glob>", attach: "kprobe_multi", auto: true, ctx: "pt_regs", since: "6.10", doc: "Entry and return of every kernel function that matches, with a shared cookie." },
  { sec: "uprobe.multi+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_UPROBE_MULTI", extras: "<file>:<glob>", attach: "uprobe_multi", auto: true, ctx: "pt_regs", since: "6.6", doc: "Entry of every function of a file that matches." },
  { sec: "uretprobe.multi+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_UPROBE_MULTI", extras: "<file>:<glob>", attach: "uprobe_multi", auto: true, ctx: "pt_regs", since: "6.6", doc: "Return from every function of a file that matches." },
  { sec: "uprobe.session+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_UPROBE_SESSION", extras: "<file>:<glob>", attach: "uprobe_multi", auto: true, ctx: "pt_regs", since: "6.13", doc: "Entry and return of every function of a file that matches." },
  { sec: "uprobe.multi.s+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_UPROBE_MULTI", flags: ["sleepable"], extras: "<file>:<glob>", attach: "uprobe_multi", auto: true, ctx: "pt_regs", since: "6.6", doc: "As uprobe.multi, may sleep." },
  { sec: "uretprobe.multi.s+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_UPROBE_MULTI", flags: ["sleepable"], extras: "<file>:<glob>", attach: "uprobe_multi", auto: true, ctx: "pt_regs", since: "6.6", doc: "As uretprobe.multi, may sleep." },
  { sec: "uprobe.session.s+", prog: "BPF_PROG_TYPE_KPROBE", expected: "BPF_TRACE_UPROBE_SESSION", flags: ["sleepable"], extras: "<file>:<glob>", attach: "uprobe_multi", auto: true, ctx: "pt_regs", since: "6.13", doc: "As uprobe.session, may sleep." },
  { sec: "ksyscall+", prog: "BPF_PROG_TYPE_KPROBE", extras: "<syscall>", attach: "ksyscall", auto: true, ctx: "pt_regs", since: "4.1", doc: "Entry of a system call, under the name that this kernel and machine give its function." },
  { sec: "kretsyscall+", prog: "BPF_PROG_TYPE_KPROBE", extras: "<syscall>", attach: "ksyscall", auto: true, ctx: "pt_regs", since: "4.1", doc: "Return from a system call." },
  { sec: "usdt+", prog: "BPF_PROG_TYPE_KPROBE", flags: ["usdt"], extras: "<file>:<provider>:<name>", attach: "usdt", auto: true, ctx: "pt_regs", since: "4.3", doc: "A static probe that a program or library declares." },
  { sec: "usdt.s+", prog: "BPF_PROG_TYPE_KPROBE", flags: ["usdt", "sleepable"], extras: "<file>:<provider>:<name>", attach: "usdt", auto: true, ctx: "pt_regs", since: "6.0", doc: "As usdt, may sleep." },
  { sec: "tc/ingress", prog: "BPF_PROG_TYPE_SCHED_CLS", expected: "BPF_TCX_INGRESS", attach: "tcx", auto: false, ctx: "__sk_buff", since: "6.6", doc: "Packets that arrive at a device." },
  { sec: "tc/egress", prog: "BPF_PROG_TYPE_SCHED_CLS", expected: "BPF_TCX_EGRESS", attach: "tcx", auto: false, ctx: "__sk_buff", since: "6.6", doc: "Packets that leave through a device." },
  { sec: "tcx/ingress", prog: "BPF_PROG_TYPE_SCHED_CLS", expected: "BPF_TCX_INGRESS", attach: "tcx", auto: false, ctx: "__sk_buff", since: "6.6", doc: "Packets that arrive at a device." },
  { sec: "tcx/egress", prog: "BPF_PROG_TYPE_SCHED_CLS", expected: "BPF_TCX_EGRESS", attach: "tcx", auto: false, ctx: "__sk_buff", since: "6.6", doc: "Packets that leave through a device." },
  { sec: "tc", prog: "BPF_PROG_TYPE_SCHED_CLS", attach: "tc", auto: false, ctx: "__sk_buff", since: "4.1", doc: "Traffic control classifier with direct action; direction is an option." },
  { sec: "classifier", prog: "BPF_PROG_TYPE_SCHED_CLS", attach: "tc", auto: false, ctx: "__sk_buff", since: "4.1", doc: "Older name of tc." },
  { sec: "action", prog: "BPF_PROG_TYPE_SCHED_ACT", attach: "none", auto: false, ctx: "__sk_buff", since: "4.1", doc: "Traffic control action, referred to by a filter." },
  { sec: "netkit/primary", prog: "BPF_PROG_TYPE_SCHED_CLS", expected: "BPF_NETKIT_PRIMARY", attach: "netkit", auto: false, ctx: "__sk_buff", since: "6.7", doc: "Packets sent through the primary end of a netkit pair." },
  { sec: "netkit/peer", prog: "BPF_PROG_TYPE_SCHED_CLS", expected: "BPF_NETKIT_PEER", attach: "netkit", auto: false, ctx: "__sk_buff", since: "6.7", doc: "Packets sent through the peer end of a netkit pair." },
  { sec: "tracepoint+", prog: "BPF_PROG_TYPE_TRACEPOINT", extras: "<category>/<name>", attach: "tracepoint", auto: true, ctx: "tracepoint", since: "4.7", doc: "A tracepoint, with its fields as in tracefs." },
  { sec: "tp+", prog: "BPF_PROG_TYPE_TRACEPOINT", extras: "<category>/<name>", attach: "tracepoint", auto: true, ctx: "tracepoint", since: "4.7", doc: "Short for tracepoint." },
  { sec: "tracepoint.s+", prog: "BPF_PROG_TYPE_TRACEPOINT", flags: ["sleepable"], extras: "<category>/<name>", attach: "tracepoint", auto: true, ctx: "tracepoint", since: "7.2", doc: "As tracepoint, may sleep." },
  { sec: "tp.s+", prog: "BPF_PROG_TYPE_TRACEPOINT", flags: ["sleepable"], extras: "<category>/<name>", attach: "tracepoint", auto: true, ctx: "tracepoint", since: "7.2", doc: "Short for tracepoint.s." },
  { sec: "raw_tracepoint+", prog: "BPF_PROG_TYPE_RAW_TRACEPOINT", extras: "<name>", attach: "raw_tracepoint", auto: true, ctx: "bpf_raw_tracepoint_args", since: "4.17", doc: "A tracepoint, with its raw arguments." },
  { sec: "raw_tp+", prog: "BPF_PROG_TYPE_RAW_TRACEPOINT", extras: "<name>", attach: "raw_tracepoint", auto: true, ctx: "bpf_raw_tracepoint_args", since: "4.17", doc: "Short for raw_tracepoint." },
  { sec: "raw_tracepoint.s+", prog: "BPF_PROG_TYPE_RAW_TRACEPOINT", flags: ["sleepable"], extras: "<name>", attach: "raw_tracepoint", auto: true, ctx: "bpf_raw_tracepoint_args", since: "7.2", doc: "As raw_tracepoint, may sleep." },
  { sec: "raw_tp.s+", prog: "BPF_PROG_TYPE_RAW_TRACEPOINT", flags: ["sleepable"], extras: "<name>", attach: "raw_tracepoint", auto: true, ctx: "bpf_raw_tracepoint_args", since: "7.2", doc: "Short for raw_tracepoint.s." },
  { sec: "raw_tracepoint.w+", prog: "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", extras: "<name>", attach: "raw_tracepoint", auto: true, ctx: "bpf_raw_tracepoint_args", since: "5.2", doc: "A tracepoint whose writable argument the program may change." },
  { sec: "raw_tp.w+", prog: "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", extras: "<name>", attach: "raw_tracepoint", auto: true, ctx: "bpf_raw_tracepoint_args", since: "5.2", doc: "Short for raw_tracepoint.w." },
  { sec: "tp_btf+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_RAW_TP", flags: ["attachBtf"], extras: "<name>", attach: "trace", auto: true, ctx: "btf_args", since: "5.5", doc: "A tracepoint, with typed arguments." },
  { sec: "tp_btf.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_RAW_TP", flags: ["attachBtf", "sleepable"], extras: "<name>", attach: "trace", auto: true, ctx: "btf_args", since: "7.2", doc: "As tp_btf, may sleep." },
  { sec: "fentry+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FENTRY", flags: ["attachBtf"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "5.5", doc: "Entry of a kernel function, with typed arguments." },
  { sec: "fmod_ret+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_MODIFY_RETURN", flags: ["attachBtf"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "5.7", doc: "Before a function that allows it; a non-zero result replaces the call." },
  { sec: "fexit+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FEXIT", flags: ["attachBtf"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "5.5", doc: "Return from a kernel function, with typed arguments and result." },
  { sec: "fentry.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FENTRY", flags: ["attachBtf", "sleepable"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "5.10", doc: "As fentry, may sleep." },
  { sec: "fmod_ret.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_MODIFY_RETURN", flags: ["attachBtf", "sleepable"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "5.10", doc: "As fmod_ret, may sleep." },
  { sec: "fexit.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FEXIT", flags: ["attachBtf", "sleepable"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "5.10", doc: "As fexit, may sleep." },
  { sec: "fsession+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FSESSION", flags: ["attachBtf"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "7.0", doc: "Entry and return of a kernel function, with a shared cookie." },
  { sec: "fsession.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FSESSION", flags: ["attachBtf", "sleepable"], extras: "[<module>:]<function>", attach: "trace", auto: true, ctx: "btf_args", since: "7.0", doc: "As fsession, may sleep." },
  { sec: "fsession.multi+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FSESSION_MULTI", extras: "[<module>:]<glob>", attach: "trace_multi", auto: true, ctx: "btf_args", since: "7.2", doc: "Entry and return of every kernel function that matches." },
  { sec: "fsession.multi.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FSESSION_MULTI", flags: ["sleepable"], extras: "[<module>:]<glob>", attach: "trace_multi", auto: true, ctx: "btf_args", since: "7.2", doc: "As fsession.multi, may sleep." },
  { sec: "fentry.multi+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FENTRY_MULTI", extras: "[<module>:]<glob>", attach: "trace_multi", auto: true, ctx: "btf_args", since: "7.2", doc: "Entry of every kernel function that matches." },
  { sec: "fexit.multi+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FEXIT_MULTI", extras: "[<module>:]<glob>", attach: "trace_multi", auto: true, ctx: "btf_args", since: "7.2", doc: "Return from every kernel function that matches." },
  { sec: "fentry.multi.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FENTRY_MULTI", flags: ["sleepable"], extras: "[<module>:]<glob>", attach: "trace_multi", auto: true, ctx: "btf_args", since: "7.2", doc: "As fentry.multi, may sleep." },
  { sec: "fexit.multi.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_FEXIT_MULTI", flags: ["sleepable"], extras: "[<module>:]<glob>", attach: "trace_multi", auto: true, ctx: "btf_args", since: "7.2", doc: "As fexit.multi, may sleep." },
  { sec: "freplace+", prog: "BPF_PROG_TYPE_EXT", flags: ["attachBtf"], extras: "<function>", attach: "freplace", auto: true, ctx: "btf_args", since: "5.6", doc: "Replaces a global function of a loaded BPF program." },
  { sec: "lsm+", prog: "BPF_PROG_TYPE_LSM", expected: "BPF_LSM_MAC", flags: ["attachBtf"], extras: "<hook>", attach: "trace", auto: true, ctx: "btf_args", since: "5.7", doc: "A security hook; a negative errno denies." },
  { sec: "lsm.s+", prog: "BPF_PROG_TYPE_LSM", expected: "BPF_LSM_MAC", flags: ["attachBtf", "sleepable"], extras: "<hook>", attach: "trace", auto: true, ctx: "btf_args", since: "5.10", doc: "As lsm, may sleep." },
  { sec: "lsm_cgroup+", prog: "BPF_PROG_TYPE_LSM", expected: "BPF_LSM_CGROUP", flags: ["attachBtf"], extras: "<hook>", attach: "cgroup", auto: false, ctx: "btf_args", since: "6.0", doc: "A security hook, for the tasks or sockets of one cgroup; 0 denies." },
  { sec: "iter+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_ITER", flags: ["attachBtf"], extras: "<target>", attach: "iter", auto: true, ctx: "bpf_iter", since: "5.8", doc: "Runs for every object of a kind when the link is read; its output is the text read." },
  { sec: "iter.s+", prog: "BPF_PROG_TYPE_TRACING", expected: "BPF_TRACE_ITER", flags: ["attachBtf", "sleepable"], extras: "<target>", attach: "iter", auto: true, ctx: "bpf_iter", since: "5.18", doc: "As iter, may sleep." },
  { sec: "syscall", prog: "BPF_PROG_TYPE_SYSCALL", flags: ["sleepable"], attach: "none", auto: false, ctx: "void", since: "5.14", doc: "Runs when user space asks, may call bpf(2) itself." },
  { sec: "xdp.frags/devmap", prog: "BPF_PROG_TYPE_XDP", expected: "BPF_XDP_DEVMAP", flags: ["xdpFrags"], attach: "none", auto: false, ctx: "xdp_md", since: "5.18", doc: "As xdp/devmap, with packets of several buffers." },
  { sec: "xdp/devmap", prog: "BPF_PROG_TYPE_XDP", expected: "BPF_XDP_DEVMAP", flags: ["attachable"], attach: "none", auto: false, ctx: "xdp_md", since: "5.8", doc: "Packets redirected through an entry of a device map." },
  { sec: "xdp.frags/cpumap", prog: "BPF_PROG_TYPE_XDP", expected: "BPF_XDP_CPUMAP", flags: ["xdpFrags"], attach: "none", auto: false, ctx: "xdp_md", since: "5.18", doc: "As xdp/cpumap, with packets of several buffers." },
  { sec: "xdp/cpumap", prog: "BPF_PROG_TYPE_XDP", expected: "BPF_XDP_CPUMAP", flags: ["attachable"], attach: "none", auto: false, ctx: "xdp_md", since: "5.9", doc: "Packets redirected to another CPU, there." },
  { sec: "xdp.frags", prog: "BPF_PROG_TYPE_XDP", expected: "BPF_XDP", flags: ["xdpFrags"], attach: "xdp", auto: false, ctx: "xdp_md", since: "5.18", doc: "As xdp, with packets of several buffers." },
  { sec: "xdp", prog: "BPF_PROG_TYPE_XDP", expected: "BPF_XDP", flags: ["attachableOpt"], attach: "xdp", auto: false, ctx: "xdp_md", since: "4.8", doc: "Packets as the driver receives them." },
  { sec: "perf_event", prog: "BPF_PROG_TYPE_PERF_EVENT", attach: "perf_event", auto: false, ctx: "bpf_perf_event_data", since: "4.9", doc: "Samples of a performance counter or clock." },
  { sec: "lwt_in", prog: "BPF_PROG_TYPE_LWT_IN", attach: "lwt", auto: false, ctx: "__sk_buff", since: "4.10", doc: "Packets of a route that arrive." },
  { sec: "lwt_out", prog: "BPF_PROG_TYPE_LWT_OUT", attach: "lwt", auto: false, ctx: "__sk_buff", since: "4.10", doc: "Packets of a route that leave." },
  { sec: "lwt_xmit", prog: "BPF_PROG_TYPE_LWT_XMIT", attach: "lwt", auto: false, ctx: "__sk_buff", since: "4.10", doc: "Packets of a route just before they are sent." },
  { sec: "lwt_seg6local", prog: "BPF_PROG_TYPE_LWT_SEG6LOCAL", attach: "lwt", auto: false, ctx: "__sk_buff", since: "4.18", doc: "Action of a segment routing endpoint." },
  { sec: "sockops", prog: "BPF_PROG_TYPE_SOCK_OPS", expected: "BPF_CGROUP_SOCK_OPS", flags: ["attachableOpt"], attach: "cgroup", auto: false, ctx: "bpf_sock_ops", since: "4.13", doc: "Events in the life of the TCP connections of a cgroup." },
  { sec: "sk_skb/stream_parser", prog: "BPF_PROG_TYPE_SK_SKB", expected: "BPF_SK_SKB_STREAM_PARSER", flags: ["attachableOpt"], attach: "sockmap", auto: false, ctx: "__sk_buff", since: "4.14", doc: "Finds message boundaries in the stream of a socket in a map." },
  { sec: "sk_skb/stream_verdict", prog: "BPF_PROG_TYPE_SK_SKB", expected: "BPF_SK_SKB_STREAM_VERDICT", flags: ["attachableOpt"], attach: "sockmap", auto: false, ctx: "__sk_buff", since: "4.14", doc: "Passes, drops or redirects messages of a socket in a map." },
  { sec: "sk_skb/verdict", prog: "BPF_PROG_TYPE_SK_SKB", expected: "BPF_SK_SKB_VERDICT", flags: ["attachableOpt"], attach: "sockmap", auto: false, ctx: "__sk_buff", since: "5.13", doc: "Passes, drops or redirects what a socket in a map receives." },
  { sec: "sk_skb", prog: "BPF_PROG_TYPE_SK_SKB", attach: "sockmap", auto: false, ctx: "__sk_buff", since: "4.14", doc: "Socket map program; the attach type is an option." },
  { sec: "sk_msg", prog: "BPF_PROG_TYPE_SK_MSG", expected: "BPF_SK_MSG_VERDICT", flags: ["attachableOpt"], attach: "sockmap", auto: false, ctx: "sk_msg_md", since: "4.17", doc: "Passes, drops or redirects what a socket in a map sends." },
  { sec: "lirc_mode2", prog: "BPF_PROG_TYPE_LIRC_MODE2", expected: "BPF_LIRC_MODE2", flags: ["attachableOpt"], attach: "lirc", auto: false, ctx: "u32", since: "4.18", doc: "Decodes the signal of an infrared receiver." },
  { sec: "flow_dissector", prog: "BPF_PROG_TYPE_FLOW_DISSECTOR", expected: "BPF_FLOW_DISSECTOR", flags: ["attachableOpt"], attach: "netns", auto: false, ctx: "__sk_buff", since: "4.20", doc: "Dissects the headers of the packets of a network namespace." },
  { sec: "cgroup_skb/ingress", prog: "BPF_PROG_TYPE_CGROUP_SKB", expected: "BPF_CGROUP_INET_INGRESS", flags: ["attachableOpt"], attach: "cgroup", auto: false, ctx: "__sk_buff", since: "4.10", doc: "Packets that sockets of a cgroup receive; 0 drops." },
  { sec: "cgroup_skb/egress", prog: "BPF_PROG_TYPE_CGROUP_SKB", expected: "BPF_CGROUP_INET_EGRESS", flags: ["attachableOpt"], attach: "cgroup", auto: false, ctx: "__sk_buff", since: "4.10", doc: "Packets that sockets of a cgroup send; 0 drops." },
  { sec: "cgroup/skb", prog: "BPF_PROG_TYPE_CGROUP_SKB", attach: "cgroup", auto: false, ctx: "__sk_buff", since: "4.10", doc: "Packets of the sockets of a cgroup; the direction is an option." },
  { sec: "cgroup/sock_create", prog: "BPF_PROG_TYPE_CGROUP_SOCK", expected: "BPF_CGROUP_INET_SOCK_CREATE", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock", since: "4.10", doc: "A task of a cgroup creates a socket; 0 refuses." },
  { sec: "cgroup/sock_release", prog: "BPF_PROG_TYPE_CGROUP_SOCK", expected: "BPF_CGROUP_INET_SOCK_RELEASE", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock", since: "5.9", doc: "A socket of a cgroup is closed." },
  { sec: "cgroup/sock", prog: "BPF_PROG_TYPE_CGROUP_SOCK", expected: "BPF_CGROUP_INET_SOCK_CREATE", flags: ["attachableOpt"], attach: "cgroup", auto: false, ctx: "bpf_sock", since: "4.10", doc: "Older name of cgroup/sock_create." },
  { sec: "cgroup/post_bind4", prog: "BPF_PROG_TYPE_CGROUP_SOCK", expected: "BPF_CGROUP_INET4_POST_BIND", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock", since: "4.17", doc: "After an IPv4 socket of a cgroup was bound; 0 refuses." },
  { sec: "cgroup/post_bind6", prog: "BPF_PROG_TYPE_CGROUP_SOCK", expected: "BPF_CGROUP_INET6_POST_BIND", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock", since: "4.17", doc: "After an IPv6 socket of a cgroup was bound; 0 refuses." },
  { sec: "cgroup/bind4", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET4_BIND", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "4.17", doc: "bind(2) of IPv4 sockets of a cgroup; may change the address." },
  { sec: "cgroup/bind6", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET6_BIND", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "4.17", doc: "bind(2) of IPv6 sockets of a cgroup; may change the address." },
  { sec: "cgroup/connect4", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET4_CONNECT", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "4.17", doc: "connect(2) of IPv4 sockets of a cgroup; may change the address." },
  { sec: "cgroup/connect6", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET6_CONNECT", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "4.17", doc: "connect(2) of IPv6 sockets of a cgroup; may change the address." },
  { sec: "cgroup/connect_unix", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UNIX_CONNECT", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "6.7", doc: "connect(2) of Unix sockets of a cgroup; may change the address." },
  { sec: "cgroup/sendmsg4", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UDP4_SENDMSG", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "4.18", doc: "sendmsg(2) without connection of IPv4 sockets of a cgroup; may change the address." },
  { sec: "cgroup/sendmsg6", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UDP6_SENDMSG", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "4.18", doc: "sendmsg(2) without connection of IPv6 sockets of a cgroup; may change the address." },
  { sec: "cgroup/sendmsg_unix", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UNIX_SENDMSG", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "6.7", doc: "sendmsg(2) without connection of Unix sockets of a cgroup; may change the address." },
  { sec: "cgroup/recvmsg4", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UDP4_RECVMSG", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "5.2", doc: "recvmsg(2) without connection of IPv4 sockets of a cgroup; may change the address." },
  { sec: "cgroup/recvmsg6", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UDP6_RECVMSG", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "5.2", doc: "recvmsg(2) without connection of IPv6 sockets of a cgroup; may change the address." },
  { sec: "cgroup/recvmsg_unix", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UNIX_RECVMSG", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "6.7", doc: "recvmsg(2) without connection of Unix sockets of a cgroup; may change the address." },
  { sec: "cgroup/getpeername4", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET4_GETPEERNAME", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "5.8", doc: "getpeername(2) of IPv4 sockets of a cgroup; may change the address." },
  { sec: "cgroup/getpeername6", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET6_GETPEERNAME", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "5.8", doc: "getpeername(2) of IPv6 sockets of a cgroup; may change the address." },
  { sec: "cgroup/getpeername_unix", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UNIX_GETPEERNAME", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "6.7", doc: "getpeername(2) of Unix sockets of a cgroup; may change the address." },
  { sec: "cgroup/getsockname4", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET4_GETSOCKNAME", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "5.8", doc: "getsockname(2) of IPv4 sockets of a cgroup; may change the address." },
  { sec: "cgroup/getsockname6", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_INET6_GETSOCKNAME", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "5.8", doc: "getsockname(2) of IPv6 sockets of a cgroup; may change the address." },
  { sec: "cgroup/getsockname_unix", prog: "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", expected: "BPF_CGROUP_UNIX_GETSOCKNAME", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sock_addr", since: "6.7", doc: "getsockname(2) of Unix sockets of a cgroup; may change the address." },
  { sec: "cgroup/sysctl", prog: "BPF_PROG_TYPE_CGROUP_SYSCTL", expected: "BPF_CGROUP_SYSCTL", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sysctl", since: "5.2", doc: "A task of a cgroup reads or writes below /proc/sys; 0 refuses." },
  { sec: "cgroup/getsockopt", prog: "BPF_PROG_TYPE_CGROUP_SOCKOPT", expected: "BPF_CGROUP_GETSOCKOPT", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sockopt", since: "5.3", doc: "getsockopt(2) of a cgroup's tasks; may change the result." },
  { sec: "cgroup/setsockopt", prog: "BPF_PROG_TYPE_CGROUP_SOCKOPT", expected: "BPF_CGROUP_SETSOCKOPT", flags: ["attachable"], attach: "cgroup", auto: false, ctx: "bpf_sockopt", since: "5.3", doc: "setsockopt(2) of a cgroup's tasks; may change or refuse it." },
  { sec: "cgroup/dev", prog: "BPF_PROG_TYPE_CGROUP_DEVICE", expected: "BPF_CGROUP_DEVICE", flags: ["attachableOpt"], attach: "cgroup", auto: false, ctx: "bpf_cgroup_dev_ctx", since: "4.15", doc: "A task of a cgroup opens or makes a device file; 0 refuses." },
  { sec: "struct_ops+", prog: "BPF_PROG_TYPE_STRUCT_OPS", extras: "<anything>", attach: "struct_ops", auto: false, ctx: "btf_args", since: "5.6", doc: "A function of a kernel interface; attached with the map that holds the interface." },
  { sec: "struct_ops.s+", prog: "BPF_PROG_TYPE_STRUCT_OPS", flags: ["sleepable"], extras: "<anything>", attach: "struct_ops", auto: false, ctx: "btf_args", since: "6.3", doc: "As struct_ops, may sleep." },
  { sec: "sk_lookup", prog: "BPF_PROG_TYPE_SK_LOOKUP", expected: "BPF_SK_LOOKUP", flags: ["attachable"], attach: "netns", auto: false, ctx: "bpf_sk_lookup", since: "5.9", doc: "Chooses the socket for an incoming connection or datagram of a network namespace." },
  { sec: "netfilter", prog: "BPF_PROG_TYPE_NETFILTER", expected: "BPF_NETFILTER", attach: "netfilter", auto: false, ctx: "bpf_nf_ctx", since: "6.4", doc: "Packets at a netfilter hook." },
] as const satisfies readonly SectionDef[];

type Pattern = (typeof SECTIONS)[number]["sec"];

/** Every name that a pattern accepts: `kprobe`, `kprobe/anything`, `xdp`. */
export type SectionName = { [P in Pattern]: P extends `${infer Base}+` ? Base | `${Base}/${string}` : P }[Pattern];

/** The number of a row's program type. */
export function sectionProgType(def: SectionDef): number {
  return bpf_prog_type.indexOf(def.prog);
}

/** The number of a row's expected attach type; 0 if it has none. */
export function sectionAttachType(def: SectionDef): number {
  return def.expected === undefined ? 0 : bpf_attach_type.indexOf(def.expected);
}

/** Whether a row has a flag. */
export function hasSectionFlag(def: SectionDef, flag: SectionFlag): boolean {
  return def.flags?.includes(flag) ?? false;
}
