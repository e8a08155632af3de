/** Programs of the system, whoever loaded them: every field of `struct bpf_prog_info`, typed. */
import { bpf_prog_info } from "../abi/info.ts";
import { infoByFd, type ProgInfo, progInfo, progMapIds } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import { arena } from "../syscall/memory.ts";
import { boottimeNs, realtimeNs } from "../syscall/process.ts";
import { BtfCache } from "./btf_objects.ts";
import { progTypeName } from "./enum_names.ts";
import { fdInfo, fdInfoNumber } from "./fd_info.ts";
import { eachObject, type ObjectRef, openObject } from "./object_ref.ts";

/** The network device that an offloaded program or map belongs to. */
export interface OffloadDevice {
  readonly ifindex: number;
  readonly netnsDev: bigint;
  readonly netnsIno: bigint;
}

/** What the kernel tells of a program. */
export interface ProgramDetails {
  readonly id: number;
  /** `xdp`, `raw_tracepoint`; a number if it is newer than waggle. */
  readonly type: string | number;
  /** The function's name; as the kernel keeps 15 bytes, longer ones come from the program's BTF. */
  readonly name: string;
  /** Hash of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  readonly gplCompatible: boolean;
  readonly loadedAt: Date;
  /** Who loaded it. */
  readonly uid: number;
  /** Bytes of instructions as the verifier left them. */
  readonly translatedSize: number;
  /** Bytes of machine code; 0 if it is interpreted. */
  readonly jitedSize: number;
  /** Bytes of kernel memory. */
  readonly memlock: number;
  /** The maps it uses. */
  readonly mapIds: readonly number[];
  /** The BTF object with its types; undefined if it came without. */
  readonly btfId: number | undefined;
  /** Functions in it, the main one counted, if it came with types; else 0. */
  readonly functionCount: number;
  /** Records of source lines. */
  readonly lineCount: number;
  /** Functions of machine code. */
  readonly jitedFunctionCount: number;
  readonly offload: OffloadDevice | undefined;
  /** Nanoseconds spent in it while statistics were on (5.1). */
  readonly runTimeNs: bigint;
  /** Runs while statistics were on. */
  readonly runCount: bigint;
  /** Runs left out because it was running already (5.12). */
  readonly recursionMisses: bigint;
  /** Instructions that the verifier looked at (5.16). */
  readonly verifiedInsns: number;
  /** BTF object and type of what fentry, LSM and kin attach to (6.0). */
  readonly attachBtfObjectId: number | undefined;
  readonly attachBtfId: number | undefined;
}

/**
 * Every program of the system. Needs CAP_SYS_ADMIN.
 *
 * @example
 * ```ts ignore
 * // ignored: lists whatever the machine runs
 * for (const { id, type, name } of listPrograms()) console.log(id, type, name);
 * ```
 */
export function listPrograms(): ProgramDetails[] {
  const context = new Context();
  return [...eachObject("prog", (fd) => detailsOf(fd, context))];
}

/** One program. Throws `NotFoundError` or `SyscallError` if it is not there. */
export function programDetails(ref: ObjectRef): ProgramDetails {
  using fd = openObject("prog", ref);
  return detailsOf(fd, new Context());
}

/** What is found out once for a list. */
class Context {
  readonly btfs: BtfCache = new BtfCache();
  /** Nanoseconds from 1970 to the start of the machine. */
  readonly bootNs: bigint = realtimeNs() - boottimeNs();
}

function detailsOf(fd: Fd, context: Context): ProgramDetails {
  const info = progInfo(fd.number);
  return {
    id: info.id,
    type: progTypeName(info.type),
    name: fullName(fd, info, context.btfs),
    tag: hex(info.tag),
    gplCompatible: (info.gpl_compatible & 1) === 1,
    loadedAt: new Date(Number((context.bootNs + info.load_time) / 1_000_000n)),
    uid: info.created_by_uid,
    translatedSize: info.xlated_prog_len,
    jitedSize: info.jited_prog_len,
    memlock: fdInfoNumber(fdInfo(fd.number), "memlock") ?? 0,
    mapIds: info.nr_map_ids === 0 ? [] : progMapIds(fd.number),
    btfId: info.btf_id || undefined,
    functionCount: info.nr_func_info,
    lineCount: info.nr_line_info,
    jitedFunctionCount: info.nr_jited_ksyms,
    offload: offloadOf(info),
    runTimeNs: info.run_time_ns,
    runCount: info.run_cnt,
    recursionMisses: info.recursion_misses,
    verifiedInsns: info.verified_insns,
    attachBtfObjectId: info.attach_btf_obj_id || undefined,
    attachBtfId: info.attach_btf_id || undefined,
  };
}

/** Of programs and maps alike. */
export function offloadOf(info: { ifindex: number; netns_dev: bigint; netns_ino: bigint }): OffloadDevice | undefined {
  if (info.ifindex === 0) return undefined;
  return { ifindex: info.ifindex, netnsDev: info.netns_dev, netnsIno: info.netns_ino };
}

const KERNEL_NAME_BYTES = 15;

/** A name that fills the kernel's room may have been cut: the first function of the program's BTF has it whole. */
function fullName(fd: Fd, info: ProgInfo, btfs: BtfCache): string {
  if (info.name.length < KERNEL_NAME_BYTES || info.nr_func_info === 0 || info.btf_id === 0) return info.name;
  const btf = btfs.get(info.btf_id);
  if (btf === undefined) return info.name;
  using scope = arena().scope();
  const record = scope.alloc(info.func_info_rec_size);
  infoByFd(fd.number, bpf_prog_info, {
    func_info: record.address,
    nr_func_info: 1,
    func_info_rec_size: info.func_info_rec_size,
  });
  const name = btf.nameOf(record.view.getUint32(4, true));
  return name.startsWith(info.name) ? name : info.name;
}

/** Bytes as hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
