/** What a map is created with: the object's definition, the caller's wishes, and what the kernel expects of the kind. */
import {
  BPF_F_MMAPABLE,
  BPF_F_NUMA_NODE,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_USER_RINGBUF,
} from "../abi/bpf.gen.ts";
import { hasFeature } from "../kernel/features.ts";
import { possibleCpus } from "../kernel/cpus.ts";
import type { MapSpec } from "../object/spec.ts";
import { pageSize } from "../syscall/memory.ts";
import type { MapOptions } from "./options.ts";

/** The definition with the caller's changes; the object's own is not written to. */
export function withOptions(spec: MapSpec, options: MapOptions = {}): MapSpec {
  const changed: MapSpec = {
    ...spec,
    maxEntries: options.maxEntries ?? spec.maxEntries,
    keySize: options.keySize ?? spec.keySize,
    valueSize: options.valueSize ?? spec.valueSize,
    flags: options.flags ?? spec.flags,
    numaNode: options.numaNode ?? spec.numaNode,
  };
  for (const size of ["maxEntries", "keySize", "valueSize"] as const) checkU32(spec.name, size, changed[size]);
  if (spec.valueTypeId !== 0 && changed.valueSize !== spec.valueSize) changed.valueTypeId = 0;
  if (spec.keyTypeId !== 0 && changed.keySize !== spec.keySize) changed.keyTypeId = 0;
  if (options.innerMaxEntries !== undefined) {
    if (spec.inner === undefined) {
      throw new TypeError(`Cannot set innerMaxEntries of map "${spec.name}": it holds no maps`);
    }
    changed.inner = { ...spec.inner, maxEntries: options.innerMaxEntries };
  }
  if (changed.numaNode !== undefined) changed.flags |= BPF_F_NUMA_NODE;
  if (changed.inner !== undefined) changed.inner = fitKind(changed.inner);
  return fitKind(changed);
}

/** Sizes that the kernel or libbpf derive from the machine. */
function fitKind(spec: MapSpec): MapSpec {
  if (spec.type === BPF_MAP_TYPE_PERF_EVENT_ARRAY && spec.maxEntries === 0) {
    return { ...spec, maxEntries: possibleCpus() };
  }
  if (spec.type === BPF_MAP_TYPE_RINGBUF || spec.type === BPF_MAP_TYPE_USER_RINGBUF) {
    return { ...spec, maxEntries: ringSize(spec.maxEntries, pageSize()) };
  }
  const isData = spec.kind === "data" || spec.kind === "rodata" || spec.kind === "bss" || spec.kind === "kconfig";
  if (isData && (spec.flags & BPF_F_MMAPABLE) !== 0 && !hasFeature("array_mmap")) {
    return { ...spec, flags: spec.flags & ~BPF_F_MMAPABLE };
  }
  return spec;
}

/** The next power of two times the page size; what is one already stays. 0 stays for the kernel to refuse. */
export function ringSize(size: number, page: number): number {
  if (size === 0) return 0;
  let rounded = page;
  while (rounded < size && rounded < 0x8000_0000) rounded *= 2;
  return rounded < size ? size : rounded;
}

function checkU32(map: string, what: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new RangeError(`Cannot set ${what} of map "${map}": ${value} is no unsigned 32-bit integer`);
  }
}
