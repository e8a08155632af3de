/**
 * CO-RE ("compile once, run everywhere"): adapts instructions that depend on the layout of kernel types to the kernel
 * they will run on. For each record: path in the object's types → candidates of the same name in the target → those
 * that match → one value all of them agree on → the instruction. The target's BTF comes as an argument. Order of
 * records matters as in libbpf: a record that matches some candidates leaves only those for the records after it.
 */
import { InsnView } from "../asm/insn.ts";
import { WaggleError } from "../errors.ts";
import type { Btf } from "../btf/btf.ts";
import { essentialName } from "../btf/walk.ts";
import { applyCore } from "./core_apply.ts";
import type { PoisonReason } from "./core_apply.ts";
import { kindsAreCompatible, matchSpec } from "./core_match.ts";
import { describeCore, parseCoreSpec } from "./core_spec.ts";
import type { CoreSpec } from "./core_spec.ts";
import { coreValue } from "./core_value.ts";
import type { CoreValue } from "./core_value.ts";
import type { CoreRelocation, FunctionSpec } from "./spec.ts";

/** The types to adapt to. */
export interface CoreTarget {
  /** Of the kernel, or of whatever the user says. */
  btf: Btf;
  /** BTF of the kernel's modules, asked for only when `btf` has no type of a name. */
  modules?: (() => readonly Btf[]) | undefined;
}

/** An instruction that the target's types give no meaning. It is an error only if the verifier reaches it. */
export interface CorePoison {
  /** Slot in the function. */
  insn: number;
  relocation: CoreRelocation;
  reason: PoisonReason;
  /** `struct task_struct.no_such_field`. */
  text: string;
}

interface Candidate {
  btf: Btf;
  id: number;
}

/** Resolves the records of one object against one target. */
export class CoreResolver {
  readonly #local: Btf;
  readonly #target: CoreTarget;
  readonly #candidates = new Map<number, Candidate[]>();
  /** Records of one object repeat: `task->pid` may stand in every program. */
  readonly #specs = new Map<string, CoreSpec>();

  constructor(local: Btf, target: CoreTarget) {
    this.#local = local;
    this.#target = target;
  }

  /** Patches a copy of `fn`'s instructions in place. Returns what had to be poisoned. */
  apply(fn: FunctionSpec, insns: Uint8Array): CorePoison[] {
    const slots = new InsnView(insns, this.#local.endian);
    const poisoned: CorePoison[] = [];
    for (const relocation of fn.coreRelocations) {
      const reason = this.#applyOne(fn, slots, relocation);
      if (reason === undefined) continue;
      poisoned.push({ insn: relocation.insn, relocation, reason, text: describeCore(this.#local, relocation) });
    }
    return poisoned;
  }

  #applyOne(fn: FunctionSpec, slots: InsnView, relocation: CoreRelocation): PoisonReason | undefined {
    if (relocation.insn >= slots.count) this.#fail(fn, relocation, "the instruction is not there");
    const spec = this.#spec(relocation);
    const fail = (problem: string): never => this.#fail(fn, relocation, problem);
    if (relocation.kind === "TYPE_ID_LOCAL") {
      // A linker renumbers types and leaves the instruction as it was.
      const id = { value: BigInt(spec.rootId), access: undefined, validate: false };
      return applyCore(slots, relocation.insn, id, id, fail);
    }
    const local = coreValue(relocation.kind, spec, this.#local.endian === "big");
    if (local === undefined) return fail("the object's own types give it no value");
    return applyCore(slots, relocation.insn, local, this.#targetValue(spec, relocation, fail), fail);
  }

  /** The value all matching candidates agree on; undefined if the instruction is to be poisoned. */
  #targetValue(spec: CoreSpec, relocation: CoreRelocation, fail: (p: string) => never): CoreValue | undefined {
    const candidates = this.#findCandidates(relocation.typeId, fail);
    const matching: Candidate[] = [];
    let first: { spec: CoreSpec; value: CoreValue | undefined } | undefined;
    for (const candidate of candidates) {
      const match = matchSpec(spec, relocation.kind, candidate.btf, candidate.id);
      if (match === undefined) continue;
      matching.push(candidate);
      const value = coreValue(relocation.kind, match, candidate.btf.endian === "big");
      if (first === undefined) first = { spec: match, value };
      else if (match.bitOffset !== first.spec.bitOffset || value?.value !== first.value?.value) {
        fail(
          `it is ambiguous: ${describe(matching[0]!)} says ${first.value?.value}, ${
            describe(candidate)
          } ${value?.value}`,
        );
      }
    }
    if (first === undefined) return coreValue(relocation.kind, undefined, false);
    this.#candidates.set(relocation.typeId, matching);
    return first.value;
  }

  #findCandidates(typeId: number, fail: (p: string) => never): Candidate[] {
    const known = this.#candidates.get(typeId);
    if (known !== undefined) return known;
    const name = this.#local.nameOf(typeId);
    if (name === "") fail("types without name cannot be looked up in the target");
    const wanted = essentialName(name);
    const kind = this.#local.kindOf(typeId);
    const search = (btf: Btf, from: number): Candidate[] =>
      btf.candidates(wanted)
        .filter((id) => id >= from && kindsAreCompatible(btf.kindOf(id), kind))
        .map((id) => ({ btf, id }));
    let found = search(this.#target.btf, 0);
    if (found.length === 0) {
      found = (this.#target.modules?.() ?? []).flatMap((module) => search(module, module.firstId));
    }
    this.#candidates.set(typeId, found);
    return found;
  }

  #spec(relocation: CoreRelocation): CoreSpec {
    const key = `${relocation.kind} ${relocation.typeId} ${relocation.access}`;
    let spec = this.#specs.get(key);
    if (spec === undefined) this.#specs.set(key, spec = parseCoreSpec(this.#local, relocation));
    return spec;
  }

  #fail(fn: FunctionSpec, relocation: CoreRelocation, problem: string): never {
    const what = describeCore(this.#local, relocation);
    throw new CoreError(`Cannot relocate instruction ${relocation.insn} of "${fn.name}" for ${what}: ${problem}`);
  }
}

/** A CO-RE record that cannot be resolved: ambiguous types, or an instruction that does not fit the record. */
export class CoreError extends WaggleError {
  override readonly name: string = "CoreError";
}

function describe(candidate: Candidate): string {
  return `type ${candidate.id} of ${candidate.btf.path}`;
}

/** The functions to relocate in libbpf's order: blocks of `.BTF.ext`, then what has none. */
export function inCoreOrder<F extends FunctionSpec>(
  functions: readonly F[],
  sections: readonly string[] | undefined,
): F[] {
  if (sections === undefined) return [...functions];
  const rank = new Map(sections.map((s, i) => [s, i]));
  const of = (fn: F): number => rank.get(fn.section) ?? sections.length;
  return [...functions].sort((a, b) => of(a) - of(b) || a.offset - b.offset);
}

/** Whether any record needs the types of a target. */
export function needsCoreTarget(functions: readonly FunctionSpec[]): boolean {
  return functions.some((fn) => fn.coreRelocations.some((r) => r.kind !== "TYPE_ID_LOCAL"));
}
