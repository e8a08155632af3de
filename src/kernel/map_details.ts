/** Maps of the system, whoever made them: every field of `struct bpf_map_info` and of the descriptor's fdinfo, typed. */
import { BPF_F_RDONLY } from "../abi/bpf.gen.ts";
import { bpf_map_info } from "../abi/info.ts";
import { SyscallError } from "../errors.ts";
import { infoByFd, type MapInfo, mapInfo } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import { arena } from "../syscall/memory.ts";
import { mapTypeName, progTypeName } from "./enum_names.ts";
import { fdInfo, fdInfoNumber } from "./fd_info.ts";
import { eachObject, type ObjectRef, openObject } from "./object_ref.ts";
import { hex, type OffloadDevice, offloadOf } from "./program_details.ts";

/** What the kernel tells of a map. */
export interface MapDetails {
  readonly id: number;
  /** `hash`, `ringbuf`; a number if it is newer than waggle. */
  readonly type: string | number;
  readonly name: string;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes; of a per-CPU kind, of one slot. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_* given at creation. */
  readonly flags: number;
  /** What the kind makes of it: hashes of a bloom filter, address of an arena (5.16). */
  readonly extra: bigint;
  /** Bytes of kernel memory, as the kernel counts or estimates it. */
  readonly memlock: number;
  /** Whether user space may no longer write. */
  readonly frozen: boolean;
  /** The BTF object with the types of keys and values, and their ids in it. */
  readonly btfId: number | undefined;
  readonly keyTypeId: number | undefined;
  readonly valueTypeId: number | undefined;
  /** struct_ops: the type of the value, and the BTF object of the kernel or module that has it (6.9). */
  readonly kernelValueTypeId: number | undefined;
  readonly kernelBtfId: number | undefined;
  readonly offload: OffloadDevice | undefined;
  /** Program arrays: the only type of program that fits, once there is one. */
  readonly ownerProgramType: string | number | undefined;
  /** Program arrays: whether only compiled programs fit. */
  readonly ownerJited: boolean | undefined;
  /** SHA-256 of the contents, of frozen arrays that programs are signed with (6.18). */
  readonly sha256: string | undefined;
}

/**
 * Every map of the system. Needs CAP_SYS_ADMIN.
 *
 * @example
 * ```ts ignore
 * // ignored: lists whatever the machine runs
 * const bytes = listMaps().reduce((sum, map) => sum + map.memlock, 0);
 * ```
 */
export function listMaps(): MapDetails[] {
  return [...eachObject("map", mapDetailsOf)];
}

/** One map. Throws `NotFoundError` or `SyscallError` if it is not there. */
export function mapDetails(ref: ObjectRef): MapDetails {
  using fd = openObject("map", ref, "fd" in ref ? 0 : BPF_F_RDONLY);
  return mapDetailsOf(fd);
}

function mapDetailsOf(fd: Fd): MapDetails {
  const info = mapInfo(fd.number);
  const shown = fdInfo(fd.number);
  const owner = fdInfoNumber(shown, "owner_prog_type");
  const frozen = fdInfoNumber(shown, "frozen") === 1;
  return {
    id: info.id,
    type: mapTypeName(info.type),
    name: info.name,
    keySize: info.key_size,
    valueSize: info.value_size,
    maxEntries: info.max_entries,
    flags: info.map_flags,
    extra: info.map_extra,
    memlock: fdInfoNumber(shown, "memlock") ?? 0,
    frozen,
    ...typesOf(info),
    offload: offloadOf(info),
    ownerProgramType: owner === undefined ? undefined : progTypeName(owner),
    ownerJited: owner === undefined ? undefined : fdInfoNumber(shown, "owner_jited") === 1,
    sha256: frozen ? contentHash(fd) : undefined,
  };
}

function typesOf(
  info: MapInfo,
): Pick<MapDetails, "btfId" | "keyTypeId" | "valueTypeId" | "kernelValueTypeId" | "kernelBtfId"> {
  return {
    btfId: info.btf_id || undefined,
    keyTypeId: info.btf_key_type_id || undefined,
    valueTypeId: info.btf_value_type_id || undefined,
    kernelValueTypeId: info.btf_vmlinux_value_type_id || undefined,
    kernelBtfId: info.btf_vmlinux_id || undefined,
  };
}

const SHA256_BYTES = 32;

/** Only frozen arrays have one; kernels before 6.18 refuse the question (E2BIG), other kinds as well (EINVAL). */
function contentHash(fd: Fd): string | undefined {
  using scope = arena().scope();
  const hash = scope.alloc(SHA256_BYTES);
  try {
    infoByFd(fd.number, bpf_map_info, { hash: hash.address, hash_size: SHA256_BYTES });
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
  return hex(hash.bytes);
}
