/**
 * The type of a program's context, from the program's key: types only. The compiler makes the same choice from BTF and
 * from the tracepoint's format where it runs; what is not listed here has type `KernelContext`.
 */
import type { KernelFunctionTypes, LsmHooks } from "./ctx/functions.gen.ts";
import type { Iterators } from "./ctx/iterators.gen.ts";
import type { RawTracepoints } from "./ctx/raw_tracepoints.gen.ts";
import type {
  __sk_buff,
  bpf_cgroup_dev_ctx,
  bpf_nf_ctx,
  bpf_perf_event_data,
  bpf_sk_lookup,
  bpf_sock,
  bpf_sock_addr,
  bpf_sock_ops,
  bpf_sockopt,
  bpf_sysctl,
  sk_msg_md,
  sk_reuseport_md,
  xdp_md,
} from "./ctx/structs.gen.ts";
import type { StructOps } from "./ctx/struct_ops.gen.ts";
import type { SyscallArguments } from "./ctx/syscalls.gen.ts";
import type { Tracepoints } from "./ctx/tracepoints.gen.ts";
import type { KernelPointer, Unlisted } from "./kernel_types.ts";

/** A context of which the editor knows nothing: every field may be a number or a pointer. */
export type KernelContext = Unlisted;

/** Arguments by position, in registers: uprobes, and kprobes of functions without BTF. */
export interface RegisterArguments {
  readonly arg0: KernelPointer;
  readonly arg1: KernelPointer;
  readonly arg2: KernelPointer;
  readonly arg3: KernelPointer;
  readonly arg4: KernelPointer;
  readonly arg5: KernelPointer;
  /** Instruction pointer. */
  readonly ip: number;
  /** Stack pointer. */
  readonly sp: number;
}

/** Arguments of a static probe; how many it has is known when the script runs. */
export interface StaticProbeArguments extends RegisterArguments {
  readonly arg6: KernelPointer;
  readonly arg7: KernelPointer;
  readonly arg8: KernelPointer;
  readonly arg9: KernelPointer;
  readonly arg10: KernelPointer;
  readonly arg11: KernelPointer;
}

/** The traced function's result. */
export interface Returned<R = KernelPointer> {
  readonly ret: R;
}

interface SyscallNumber {
  readonly __syscall_nr: number;
}

/** Names that are patterns, and those of system calls that came later than the list, have the number for sure. */
type SyscallEntry<Name> = Name extends keyof SyscallArguments
  ? { readonly [A in SyscallArguments[Name]]: number } & SyscallNumber
  : KernelContext & SyscallNumber;

type Tracepoint<Event> = Event extends `syscalls:sys_enter_${infer Name}` ? SyscallEntry<Name>
  : Event extends `syscalls:sys_exit_${string}` ? Returned<number> & SyscallNumber
  : Event extends keyof Tracepoints ? Readonly<Tracepoints[Event]>
  : KernelContext;

type RawTracepoint<Name> = Name extends keyof RawTracepoints ? Readonly<RawTracepoints[Name]> : KernelContext;

type Arguments<List> = List extends [infer A, ...unknown[]] ? Readonly<A> : KernelContext;
type ResultOf<List> = List extends [unknown, infer R] ? Returned<R> : List extends [unknown] ? unknown : Returned;

type Entry<Name> = Name extends keyof KernelFunctionTypes ? Arguments<KernelFunctionTypes[Name]> : KernelContext;
type Exit<Name> = Name extends keyof KernelFunctionTypes ? ResultOf<KernelFunctionTypes[Name]> : Returned;
type Lsm<Name> = Name extends keyof LsmHooks ? Arguments<LsmHooks[Name]> & ResultOf<LsmHooks[Name]>
  : KernelContext & Returned;
type StructOpsArguments<Target> = Target extends keyof StructOps ? Readonly<StructOps[Target]> : KernelContext;
type Iterator<Name> = Name extends keyof Iterators ? Readonly<Iterators[Name]> : KernelContext;

/** Programs whose context is one struct of the kernel's user API. */
interface StructContexts {
  xdp: xdp_md;
  tc: __sk_buff;
  tcx: __sk_buff;
  netkit: __sk_buff;
  classifier: __sk_buff;
  action: __sk_buff;
  socket: __sk_buff;
  lwt_in: __sk_buff;
  lwt_out: __sk_buff;
  lwt_xmit: __sk_buff;
  sk_skb: __sk_buff;
  cgroup_skb: __sk_buff;
  flow_dissector: __sk_buff;
  sk_msg: sk_msg_md;
  sk_reuseport: sk_reuseport_md;
  sk_lookup: bpf_sk_lookup;
  sockops: bpf_sock_ops;
  perf_event: bpf_perf_event_data;
  profile: bpf_perf_event_data;
  software: bpf_perf_event_data;
  hardware: bpf_perf_event_data;
  watchpoint: bpf_perf_event_data;
  netfilter: bpf_nf_ctx;
}

/** `cgroup:<hook>`: the context depends on the hook. */
type Cgroup<Hook> = Hook extends "dev" ? bpf_cgroup_dev_ctx
  : Hook extends "sysctl" ? bpf_sysctl
  : Hook extends "getsockopt" | "setsockopt" ? bpf_sockopt
  : Hook extends "sock" | "sock_create" | "sock_release" | "post_bind4" | "post_bind6" ? bpf_sock
  : Hook extends "skb" ? __sk_buff
  : Hook extends "sockops" ? bpf_sock_ops
  : bpf_sock_addr;

/** The context for a first segment and what follows it. */
type ContextOf<Kind, Target> = Kind extends "tracepoint" | "tp" ? Tracepoint<Target>
  : Kind extends "raw_tp" | "raw_tracepoint" | "tp_btf" | "raw_tp.w" ? RawTracepoint<Target>
  : Kind extends "fentry" | "fentry.s" | "fmod_ret" | "fmod_ret.s" ? Entry<Target>
  : Kind extends "fexit" | "fexit.s" ? Entry<Target> & Exit<Target>
  : Kind extends "kprobe" | "kprobe.multi" ? Entry<Target> & RegisterArguments
  : Kind extends "kretprobe" | "kretprobe.multi" ? Exit<Target>
  : Kind extends "kprobe.session" ? Entry<Target> & RegisterArguments & Exit<Target>
  : Kind extends "ksyscall" ? SyscallEntry<Target>
  : Kind extends "kretsyscall" ? Returned<number>
  : Kind extends "uprobe" | "uprobe.s" | "uprobe.multi" | "uprobe.multi.s" ? RegisterArguments
  : Kind extends "usdt" | "usdt.s" ? StaticProbeArguments
  : Kind extends "uretprobe" | "uretprobe.s" | "uretprobe.multi" | "uretprobe.multi.s" ? Returned<number>
  : Kind extends "lsm" | "lsm.s" | "lsm_cgroup" ? Lsm<Target>
  : Kind extends "struct_ops" | "struct_ops.s" ? StructOpsArguments<Target>
  : Kind extends "iter" | "iter.s" ? Iterator<Target>
  : Kind extends "cgroup" ? Cgroup<Target>
  : Kind extends "cgroup_skb" ? __sk_buff
  : Kind extends "sk_skb" ? __sk_buff
  : Kind extends "sk_reuseport" ? sk_reuseport_md
  : Kind extends keyof StructContexts ? StructContexts[Kind]
  : KernelContext;

/**
 * The context of a program, from its key: `Ctx<"tracepoint:sched:sched_switch">` has `prev_comm`, `next_pid`, …
 * Keys that stand for several hooks, separated by commas, give what all of them have.
 */
export type Ctx<Key extends string> = Key extends `${infer First}, ${infer Rest}` ? Ctx<First> | Ctx<Rest>
  : Key extends `${infer Kind}:${infer Target}` ? ContextOf<Kind, Target>
  : ContextOf<Key, "">;
