/**
 * What attaching takes: a program as `load` gives it, the parsed target of its section name, and options. Types only.
 * Every hook's options are plain objects; what the section name already says may be left out of them.
 */
import type { XdpVerdict } from "../kernel/xdp_dispatcher.ts";
import type { Btf } from "../btf/btf.ts";
import type { SectionTarget } from "../object/section_name.ts";
import type { SectionDef } from "../object/sections.ts";
import type { MapSpec } from "../object/spec.ts";
import type { Fd } from "../syscall/fd.ts";
import type { Link } from "./link.ts";

/** A map of the object that a program is part of. */
export interface ObjectMap {
  readonly spec: MapSpec;
  readonly fd: Fd;
}

/** What attaching may need of the object that a program is part of: USDT keeps places of arguments in its maps. */
export interface ProgramObject {
  readonly btf: Btf | undefined;
  map(name: string): ObjectMap | undefined;
}

/** A loaded program, as far as attaching needs it. */
export interface AttachableProgram {
  readonly name: string;
  /** An open file descriptor; the caller keeps it. */
  readonly fd: number;
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  /** What it was loaded with: a BPF_* attach type, or 0. */
  readonly expectedAttachType: number;
  /** As in the object file. */
  readonly sectionName: string;
  /** Row of the section table; undefined for a name that is in no row. */
  readonly def: SectionDef | undefined;
  /** What follows the section's base: `syscalls/sys_enter_openat`. */
  readonly target: string;
  /** BTF id of what it attaches to, for fentry and kin; 0 otherwise. */
  readonly attachBtfId: number;
  /**
   * Loads the same program once more, to replace a function of another one, which is given by a descriptor and the
   * function's BTF id. Undefined for programs that were loaded alone.
   */
  loadAsExtension?(target: { readonly fd: number; readonly btfId: number }): Fd;
  /** Undefined for programs that were loaded alone. */
  readonly object?: ProgramObject | undefined;
}

/** A 64-bit number that the program reads with `bpf_get_attach_cookie`. */
export type Cookie = bigint | number;

/** An attacher: one per attach kind, see registry.ts. */
export interface Attacher<O extends object> {
  /** Names of its options, to tell a misspelt one. */
  readonly options: readonly (keyof O & string)[];
  /** Attaches. Throws before any system call for wrong options, and leaves nothing behind when it throws. */
  attach(prog: AttachableProgram, target: SectionTarget, options: O): Link;
}

/** How a probe reaches the kernel. `auto` takes the newest that works. */
export type ProbeMode = "auto" | "link" | "perf" | "legacy";

/** kprobe, kretprobe. */
export interface KprobeOptions {
  /** Kernel function; with `*` or `?` all functions that match. */
  symbol?: string;
  /** Bytes from its start; 0 for return probes. */
  offset?: number;
  /** At return; by default what the section name says. */
  retprobe?: boolean;
  /** Needs Linux 5.15. */
  cookie?: Cookie;
  /** `link`: perf event and BPF link (5.15); `perf`: perf event and ioctl (4.17); `legacy`: tracefs. */
  mode?: ProbeMode;
}

/** ksyscall, kretsyscall. */
export interface KsyscallOptions {
  /** Name as in its man page. */
  syscall?: string;
  /** At return; by default what the section name says. */
  retprobe?: boolean;
  /** What `bpf_get_attach_cookie()` returns (5.15). */
  cookie?: Cookie;
}

/** kprobe.multi, kretprobe.multi, kprobe.session (5.18). */
export interface KprobeMultiOptions {
  /** `*` and `?` match as in file names. */
  pattern?: string;
  /** Or the functions by name. */
  symbols?: readonly string[];
  /** Or the functions by address. */
  addresses?: readonly bigint[];
  /** One for each of `symbols` or `addresses`. */
  cookies?: readonly Cookie[];
  /** At return; by default what the section name says. */
  retprobe?: boolean;
  /** At entry and return (6.10). */
  session?: boolean;
}

/** uprobe, uretprobe. */
export interface UprobeOptions {
  /**
   * A path, or the name of a library (`libc.so.6`, `libc`) or command (`bash`), which is searched for. With `pid` as that
   * process sees it: in its container, and first among the files that it has mapped.
   */
  path?: string;
  /**
   * Function, also with version: `memcpy@GLIBC_2.2.5`; with `*` or `?` all functions that match. Of stripped files also
   * those in their debug files, by build id or debug link, and in `.gnu_debugdata`.
   */
  symbol?: string;
  /** Or an address, as the file's symbol table has it. */
  address?: Cookie;
  /** Bytes from the function's start; without `symbol` from the start of the file. */
  offset?: number;
  /** Only in this process; 0: this one; left out: in all, also those that start later. */
  pid?: number;
  /** At return; by default what the section name says. */
  retprobe?: boolean;
  /** Needs Linux 5.15. */
  cookie?: Cookie;
  /** File offset of a 16-bit counter that the kernel raises while the probe is attached (4.20). */
  refCtrOffset?: number;
  /** As for kprobe. */
  mode?: ProbeMode;
}

/** uprobe.multi and kin (6.6). */
export interface UprobeMultiOptions {
  /** A file, as for uprobe. */
  path?: string;
  /** `*` and `?` match as in file names. */
  pattern?: string;
  /** Or the functions by name. */
  symbols?: readonly string[];
  /** File offsets. */
  offsets?: readonly number[];
  /** File offsets of 16-bit counters, one for each place; 0: none. */
  refCtrOffsets?: readonly number[];
  /** One for each place. */
  cookies?: readonly Cookie[];
  /** Only in this process; 0: this one. */
  pid?: number;
  /** At return; by default what the section name says. */
  retprobe?: boolean;
  /** At entry and return (6.13). */
  session?: boolean;
}

/** usdt. `*` and `?` match as in file names. */
export interface UsdtOptions {
  /** A path, or the name of a library or command, searched for among the files of the process if `pid` is given. */
  path?: string;
  /** The group that the probe belongs to. */
  provider?: string;
  /** The name of the probe. */
  name?: string;
  /** Only in this process; 0: this one. */
  pid?: number;
  /** What `bpf_usdt_cookie()` returns. */
  cookie?: Cookie;
}

/** tracepoint. `*` and `?` match as in file names. */
export interface TracepointOptions {
  /** Its folder below `events` of tracefs: `syscalls`. */
  category?: string;
  /** The name of the tracepoint. */
  name?: string;
  /** Needs Linux 5.15. */
  cookie?: Cookie;
}

/** raw_tracepoint. */
export interface RawTracepointOptions {
  /** The name of the tracepoint, without category. */
  name?: string;
  /** Needs Linux 6.9. */
  cookie?: Cookie;
}

/** fentry, fexit, fmod_ret, tp_btf, lsm: the target was fixed when the program was loaded. */
export interface TraceOptions {
  /** Needs Linux 5.19. */
  cookie?: Cookie;
}

/** fentry.multi, fexit.multi, fsession.multi (7.2). */
export interface TraceMultiOptions {
  /** `*` and `?` match as in file names. */
  pattern?: string;
  /** Or the functions by name. */
  symbols?: readonly string[];
  /** The module they are in; by default the kernel itself. */
  module?: string;
  /** One for each of the functions. */
  cookies?: readonly Cookie[];
}

/** freplace: another target than the one at load (5.10). */
export interface FreplaceOptions {
  /** Descriptor of a loaded program whose function is replaced. */
  targetFd?: number;
  /** BTF id of the function in the target's BTF. */
  targetBtfId?: number;
}

/** iter. */
export interface IterOptions {
  /** Iterators over a map's elements. */
  mapFd?: number;
  /** The cgroup iterator (6.1), and from where to where it walks. */
  cgroup?: { fd?: number; id?: bigint; order?: "self" | "descendants_pre" | "descendants_post" | "ancestors_up" };
  /** The task iterators (6.1): one thread, one process, or a pidfd. */
  task?: { tid?: number; pid?: number; pidFd?: number };
}

/** perf_event: what to sample and where. */
export interface PerfEventOptions {
  /** An event opened elsewhere; the other options are then left out. The caller keeps the descriptor. */
  eventFd?: number;
  /**
   * By its name as perf(1) has it: a clock or counter (`cpu-clock`, `page-faults`, `cycles`), a cache
   * (`LLC-load-misses`), a raw code (`r01c2`).
   */
  event?: string;
  /** Or by numbers: PERF_TYPE_* and its config. */
  type?: number;
  /** What exactly is counted, PERF_COUNT_*. */
  config?: Cookie;
  /** Or memory, by the processor's breakpoints: whoever touches it runs the program. */
  breakpoint?: Breakpoint;
  /** Samples a second. */
  frequency?: number;
  /** Or: one sample every so many events. */
  period?: Cookie;
  /** These CPUs; by default all that are online. */
  cpus?: readonly number[];
  /** Only this process (on any CPU); 0: this one. */
  pid?: number;
  /** Only tasks of this cgroup and those below it: its directory, or a descriptor of it. */
  cgroup?: string | number;
  /** Needs Linux 5.15. */
  cookie?: Cookie;
}

/** Memory that the processor watches. */
export interface Breakpoint {
  /** In the kernel, or with `pid` in that process. A multiple of `length`. */
  address: Cookie;
  /** Bytes: 1, 2, 4 or 8, which is the default. */
  length?: 1 | 2 | 4 | 8;
  /** Reading, writing, either (the default), or running the instruction there. x86 has no `r`. */
  access?: "r" | "w" | "rw" | "x";
}

/** Where in the order of programs at one place. */
export interface Anchor {
  /** Program or link to come before or after; without them first (`before`) or last (`after`). */
  before?: { progFd?: number; progId?: number; linkFd?: number; linkId?: number } | true;
  /** As `before`. */
  after?: { progFd?: number; progId?: number; linkFd?: number; linkId?: number } | true;
  /** Fail if the list changed since this revision. */
  expectedRevision?: bigint;
}

/** xdp. */
export interface XdpOptions {
  /** Network device, by name or index. */
  device?: string | number;
  /** `auto` takes the driver's own hook if it has one. */
  mode?: "auto" | "driver" | "generic" | "hardware";
  /**
   * `link` (5.9), or `netlink`; `auto` takes the newest that works. `dispatcher` (5.10): next to other programs of the
   * device, as libxdp has it: xdp-loader and others see it, and it sees theirs.
   */
  mechanism?: "auto" | "link" | "netlink" | "dispatcher";
  /** Netlink only: take the place of a program that is there. */
  replace?: boolean;
  /** Dispatcher only: order, lowest first; what the object says in `.xdp_run_config`, else 50. */
  runPriority?: number;
  /** Dispatcher only: verdicts after which the next program runs; what the object says, else `["pass"]`. */
  chainCallActions?: readonly XdpVerdict[];
}

/** tc, classifier, tc/ingress, tcx/egress, … */
export interface TcOptions extends Anchor {
  /** Network device, by name or index. */
  device?: string | number;
  /** Needed for sections that do not name it. */
  direction?: "ingress" | "egress";
  /** `tcx` (6.6), or `netlink`: a clsact filter; `auto`: tcx unless a netlink option is given. */
  mechanism?: "auto" | "tcx" | "netlink";
  /** Netlink: order among filters, 1 to 65535; chosen by the kernel if left out. */
  priority?: number;
  /** Netlink: number of the filter in its priority. */
  handle?: number;
  /** Netlink: the class that the filter puts packets in, `"1:10"` as tc(8) has it. */
  classId?: string;
}

/** netkit/primary, netkit/peer (6.7). */
export interface NetkitOptions extends Anchor {
  /** The primary device of the pair. */
  device?: string | number;
}

/** cgroup/…, cgroup_skb/…, sockops, lsm_cgroup. */
export interface CgroupOptions extends Anchor {
  /** Directory of the cgroup (v2), or an open descriptor of it. */
  cgroup?: string | number;
  /** For sections that leave it open (`cgroup/skb`): a BPF_* number. */
  attachType?: number;
  /** `link` (5.7), or `attach`: BPF_PROG_ATTACH; `auto` takes the newest that works. */
  mechanism?: "auto" | "link" | "attach";
  /** With `attach`: how it goes with programs of cgroups below. `multi` by default. */
  share?: "exclusive" | "override" | "multi";
}

/** flow_dissector, sk_lookup. */
export interface NetnsOptions {
  /** Path of a network namespace or an open descriptor; this process's own by default. */
  netns?: string | number;
}

/** netfilter (6.4). */
export interface NetfilterOptions {
  /** Version of IP. */
  protocol?: "ipv4" | "ipv6";
  /** Where in the path of a packet. */
  hook?: "prerouting" | "input" | "forward" | "output" | "postrouting";
  /** Lower runs first; any but the least and greatest 32-bit numbers. */
  priority?: number;
  /** Reassemble fragments before. */
  defragment?: boolean;
}

/** sk_skb, sk_msg. */
export interface SockmapOptions {
  /** The sockmap or sockhash. */
  mapFd?: number;
  /** A BPF_* number, for sections that leave it open. */
  attachType?: number;
  /** `link` (6.10), or `attach`: BPF_PROG_ATTACH; `auto` takes the newest that works. */
  mechanism?: "auto" | "link" | "attach";
}

/** socket, sk_reuseport: a socket of this process. */
export interface SocketOptions {
  /** Descriptor of the socket. */
  socketFd?: number;
}

/** socket: also as chooser of a reuseport group. */
export interface SocketFilterOptions extends SocketOptions {
  /** For the whole group of sockets that share the port. */
  reuseport?: boolean;
}

/** lwt_in, lwt_out, lwt_xmit, lwt_seg6local: a route of its own, which is removed with the link. */
export interface RouteOptions {
  /** Destination, `10.1.0.0/16` or `fd00::2/128`; without length one address. */
  to?: string;
  /** The next hop; without one the destination is on the device's own link. */
  via?: string;
  /** Network device, by name or index; needed without `via`, and for IPv6. */
  device?: string | number;
  /** Number of the routing table; main by default. */
  table?: number;
  /** Order among routes to one destination, lowest first. */
  metric?: number;
  /** lwt_xmit: bytes that the program may add at the front, up to 256. */
  headroom?: number;
}

/** lirc_mode2. */
export interface LircOptions {
  /** Device file, `/dev/lirc0`. */
  device?: string;
}

/** Hooks without options. */
export type NoOptions = Record<never, never>;

/** The options of any hook. */
export type AttachOptions =
  & { /** How to attach, where the section name does not say it or another way is wanted. */ kind?: string }
  & (
    | KprobeOptions
    | KsyscallOptions
    | KprobeMultiOptions
    | UprobeOptions
    | UprobeMultiOptions
    | UsdtOptions
    | TracepointOptions
    | RawTracepointOptions
    | TraceOptions
    | TraceMultiOptions
    | FreplaceOptions
    | IterOptions
    | PerfEventOptions
    | XdpOptions
    | TcOptions
    | NetkitOptions
    | CgroupOptions
    | NetnsOptions
    | NetfilterOptions
    | SockmapOptions
    | SocketOptions
    | SocketFilterOptions
    | RouteOptions
    | LircOptions
  );
