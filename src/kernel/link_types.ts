/**
 * Links as typed values: one interface per kind of `struct bpf_link_info`, told apart by `type`. Types only; reading is
 * in link_details.ts.
 */

/** Every link has these. */
interface LinkBase<T extends string | number> {
  /** The kind; a number if it is newer than waggle. */
  readonly type: T;
  readonly id: number;
  /** The program; 0 for a struct_ops link, which has none. */
  readonly programId: number;
}

/** A program on a raw tracepoint. */
export interface RawTracepointLink extends LinkBase<"raw_tracepoint"> {
  readonly name: string;
  /** 6.17; zero before. */
  readonly cookie: bigint;
}

/** fentry, fexit, fmod_ret, tp_btf, LSM, freplace. */
export interface TracingLink extends LinkBase<"tracing"> {
  readonly attachType: string | number;
  /** The BTF object, or for a program that traces another, that program's id. */
  readonly targetObjectId: number;
  readonly targetBtfId: number;
  /** 6.17; zero before. */
  readonly cookie: bigint;
}

/** A program on a control group. */
export interface CgroupLink extends LinkBase<"cgroup"> {
  readonly cgroupId: bigint;
  readonly attachType: string | number;
}

/** An iterator. */
export interface IterLink extends LinkBase<"iter"> {
  /** `task`, `bpf_map_elem`. */
  readonly target: string;
  /** The map whose elements it goes through. */
  readonly mapId: number | undefined;
  /** The control group it walks from (0 for the root), and in which order. */
  readonly cgroup: { readonly id: bigint; readonly order: string | number } | undefined;
  /** The thread or process it is limited to; 0 for all. */
  readonly task: { readonly tid: number; readonly pid: number } | undefined;
}

/** A flow dissector or sk_lookup program of a network namespace. */
export interface NetnsLink extends LinkBase<"netns"> {
  /** Inode of the namespace, as `/proc/PID/ns/net` shows it. */
  readonly netnsIno: number;
  readonly attachType: string | number;
}

/** An XDP program on a network device. */
export interface XdpLink extends LinkBase<"xdp"> {
  /** The device's index; 0 once it is gone. */
  readonly ifindex: number;
}

/** A tc program on a network device (6.6). */
export interface TcxLink extends LinkBase<"tcx"> {
  readonly ifindex: number;
  readonly attachType: string | number;
}

/** A program on a netkit device (6.7). */
export interface NetkitLink extends LinkBase<"netkit"> {
  readonly ifindex: number;
  readonly attachType: string | number;
}

/** A netfilter hook (6.4). */
export interface NetfilterLink extends LinkBase<"netfilter"> {
  /** NFPROTO_*: 2 is IPv4, 10 IPv6. */
  readonly protocol: number;
  /** NF_INET_*: 0 pre-routing, 1 local in, 2 forward, 3 local out, 4 post-routing. */
  readonly hook: number;
  readonly priority: number;
  /** BPF_F_NETFILTER_IP_DEFRAG. */
  readonly flags: number;
}

/** A struct_ops map that is registered. */
export interface StructOpsLink extends LinkBase<"struct_ops"> {
  readonly mapId: number;
}

/** A program of a sockmap (6.10). */
export interface SockmapLink extends LinkBase<"sockmap"> {
  readonly mapId: number;
  readonly attachType: string | number;
}

/** One program on many kernel functions. */
export interface KprobeMultiLink extends LinkBase<"kprobe_multi"> {
  readonly flags: number;
  /** Runs that were left out (6.7). */
  readonly missed: bigint;
  /** 6.6; zeros where kptr_restrict hides them. */
  readonly addresses: readonly bigint[];
  /** One for each address (6.9). */
  readonly cookies: readonly bigint[];
}

/** One program on many functions of a file. */
export interface UprobeMultiLink extends LinkBase<"uprobe_multi"> {
  readonly path: string;
  readonly flags: number;
  /** The process it is limited to; 0 for all. */
  readonly pid: number;
  /** Offsets in the file, of probes and of their semaphores (0: none). */
  readonly offsets: readonly bigint[];
  readonly refCtrOffsets: readonly bigint[];
  readonly cookies: readonly bigint[];
}

/** One program on many functions by trampolines (7.2). */
export interface TracingMultiLink extends LinkBase<"tracing_multi"> {
  readonly attachType: string | number;
  readonly btfObjectId: number;
  readonly btfIds: readonly number[];
  readonly addresses: readonly bigint[];
  readonly cookies: readonly bigint[];
}

/** What a perf event is of. */
export type PerfEventTarget =
  | {
    readonly event: "kprobe" | "kretprobe";
    readonly function: string;
    readonly offset: number;
    readonly address: bigint;
    /** Runs that were left out (6.7). */
    readonly missed: bigint;
    readonly cookie: bigint;
  }
  | {
    readonly event: "uprobe" | "uretprobe";
    readonly path: string;
    readonly offset: number;
    /** Offset of the semaphore (6.17). */
    readonly refCtrOffset: bigint;
    readonly cookie: bigint;
  }
  | { readonly event: "tracepoint"; readonly name: string; readonly cookie: bigint }
  | {
    readonly event: "event";
    /** PERF_TYPE_*. */
    readonly perfType: number;
    /** PERF_COUNT_* and kin. */
    readonly config: bigint;
    readonly cookie: bigint;
  }
  /** A kernel before 6.6 does not tell ("unspec"), or one newer than waggle. */
  | { readonly event: string | number };

/** A program on a perf event: kprobe, uprobe, tracepoint, counter. */
export type PerfEventLink = LinkBase<"perf_event"> & PerfEventTarget;

/** A kind that waggle does not know yet. */
export interface UnknownLink extends LinkBase<number> {
  /** What follows the common fields of `struct bpf_link_info`. */
  readonly raw: Uint8Array;
}

/** A link, as the kernel describes it. */
export type LinkDetails =
  | RawTracepointLink
  | TracingLink
  | CgroupLink
  | IterLink
  | NetnsLink
  | XdpLink
  | TcxLink
  | NetkitLink
  | NetfilterLink
  | StructOpsLink
  | SockmapLink
  | KprobeMultiLink
  | UprobeMultiLink
  | TracingMultiLink
  | PerfEventLink
  | UnknownLink;

/** The kinds that waggle knows. */
export type LinkType = Extract<LinkDetails["type"], string>;
