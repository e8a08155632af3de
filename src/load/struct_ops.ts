/**
 * struct_ops: the object's struct becomes the kernel's struct of the same name, member by member, since the kernel's may
 * have more members, or others in between. Pointers become descriptors of programs once those are loaded. The value is
 * handed to the kernel when the map is attached. Rules are libbpf's (`bpf_map__init_kern_struct_ops`).
 */
import { BPF_F_VTYPE_BTF_OBJ_FD } from "../abi/bpf.gen.ts";
import type { Btf } from "../btf/btf.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import type { BtfComposite, BtfMember } from "../btf/types.ts";
import { essentialName, resolve, resolveId, sizeOf } from "../btf/walk.ts";
import { NotFoundError, NotSupportedError, WaggleError } from "../errors.ts";
import { kernelBtf, type ModuleBtf, moduleBtfs, openModuleBtf } from "../kernel/btf.ts";
import { kernelVersion } from "../kernel/version.ts";
import type { MapSpec, ObjectSpec } from "../object/spec.ts";
import type { BpfInput } from "../syscall/bpf_call.ts";
import type { Cleanup } from "./cleanup.ts";
import type { LoadOptions, MapOptions } from "./options.ts";

/** A struct_ops map as the kernel will see it. */
export interface StructOpsMap {
  spec: MapSpec;
  /** Bytes of the kernel's `struct bpf_struct_ops_<name>`; program descriptors are filled in after loading. */
  value: Uint8Array<ArrayBuffer>;
  /** Where descriptors go. */
  slots: { offset: number; program: string; member: number }[];
  /** BTF id of the kernel's struct, which its programs attach to. */
  typeId: number;
  /** BTF id of the map's value. */
  valueTypeId: number;
  btfObjFd: number | undefined;
}

/** A program's place in a struct_ops. */
export interface StructOpsUse {
  typeId: number;
  member: number;
  btfObjFd: number | undefined;
}

/** The struct_ops of an object, by map name. Only those that are to be created are looked up in the kernel. */
export function initStructOps(spec: ObjectSpec, options: LoadOptions, cleanup: Cleanup): Map<string, StructOpsMap> {
  const found = new Map<string, StructOpsMap>();
  for (const map of spec.maps) {
    if (map.structOps === undefined) continue;
    const wish = options.maps?.[map.name] ?? {};
    if (!(wish.create ?? map.structOps.autocreate ?? true)) continue;
    found.set(map.name, new KernelStruct(spec, map, wish, cleanup).init());
  }
  return found;
}

/** Which programs the struct_ops use. Throws if two structs want different things of one program. */
export function structOpsUses(maps: ReadonlyMap<string, StructOpsMap>): Map<string, StructOpsUse> {
  const uses = new Map<string, StructOpsUse>();
  for (const map of maps.values()) {
    for (const { program, member } of map.slots) {
      const known = uses.get(program);
      if (known !== undefined && (known.typeId !== map.typeId || known.member !== member)) {
        throw new WaggleError(`Cannot load program "${program}": two members of struct_ops use it differently`);
      }
      uses.set(program, { typeId: map.typeId, member, btfObjFd: map.btfObjFd });
    }
  }
  return uses;
}

/** Attributes of BPF_MAP_CREATE. */
export function structOpsAttr(map: StructOpsMap): Partial<BpfInput<"BPF_MAP_CREATE">> {
  const module = map.btfObjFd === undefined ? 0 : BPF_F_VTYPE_BTF_OBJ_FD;
  return {
    value_size: map.value.length,
    map_flags: map.spec.flags | module,
    btf_vmlinux_value_type_id: map.valueTypeId,
    ...(map.btfObjFd !== undefined && { value_type_btf_obj_fd: map.btfObjFd }),
  };
}

/** Writes the descriptors of loaded programs into the value; a program the caller did not load leaves its member null. */
export function fillStructOps(map: StructOpsMap, programFd: (name: string) => number | undefined): void {
  const view = new DataView(map.value.buffer);
  for (const slot of map.slots) view.setBigUint64(slot.offset, BigInt(programFd(slot.program) ?? 0), true);
}

class KernelStruct {
  readonly #local: Btf;
  readonly #map: MapSpec;
  readonly #type: BtfComposite;
  readonly #wishes: NonNullable<MapOptions["members"]>;
  readonly #cleanup: Cleanup;
  readonly #programs: ReadonlySet<string>;

  constructor(spec: ObjectSpec, map: MapSpec, options: MapOptions, cleanup: Cleanup) {
    this.#local = spec.btf!;
    this.#map = map;
    this.#type = resolve(this.#local, map.structOps!.typeId) as BtfComposite;
    this.#wishes = options.members ?? {};
    this.#cleanup = cleanup;
    this.#programs = new Set(spec.programs.map((p) => p.name));
    for (const name of Object.keys(this.#wishes)) {
      const known = this.#type.members.map((m) => m.name);
      if (!known.includes(name)) throw new NotFoundError("member", name, known, { where: `struct_ops "${map.name}"` });
    }
  }

  init(): StructOpsMap {
    const name = essentialName(this.#type.name);
    const { btf, id, module } = this.#findKernel(name);
    const wrapperId = btf.find(`bpf_struct_ops_${name}`, BTF_KIND.STRUCT);
    const wrapper = wrapperId === undefined ? undefined : btf.type(wrapperId);
    if (wrapper?.kind !== "STRUCT") throw this.#unsupported(name);
    const data = wrapper.members.find((m) => resolveId(btf, m.type) === id);
    if (data === undefined) throw this.#unsupported(name);
    const result: StructOpsMap = {
      spec: this.#map,
      value: new Uint8Array(wrapper.size),
      slots: [],
      typeId: id,
      valueTypeId: wrapperId!,
      btfObjFd: module === undefined ? undefined : this.#cleanup.own(openModuleBtf(module)).number,
    };
    for (const member of this.#type.members) this.#copy(member, btf, id, data.bitOffset / 8, result);
    return result;
  }

  #findKernel(name: string): { btf: Btf; id: number; module: ModuleBtf | undefined } {
    const btf = kernelBtf();
    // The struct alone is not enough: a struct of that name may exist without being a struct_ops.
    const id = btf.find(`bpf_struct_ops_${name}`, BTF_KIND.STRUCT) === undefined
      ? undefined
      : btf.find(name, BTF_KIND.STRUCT);
    if (id !== undefined) return { btf, id, module: undefined };
    for (const module of moduleBtfs()) {
      if (module.btf.find(`bpf_struct_ops_${name}`, BTF_KIND.STRUCT) === undefined) continue;
      const own = module.btf.find(name, BTF_KIND.STRUCT);
      if (own !== undefined) return { btf: module.btf, id: own, module };
    }
    throw this.#unsupported(name);
  }

  #copy(member: BtfMember, btf: Btf, kernelId: number, dataOffset: number, result: StructOpsMap): void {
    const bytes = this.#initialBytes(member);
    const program = this.#programOf(member);
    const kernel = btf.type(kernelId) as BtfComposite;
    const index = kernel.members.findIndex((m) => m.name === member.name);
    const target = kernel.members[index];
    if (target === undefined) {
      if (program === undefined && bytes.every((b) => b === 0)) return;
      throw this.#fail(
        member,
        `Linux ${kernelVersion().text} has no such member`,
        "set it to null if it may be missing",
      );
    }
    if (member.bitSize !== 0 || target.bitSize !== 0) throw this.#fail(member, "bit-fields cannot be set");
    const [localType, kernelType] = [resolve(this.#local, member.type), resolve(btf, target.type)];
    if (localType.kind !== kernelType.kind) {
      throw this.#fail(member, `it is ${localType.kind} in the object and ${kernelType.kind} in the kernel`);
    }
    const offset = dataOffset + target.bitOffset / 8;
    if (localType.kind === "PTR" && kernelType.kind === "PTR") {
      if (program === undefined) return;
      if (resolve(btf, kernelType.type).kind !== "FUNC_PROTO") {
        throw this.#fail(member, "the kernel's member is no function");
      }
      result.slots.push({ offset, program, member: index });
      return;
    }
    const size = sizeOf(btf, target.type);
    if (size !== bytes.length) throw this.#fail(member, `it has ${bytes.length} bytes, the kernel's ${size}`);
    result.value.set(bytes, offset);
  }

  #initialBytes(member: BtfMember): Uint8Array {
    const from = member.bitOffset / 8;
    const size = sizeOf(this.#local, member.type);
    const bytes = this.#map.data!.slice(from, from + size);
    const wish = this.#wishes[member.name];
    if (wish === null) bytes.fill(0);
    else if (typeof wish === "number" || typeof wish === "bigint") writeInteger(bytes, BigInt(wish));
    else if (typeof wish === "string" && resolve(this.#local, member.type).kind !== "PTR") writeText(bytes, wish);
    return bytes;
  }

  #programOf(member: BtfMember): string | undefined {
    const wish = this.#wishes[member.name];
    if (wish === null) return undefined;
    if (typeof wish === "string" && resolve(this.#local, member.type).kind === "PTR") {
      if (this.#programs.has(wish)) return wish;
      throw new NotFoundError("program", wish, this.#programs, {
        where: `member "${member.name}" of "${this.#map.name}"`,
      });
    }
    return this.#map.structOps!.programs.find((p) => p.offset === member.bitOffset / 8)?.program;
  }

  #fail(member: BtfMember, problem: string, hint?: string): WaggleError {
    return new WaggleError(`Cannot set member "${member.name}" of struct_ops "${this.#map.name}": ${problem}`, {
      hint,
    });
  }

  #unsupported(name: string): NotSupportedError {
    return new NotSupportedError(`struct_ops "${name}"`, {
      message:
        `Cannot create struct_ops "${this.#map.name}": Linux ${kernelVersion().text} has no struct_ops "${name}"`,
      hint: "it may be in a module that is not loaded, or need a configuration option",
    });
  }
}

function writeInteger(bytes: Uint8Array, value: bigint): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
}

function writeText(bytes: Uint8Array, text: string): void {
  bytes.fill(0);
  bytes.set(new TextEncoder().encode(text).subarray(0, bytes.length - 1));
}
