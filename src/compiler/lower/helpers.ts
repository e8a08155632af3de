/** Calling BPF helpers: by name, with what the optimiser may believe about each. */
import { helperId } from "../../asm/helpers.ts";
import type { Value } from "../ir/ir.ts";
import type { CallOptions } from "../ir/builder.ts";
import type { Lowering } from "./lowering.ts";

/** Calls a helper. It is taken to write nothing of ours unless `writes` says so. */
export function helper(f: Lowering, name: string, args: Value[], options: CallOptions = {}): Value {
  return f.b.callHelper(helperId(name), name, args, { writes: 0, ...options });
}

/** A helper without effects that gives the same answer all through one run. */
export function pureHelper(f: Lowering, name: string): Value {
  return helper(f, name, [], { pure: true });
}

/** Whether the kernel has a helper, by the enumerator of its BTF; true where there is no BTF to ask. */
export function hasHelper(f: Lowering, name: string): boolean {
  const { types } = f.module;
  if (types === undefined) return true;
  const id = types.btf.find("bpf_func_id", "ENUM");
  const type = id === undefined ? undefined : types.btf.type(id);
  return type?.kind !== "ENUM" || type.values.some((value) => value.name === `BPF_FUNC_${name}`);
}

/** Whether the kernel has a kfunc. */
export function hasKfunc(f: Lowering, name: string): boolean {
  return f.module.types?.btf.find(name, "FUNC") !== undefined;
}
