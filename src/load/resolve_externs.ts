/**
 * Externs of an object → facts for relocation: values of the kernel's configuration, addresses of its symbols, BTF ids
 * of its variables and functions. Rules are libbpf's: vmlinux first, then modules; a strong extern must be found; a
 * declaration must be compatible with what the kernel has.
 */
import type { Btf } from "../btf/btf.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import { essentialName, resolveId } from "../btf/walk.ts";
import { NotFoundError, WaggleError } from "../errors.ts";
import { kernelBtf, type ModuleBtf, moduleBtfs, openModuleBtf, tryKernelBtf } from "../kernel/btf.ts";
import { kernelSymbols } from "../kernel/kallsyms.ts";
import { kernelVersion } from "../kernel/version.ts";
import { typesAreCompatible } from "../object/core_match.ts";
import type { ExternFact } from "../object/relocate.ts";
import type { ExternSpec, ObjectSpec } from "../object/spec.ts";
import type { Cleanup } from "./cleanup.ts";

/** Externs by name; kconfig values are known by their place, their bytes are made by `kconfigData`. */
export interface ResolvedExterns {
  facts: Map<string, ExternFact>;
  /** For BPF_PROG_LOAD: index 0 means vmlinux, then one module each. Undefined if no module is used. */
  fdArray: number[] | undefined;
}

/** Resolves kernel symbols. BTF descriptors of modules live until `cleanup` runs or the caller closes them. */
export function resolveKsyms(spec: ObjectSpec, cleanup: Cleanup): ResolvedExterns {
  const resolver = new KsymResolver(spec, cleanup);
  const typeless = spec.externs.filter((e) => e.kind === "ksym_var" && e.typeless);
  const addresses = typeless.length === 0 ? new Map<string, bigint>() : kernelSymbols(typeless.map((e) => e.name));
  for (const extern of spec.externs) {
    if (extern.kind === "kconfig") continue;
    if (extern.kind === "ksym_var" && extern.typeless) resolver.setAddress(extern, addresses.get(extern.name));
    else resolver.resolveTyped(extern);
  }
  return { facts: resolver.facts, fdArray: resolver.fdArray };
}

interface Found {
  btf: Btf;
  id: number;
  module: ModuleBtf | undefined;
}

class KsymResolver {
  readonly facts = new Map<string, ExternFact>();
  fdArray: number[] | undefined;
  readonly #spec: ObjectSpec;
  readonly #cleanup: Cleanup;
  readonly #moduleFds = new Map<number, number>();
  readonly #indices = new Map<number, number>();

  constructor(spec: ObjectSpec, cleanup: Cleanup) {
    this.#spec = spec;
    this.#cleanup = cleanup;
  }

  setAddress(extern: ExternSpec, address: bigint | undefined): void {
    if (address === undefined && !extern.weak) {
      throw new WaggleError(`Cannot resolve kernel symbol "${extern.name}": /proc/kallsyms does not have it`, {
        hint: "declare it __weak if it may be missing; kernel.kptr_restrict=2 hides all symbols",
      });
    }
    this.facts.set(extern.name, { kind: "address", address: address ?? 0n });
  }

  resolveTyped(extern: ExternSpec): void {
    const isFunc = extern.kind === "ksym_func";
    const name = isFunc ? essentialName(extern.name) : extern.name;
    const found = this.#find(name, isFunc ? BTF_KIND.FUNC : BTF_KIND.VAR);
    if (found === undefined) {
      if (!extern.weak) throw this.#missing(extern, name, isFunc);
      this.facts.set(extern.name, isFunc ? { kind: "missing" } : { kind: "address", address: 0n });
      return;
    }
    if (!this.#fits(extern, found)) {
      if (!isFunc || !extern.weak) throw this.#mismatch(extern, isFunc);
      this.facts.set(extern.name, { kind: "missing" });
      return;
    }
    const btfFd = found.module === undefined ? 0 : this.#fdOf(found.module);
    const callOffset = isFunc && found.module !== undefined ? this.#indexOf(found.module, btfFd) : 0;
    this.facts.set(extern.name, { kind: "btf", id: found.id, btfFd, callOffset });
  }

  #find(name: string, kind: number): Found | undefined {
    const btf = kernelBtf();
    const id = btf.find(name, kind);
    if (id !== undefined) return { btf, id, module: undefined };
    for (const module of moduleBtfs()) {
      const own = module.btf.findAll(name, kind).find((found) => found >= module.btf.firstId);
      if (own !== undefined) return { btf: module.btf, id: own, module };
    }
    return undefined;
  }

  /** Declaration and kernel agree on kinds; sizes and names of fields may differ. */
  #fits(extern: ExternSpec, found: Found): boolean {
    const local = this.#spec.btf!;
    const [mine, theirs] = [local.type(extern.btfId), found.btf.type(found.id)] as { type: number }[];
    if (extern.kind === "ksym_func") return typesAreCompatible(local, mine!.type, found.btf, theirs!.type);
    const [localId, targetId] = [resolveId(local, mine!.type), resolveId(found.btf, theirs!.type)];
    return typesAreCompatible(local, localId, found.btf, targetId);
  }

  #fdOf(module: ModuleBtf): number {
    let fd = this.#moduleFds.get(module.id);
    if (fd === undefined) this.#moduleFds.set(module.id, fd = this.#cleanup.own(openModuleBtf(module)).number);
    return fd;
  }

  #indexOf(module: ModuleBtf, fd: number): number {
    let index = this.#indices.get(module.id);
    if (index === undefined) {
      this.fdArray ??= [0];
      index = this.fdArray.push(fd) - 1;
      this.#indices.set(module.id, index);
    }
    return index;
  }

  #missing(extern: ExternSpec, name: string, isFunc: boolean): WaggleError {
    const btf = tryKernelBtf();
    const known = btf === undefined ? [] : namesNear(btf, isFunc ? BTF_KIND.FUNC : BTF_KIND.VAR, name);
    return new NotFoundError(isFunc ? "kernel function" : "kernel variable", extern.name, known, {
      where: `the BTF of Linux ${kernelVersion().text} and its modules`,
      ...(known.length === 0 ? { hint: "declare it __weak if it may be missing" } : {}),
    });
  }

  #mismatch(extern: ExternSpec, isFunc: boolean): WaggleError {
    const what = isFunc ? "kernel function" : "kernel variable";
    return new WaggleError(
      `Cannot use ${what} "${extern.name}": the object declares it with another type than Linux ${kernelVersion().text} has`,
    );
  }
}

/** Names worth a suggestion: those that start alike. Going through all 60 000 would take longer than the load. */
function namesNear(btf: Btf, kind: number, name: string): string[] {
  const start = name.slice(0, 4);
  const names: string[] = [];
  for (const id of btf.ids(kind)) {
    const known = btf.nameOf(id);
    if (known.startsWith(start)) names.push(known);
  }
  return names;
}
