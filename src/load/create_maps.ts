/**
 * Creates the object's maps: finds pinned and reused ones, makes the others, fills data sections, freezes constants,
 * pins, and fills the slots of maps of maps. What a failed load made is undone by the caller's `Cleanup`.
 */
import { BPF_MAP_TYPE_ARENA } from "../abi/bpf.gen.ts";
import { MAP_FIXED, MAP_SHARED, PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import { EEXIST } from "../abi/errno.gen.ts";
import { NotFoundError, SyscallError, WaggleError } from "../errors.ts";
import { hasFeature } from "../kernel/features.ts";
import { mapKind } from "../maps/kinds.ts";
import type { MapSpec, ObjectSpec } from "../object/spec.ts";
import { type BpfInput, bpfTry, checkBpf } from "../syscall/bpf_call.ts";
import { mapFreeze, mapUpdate } from "../syscall/bpf_map.ts";
import { BPFFS, pinObject, unpinObject } from "../syscall/bpffs.ts";
import { Fd } from "../syscall/fd.ts";
import { Mapping, pageSize, roundUp } from "../syscall/memory.ts";
import type { Cleanup } from "./cleanup.ts";
import type { LoadedMap } from "./map.ts";
import { dataMapName, kernelName } from "./map.ts";
import { withOptions } from "./map_params.ts";
import { describeObject, type LoadOptions } from "./options.ts";
import { openPinned, openReused } from "./reuse_map.ts";

/** What creating maps needs to know. */
export interface MapContext {
  spec: ObjectSpec;
  options: LoadOptions;
  /** The object's types in the kernel, if it took them. */
  btf: Fd | undefined;
  data: ReadonlyMap<MapSpec, Uint8Array | undefined>;
  /** Attribute of struct_ops maps, which are typed by the kernel; undefined: not to be created. */
  structOps: (spec: MapSpec) => Partial<BpfInput<"BPF_MAP_CREATE">> | undefined;
  cleanup: Cleanup;
}

/** All maps of the object that are to exist, by name. */
export function createMaps(context: MapContext): Map<string, LoadedMap> {
  const { spec, options, cleanup } = context;
  const maps = new Map<string, LoadedMap>();
  for (const original of spec.maps) {
    if (!isWanted(original, options)) continue;
    const map = openMap(context, original);
    cleanup.own(map.fd);
    if (map.arena !== undefined) cleanup.own(map.arena);
    maps.set(map.name, map);
  }
  for (const map of maps.values()) fillMapSlots(spec, maps, map);
  return maps;
}

function isWanted(map: MapSpec, options: LoadOptions): boolean {
  const wish = options.maps?.[map.name]?.create;
  if (wish !== undefined) return wish;
  if (map.structOps?.autocreate === false) return false;
  const isData = map.kind === "data" || map.kind === "rodata" || map.kind === "bss" || map.kind === "kconfig";
  // Without global data only programs that use it fail; the others can still be loaded.
  return !isData || hasFeature("global_data");
}

function openMap(context: MapContext, original: MapSpec): LoadedMap {
  const options = context.options.maps?.[original.name] ?? {};
  const spec = withOptions(original, options);
  const name = spec.section !== undefined && spec.kind !== "struct_ops" && spec.kind !== "declared"
    ? dataMapName(context.spec.name, spec.section)
    : kernelName(spec.name);
  const base = { name: spec.name, kernelName: name, spec, data: undefined, arena: undefined };
  if (options.reuse !== undefined) {
    return { ...base, fd: openReused(spec, options.reuse), reused: true, pinPath: undefined };
  }
  const pinPath = pinPathOf(context.options, spec);
  const pinned = pinPath === undefined ? undefined : openPinned(spec, pinPath);
  if (pinned !== undefined) return { ...base, fd: pinned, reused: true, pinPath };
  const made = makeMap(context, original, spec, name);
  if (pinPath === undefined) return { ...base, ...made, reused: false, pinPath };
  return pinNew(context, spec, { ...base, ...made, reused: false, pinPath }, pinPath);
}

/** Where the map is pinned, by the caller's wish or the object's. */
function pinPathOf(options: LoadOptions, spec: MapSpec): string | undefined {
  const wish = options.maps?.[spec.name]?.pin;
  if (wish === false) return undefined;
  if (typeof wish === "string") return wish;
  if (wish !== true && spec.pinning !== "by_name") return undefined;
  // A dot means something else to the file system (bpffs keeps them for itself).
  return `${options.pinDirectory ?? BPFFS}/${spec.name.replaceAll(".", "_")}`;
}

function pinNew(context: MapContext, spec: MapSpec, map: LoadedMap, path: string): LoadedMap {
  try {
    pinObject(map.fd.number, path);
    context.cleanup.defer(() => unpinObject(path));
    return map;
  } catch (error) {
    map.fd.close();
    map.arena?.close();
    if (!(error instanceof SyscallError) || error.errno !== EEXIST) throw error;
    // Another process was faster: its map is the one to use.
    const pinned = openPinned(spec, path);
    if (pinned === undefined) throw error;
    return { ...map, fd: pinned, reused: true, data: undefined, arena: undefined };
  }
}

function makeMap(
  context: MapContext,
  original: MapSpec,
  spec: MapSpec,
  name: string,
): Pick<LoadedMap, "fd" | "data" | "arena"> {
  const fd = createMap(context, spec, name);
  try {
    const data = context.data.get(original);
    if (spec.type === BPF_MAP_TYPE_ARENA) return { fd, data, arena: mapArena(spec, fd, data) };
    fillData(spec, fd, data);
    return { fd, data, arena: undefined };
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** BPF_MAP_CREATE; a second time without types if the kernel does not like them, as most maps do without. */
function createMap(context: MapContext, spec: MapSpec, name: string): Fd {
  using inner = spec.inner === undefined ? undefined : createMap(context, spec.inner, kernelName(spec.inner.name));
  const structOps = spec.kind === "struct_ops" ? context.structOps(spec) : undefined;
  const attr: BpfInput<"BPF_MAP_CREATE"> = {
    map_type: spec.type,
    key_size: spec.keySize,
    value_size: spec.valueSize,
    max_entries: spec.maxEntries,
    map_flags: spec.flags,
    map_extra: spec.mapExtra,
    numa_node: spec.numaNode,
    inner_map_fd: inner?.number,
    map_name: hasFeature("prog_name") ? name : undefined,
    ...structOps,
  };
  const types = typesOf(context, spec);
  let result = bpfTry("BPF_MAP_CREATE", { ...attr, ...types });
  if (result < 0 && types !== undefined) {
    const plain = bpfTry("BPF_MAP_CREATE", attr);
    if (plain >= 0) result = plain;
  }
  checkBpf(result, "BPF_MAP_CREATE", () => `create map "${spec.name}" (${describeMap(spec)})`, createHint(spec));
  return new Fd(result);
}

function typesOf(context: MapContext, spec: MapSpec): Partial<BpfInput<"BPF_MAP_CREATE">> | undefined {
  if (context.btf === undefined || mapKind(spec.type)?.noBtf) return undefined;
  // The value is a type of the kernel, but the kernel wants the object's BTF all the same.
  if (spec.kind === "struct_ops") return { btf_fd: context.btf.number };
  if (spec.keyTypeId === 0 && spec.valueTypeId === 0) return undefined;
  return { btf_fd: context.btf.number, btf_key_type_id: spec.keyTypeId, btf_value_type_id: spec.valueTypeId };
}

function describeMap(spec: MapSpec): string {
  const kind = mapKind(spec.type)?.name ?? `type ${spec.type}`;
  return `${kind}, key ${spec.keySize}, value ${spec.valueSize}, ${spec.maxEntries} entries`;
}

function createHint(spec: MapSpec): string | undefined {
  const kind = mapKind(spec.type);
  if (kind === undefined) return undefined;
  if (spec.maxEntries === 0 && kind.ops.includes("set") && spec.kind === "declared") {
    return `max_entries is 0: set it in the object, or with the option maps: { ${spec.name}: { maxEntries: … } }`;
  }
  return undefined;
}

const KEY_ZERO = new Uint8Array(4);

function fillData(spec: MapSpec, fd: Fd, data: Uint8Array | undefined): void {
  const constant = spec.kind === "rodata" || spec.kind === "kconfig";
  if (spec.kind !== "data" && spec.kind !== "bss" && !constant) return;
  if (data !== undefined) {
    if (data.length !== spec.valueSize) {
      throw new WaggleError(
        `Cannot fill map "${spec.name}": it has ${spec.valueSize} bytes, its section ${data.length}`,
      );
    }
    mapUpdate(fd.number, KEY_ZERO, data);
  }
  // Only a frozen map is constant for the verifier, which then folds its values and drops dead branches. 5.2.
  if (constant) mapFreeze(fd.number);
}

/** The process must have an arena mapped before a program that uses it is loaded: the address becomes part of it. */
function mapArena(spec: MapSpec, fd: Fd, data: Uint8Array | undefined): Mapping {
  const arena = Mapping.ofFd(fd.number, spec.maxEntries * pageSize(), {
    prot: PROT_READ | PROT_WRITE,
    flags: spec.mapExtra === 0n ? MAP_SHARED : MAP_SHARED | MAP_FIXED,
    address: Number(spec.mapExtra),
    what: `arena "${spec.name}"`,
  });
  try {
    if (data === undefined) return arena;
    const at = arenaDataOffset(spec, data.length);
    if (at + data.length > arena.length) {
      throw new WaggleError(
        `Cannot fill arena "${spec.name}": ${data.length} bytes of globals do not fit ${arena.length}`,
      );
    }
    new Uint8Array(arena.buffer, at, data.length).set(data);
    return arena;
  } catch (error) {
    arena.close();
    throw error;
  }
}

/** Globals lie at the end of an arena where the kernel can address them there, so that a null pointer stays free. */
export function arenaDataOffset(spec: MapSpec, length: number): number {
  if (length === 0 || !hasFeature("ldimm64_full_range_off")) return 0;
  const page = pageSize();
  return spec.maxEntries * page - roundUp(length, page);
}

function fillMapSlots(spec: ObjectSpec, maps: ReadonlyMap<string, LoadedMap>, map: LoadedMap): void {
  if (map.reused) return;
  for (const slot of map.spec.slots) {
    if (slot.kind !== "map") continue;
    const inner = maps.get(slot.name);
    if (inner === undefined) throw new NotFoundError("map", slot.name, maps.keys(), { where: describeObject(spec) });
    mapUpdate(map.fd.number, slotKey(slot.index), slotKey(inner.fd.number));
  }
}

/** A slot's index, or a descriptor, as the kernel takes it. */
export function slotKey(index: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, true);
  return key;
}
