/**
 * Open-coded iterators (Linux 6.4): `bpf_iter_<name>_new`, `_next` and `_destroy` around a state on the stack. The verifier
 * sees that they end, whatever the loop does.
 */
import { didYouMean } from "../diagnostics.ts";
import type { Value } from "../ir/ir.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { typedWord } from "./context.ts";
import { kernelTypes } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { toInt } from "./operators.ts";
import type { IterVal, Val } from "./values.ts";

export interface Iterator {
  /** Pointer to the item, 0 at the end. */
  readonly next: () => Value;
  readonly close: () => void;
}

export function kernelIterator(f: Lowering, name: string, size: number, args: readonly Value[]): Iterator {
  const slot = f.b.newSlot("iterator", size, 8);
  const call = (what: string, rest: readonly Value[], returns: boolean): Value => {
    const kfunc = `bpf_iter_${name}_${what}`;
    f.module.kfuncs.add(kfunc);
    return f.b.callKfunc(kfunc, [f.b.slotAddress(slot), ...rest], { returns, writes: 1 });
  };
  call("new", args, true);
  return { next: () => call("next", [], true), close: () => void call("destroy", [], false) };
}

/** The prototype of a kernel function; undefined if the kernel does not have it. */
function prototypeOf(f: Lowering, name: string): { params: number; result: number } | undefined {
  const { btf } = f.module.types!;
  const id = btf.find(name, "FUNC");
  const func = id === undefined ? undefined : btf.type(id);
  const proto = func?.kind === "FUNC" ? btf.type(func.type) : undefined;
  return proto?.kind === "FUNC_PROTO" ? { params: proto.params.length, result: proto.type } : undefined;
}

/** `iterate("task")`: arguments that are left out are 0. */
export function lowerIterate(f: Lowering, args: readonly Val[], call: Call | Expr): IterVal {
  const nodes = call.type === "Call" ? call.args : [call];
  const name = args[0]!;
  if (name.k !== "text") return f.wrong("the kind of iterator in quotes", name, nodes[0]!);
  const types = kernelTypes(f, nodes[0]!);
  const made = prototypeOf(f, `bpf_iter_${name.text}_new`);
  if (made === undefined) {
    const known = Array.from(types.btf.ids("FUNC"), (id) => types.btf.nameOf(id))
      .flatMap((func) => /^bpf_iter_(\w+)_new$/.exec(func)?.[1] ?? []);
    f.fail("unknown-type", `this kernel cannot iterate over "${name.text}"`, nodes[0]!, [
      ...didYouMean(name.text, known),
      known.length === 0 ? "Linux 6.7 and later have iterators over objects" : `it has ${known.sort().join(", ")}`,
    ]);
  }
  if (args.length > made.params) {
    f.fail("arguments", `"${name.text}" takes ${made.params - 1} more arguments at most`, call);
  }
  const words = Array.from({ length: made.params - 1 }, (_, i) => {
    const arg = args[i + 1];
    return arg === undefined ? f.b.const(0n) : f.word(toInt(f, arg, nodes[i + 1]!));
  });
  return { k: "iter", name: name.text, args: words };
}

/** Opens it; items are pointers whose type the verifier knows. */
export function objectIterator(
  f: Lowering,
  { name, args }: IterVal,
  node: Expr,
): { iterator: Iterator; item: (pointer: Value) => Val } {
  const types = kernelTypes(f, node);
  const state = types.struct(`bpf_iter_${name}`);
  const next = prototypeOf(f, `bpf_iter_${name}_next`);
  if (state === undefined || next === undefined) {
    return f.fail("unknown-type", `this kernel does not say what an iterator over "${name}" is`, node);
  }
  const iterator = kernelIterator(f, name, types.size(state), args);
  return { iterator, item: (pointer) => typedWord(f, pointer, next.result, "direct") };
}
