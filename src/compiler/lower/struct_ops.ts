/**
 * Programs that are functions of a kernel interface (struct_ops): `struct_ops:tcp_congestion_ops:ssthresh`. Their section
 * is `struct_ops/<struct>:<member>`; their arguments are those of the member's function type.
 */
import { didYouMean } from "../diagnostics.ts";
import { resolveId } from "../../btf/walk.ts";
import type { KernelTypes } from "../check/kernel_types.ts";

/** What such a section names. */
export interface StructOpsTarget {
  readonly struct: string;
  readonly member: string;
}

export function structOpsTarget(section: string): StructOpsTarget | undefined {
  const [, struct, member] = /^\??struct_ops(?:\.s)?\/(\w+):(\w+)$/.exec(section) ?? [];
  return struct === undefined || member === undefined ? undefined : { struct, member };
}

/** The type of the member's function; undefined if the kernel has no such member. */
export function memberFunction(types: KernelTypes, { struct, member }: StructOpsTarget): number | undefined {
  const id = types.struct(struct);
  const found = id === undefined ? undefined : types.member(id, member);
  const shape = found === undefined ? undefined : types.shape(found.type);
  if (shape?.k !== "pointer") return undefined;
  const proto = resolveId(types.btf, shape.to);
  return types.btf.type(proto).kind === "FUNC_PROTO" ? proto : undefined;
}

/** The interfaces a kernel has: structs `x` that a `struct bpf_struct_ops_x` holds. */
export function structOpsNames(types: KernelTypes): string[] {
  const found: string[] = [];
  for (const id of types.btf.ids("STRUCT")) {
    const struct = /^bpf_struct_ops_(\w+)$/.exec(types.btf.nameOf(id))?.[1];
    const inner = struct === undefined ? undefined : types.struct(struct);
    const holds = types.composite(id)?.members.some((member) => resolveId(types.btf, member.type) === inner);
    if (inner !== undefined && holds === true) found.push(struct!);
  }
  return found.sort();
}

/**
 * Names of arguments. Types of functions have none in BTF: newer kernels have a stub for each member, `<struct>__<member>`;
 * those of congestion controls are those of include/net/tcp.h, where `cong_control` has had two forms.
 */
export function argumentNames(types: KernelTypes, { struct, member }: StructOpsTarget, count: number): string[] {
  const id = types.btf.find(`${struct}__${member}`, "FUNC");
  const stub = id === undefined ? undefined : types.btf.type(id);
  const proto = stub?.kind === "FUNC" ? types.btf.type(stub.type) : undefined;
  const fromStub = proto?.kind === "FUNC_PROTO" ? [proto.params.map(({ name }) => name)] : [];
  const known = struct === "tcp_congestion_ops" && Object.hasOwn(TCP_ARGUMENTS, member) ? TCP_ARGUMENTS[member]! : [];
  const names = [...fromStub, ...known].find((list) => list.length === count) ?? [];
  return Array.from({ length: count }, (_, i) => names[i] || `arg${i}`);
}

const TCP_ARGUMENTS: Readonly<Record<string, readonly string[][]>> = {
  init: [["sk"]],
  release: [["sk"]],
  ssthresh: [["sk"]],
  cong_avoid: [["sk", "ack", "acked"]],
  set_state: [["sk", "new_state"]],
  cwnd_event: [["sk", "ev"]],
  in_ack_event: [["sk", "flags"]],
  pkts_acked: [["sk", "sample"]],
  min_tso_segs: [["sk"]],
  cong_control: [["sk", "ack", "flag", "rs"], ["sk", "rs"]],
  undo_cwnd: [["sk"]],
  sndbuf_expand: [["sk"]],
};

/** What is wrong with a key, and what to write instead; undefined if it is right. */
export function structOpsMistake(types: KernelTypes | undefined, section: string): [string, string[]] | undefined {
  const target = structOpsTarget(section);
  if (target === undefined) {
    return ["a struct_ops program names the struct and its member", ["struct_ops:tcp_congestion_ops:ssthresh"]];
  }
  if (types === undefined) return ["struct_ops programs need the kernel's BTF", []];
  const { struct, member } = target;
  const interfaces = structOpsNames(types);
  const id = types.struct(struct);
  if (id === undefined || !interfaces.includes(struct)) {
    const list = interfaces.length === 0 ? [] : [`it has ${interfaces.join(", ")}`];
    return [`this kernel has no struct_ops "${struct}"`, [...didYouMean(struct, interfaces), ...list]];
  }
  if (memberFunction(types, target) !== undefined) return undefined;
  return [`"${struct}" has no function "${member}"`, didYouMean(member, types.memberNames(id))];
}
