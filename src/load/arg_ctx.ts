/**
 * Arguments tagged `__arg_ctx` on kernels before 6.8, which know a context only by the name of its type: each tagged
 * parameter of a global function gets a pointer to the struct that the program's type is known by. Since one function
 * may serve programs of several types, each type gets a copy of the function's types. As libbpf does.
 */
import type { Btf } from "../btf/btf.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import type { BtfType } from "../btf/types.ts";
import { resolve } from "../btf/walk.ts";
import type { FunctionSpec, ProgramSpec } from "../object/spec.ts";

/** Functions whose types must be copied, and where the copies' ids will be. */
export interface ArgContexts {
  /** Types to append, in order, given the id of the first. */
  types(firstId: number): BtfType[];
  /** BTF id of a function as part of a program. */
  btfId(program: ProgramSpec, fn: FunctionSpec): number;
}

const TAG = "arg:ctx";

/** Name the kernel knows a context by, where it is not that of the section table. Undefined: none of its own. */
const KERNEL_NAMES: Readonly<Record<string, string | undefined>> = {
  pt_regs: "bpf_user_pt_regs_t",
  tracepoint: undefined,
  btf_args: undefined,
  bpf_iter: undefined,
  void: undefined,
  u32: undefined,
};

/** Finds the tagged functions; undefined if there are none. Call it only where the kernel does not know the tag. */
export function findArgContexts(
  btf: Btf,
  programs: readonly ProgramSpec[],
  reachable: (program: ProgramSpec) => readonly FunctionSpec[],
): ArgContexts | undefined {
  const tagged = taggedParameters(btf);
  if (tagged.size === 0) return undefined;
  const wanted = new Map<string, { fn: FunctionSpec; context: string }>();
  for (const program of programs) {
    const context = contextName(program);
    if (context === undefined) continue;
    for (const fn of reachable(program)) {
      if (tagged.has(fn.btfId) && isGlobal(btf, fn.btfId)) wanted.set(`${fn.btfId} ${context}`, { fn, context });
    }
  }
  if (wanted.size === 0) return undefined;
  const ids = new Map<string, number>();
  return {
    types(firstId) {
      const types: BtfType[] = [];
      for (const [key, { fn, context }] of wanted) {
        ids.set(key, copyFunction(btf, fn.btfId, tagged.get(fn.btfId)!, context, firstId, types));
      }
      return types;
    },
    btfId: (program, fn) => ids.get(`${fn.btfId} ${contextName(program)}`) ?? fn.btfId,
  };
}

function contextName(program: ProgramSpec): string | undefined {
  const name = program.def?.ctx;
  return name === undefined || name in KERNEL_NAMES ? KERNEL_NAMES[name ?? ""] : name;
}

function isGlobal(btf: Btf, id: number): boolean {
  const type = btf.type(id);
  return type.kind === "FUNC" && type.linkage === "global";
}

/** Indices of tagged parameters by the id of their FUNC. */
function taggedParameters(btf: Btf): Map<number, Set<number>> {
  const found = new Map<number, Set<number>>();
  for (const id of btf.findAll(TAG, BTF_KIND.DECL_TAG)) {
    const tag = btf.type(id);
    if (tag.kind !== "DECL_TAG" || tag.component < 0) continue;
    found.set(tag.type, (found.get(tag.type) ?? new Set()).add(tag.component));
  }
  return found;
}

/** Appends struct, pointer, prototype and function; returns the function's id. */
function copyFunction(
  btf: Btf,
  id: number,
  parameters: ReadonlySet<number>,
  context: string,
  firstId: number,
  types: BtfType[],
): number {
  const add = (type: BtfType): number => firstId + types.push(type) - 1;
  const func = btf.type(id) as Extract<BtfType, { kind: "FUNC" }>;
  const proto = btf.type(func.type) as Extract<BtfType, { kind: "FUNC_PROTO" }>;
  const struct = add({ kind: "STRUCT", name: context, size: 0, members: [], kflag: false });
  const pointer = add({ kind: "PTR", name: "", type: struct });
  // Only pointers are contexts; a tag on something else is for the verifier to refuse.
  const params = proto.params.map((p, i) =>
    parameters.has(i) && resolve(btf, p.type).kind === "PTR" ? { ...p, type: pointer } : p
  );
  return add({ ...func, type: add({ ...proto, params }) });
}
