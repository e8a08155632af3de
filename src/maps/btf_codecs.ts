/**
 * Types of keys and values from the BTF that the kernel keeps with a map, so that maps of others can be read with no
 * source: those of an object made by clang, of struct_ops, global data.
 */
import type { Btf } from "../btf/btf.ts";
import { btfCodec } from "../btf/codec.ts";
import type { Codec } from "../bytes/codec.ts";
import { FormatError, SyscallError } from "../errors.ts";
import { openBtf } from "../kernel/btf_objects.ts";
import { kernelBtf } from "../kernel/btf.ts";
import { type MapInfo, mapInfo } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapCodecs } from "./wrap.ts";

/**
 * The codecs of an open map's keys and values; empty where the map has no types, or the process may not read them
 * (needs CAP_SYS_ADMIN).
 */
export function btfCodecs(fd: Fd): MapCodecs {
  const info = mapInfo(fd.number);
  if (info.btf_vmlinux_value_type_id !== 0) {
    return { value: codecOf(kernelTypes(info), info.btf_vmlinux_value_type_id, info.value_size) };
  }
  if (info.btf_id === 0) return {};
  const btf = tryBtf(() => openBtf(info.btf_id));
  return {
    key: codecOf(btf, info.btf_key_type_id, info.key_size),
    value: codecOf(btf, info.btf_value_type_id, info.value_size),
  };
}

/** The kernel's types or, since 6.9, those of the module that registered the struct_ops. */
function kernelTypes(info: MapInfo): Btf | undefined {
  return tryBtf(() => (info.btf_vmlinux_id === 0 ? kernelBtf() : openBtf(info.btf_vmlinux_id)));
}

function tryBtf(open: () => Btf): Btf | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof SyscallError) return undefined; // without types values are bytes
    throw error;
  }
}

function codecOf(btf: Btf | undefined, typeId: number, size: number): Codec<unknown> | undefined {
  if (btf === undefined || typeId === 0) return undefined;
  try {
    const codec = btfCodec(btf, typeId);
    return codec.size === size ? codec : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined; // a type without values: void, a function
    throw error;
  }
}
