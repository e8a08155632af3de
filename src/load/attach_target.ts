/**
 * What a program attaches to, where the kernel wants to know at load: the BTF id of a function, tracepoint or hook, in
 * vmlinux, a module, or another program. The names the kernel gives them are libbpf's rules.
 */
import { BPF_LSM_CGROUP, BPF_LSM_MAC, BPF_PROG_TYPE_EXT, BPF_TRACE_ITER, BPF_TRACE_RAW_TP } from "../abi/bpf.gen.ts";
import { Btf } from "../btf/btf.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import { NotFoundError, WaggleError } from "../errors.ts";
import { kernelBtf, moduleBtfs, openModuleBtf } from "../kernel/btf.ts";
import { kernelVersion } from "../kernel/version.ts";
import { parseTarget } from "../object/section_name.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { btfInfo, fdById, progInfo } from "../syscall/bpf_object.ts";
import type { Cleanup } from "./cleanup.ts";
import { fdNumber, type ProgramOptions } from "./options.ts";

/** Fields of BPF_PROG_LOAD. */
export interface AttachTarget {
  attachBtfId: number;
  /** Descriptor of a module's BTF. */
  attachBtfObjFd: number | undefined;
  /** Descriptor of the program to attach to. */
  attachProgFd: number | undefined;
}

/** Prefix and kind of the target's type by expected attach type; everything else is a plain function. */
const TARGET_TYPES: Readonly<Record<number, readonly [prefix: string, kind: number] | undefined>> = {
  [BPF_TRACE_RAW_TP]: ["btf_trace_", BTF_KIND.TYPEDEF],
  [BPF_LSM_MAC]: ["bpf_lsm_", BTF_KIND.FUNC],
  [BPF_LSM_CGROUP]: ["bpf_lsm_", BTF_KIND.FUNC],
  [BPF_TRACE_ITER]: ["bpf_iter_", BTF_KIND.FUNC],
};

/** Finds the target of a program whose section needs one. */
export function findAttachTarget(
  program: ProgramSpec,
  expected: number,
  type: number,
  options: ProgramOptions,
  cleanup: Cleanup,
): AttachTarget {
  const parsed = program.def === undefined ? undefined : parseTarget(program.def, program.target);
  const named = parsed?.kind === "btf" ? parsed : undefined;
  const name = options.attachFunction ?? named?.name ?? "";
  if (options.attachProgram !== undefined) return inProgram(program, name, fdNumber(options.attachProgram));
  if (type === BPF_PROG_TYPE_EXT) {
    throw new WaggleError(
      `Cannot load program "${program.name}": freplace needs the program whose function it replaces`,
      {
        hint: `pass it: programs: { ${program.name}: { attachProgram: … } }`,
      },
    );
  }
  if (name === "") {
    throw new WaggleError(`Cannot load program "${program.name}": section "${program.sectionName}" names no target`, {
      hint: `write ${program.sectionName}/<name>, or pass programs: { ${program.name}: { attachFunction: "…" } }`,
    });
  }
  return inKernel(program, name, named?.module, expected, cleanup);
}

function inKernel(
  program: ProgramSpec,
  name: string,
  module: string | undefined,
  expected: number,
  cleanup: Cleanup,
): AttachTarget {
  const [prefix, kind] = TARGET_TYPES[expected] ?? ["", BTF_KIND.FUNC];
  const wanted = prefix + name;
  const btf = kernelBtf();
  const id = module === undefined || module === "vmlinux" ? btf.find(wanted, kind) : undefined;
  if (id !== undefined) return { attachBtfId: id, attachBtfObjFd: undefined, attachProgFd: undefined };
  for (const candidate of moduleBtfs()) {
    if (module !== undefined && candidate.name !== module) continue;
    const own = candidate.btf.findAll(wanted, kind).find((found) => found >= candidate.btf.firstId);
    if (own === undefined) continue;
    const fd = cleanup.own(openModuleBtf(candidate));
    return { attachBtfId: own, attachBtfObjFd: fd.number, attachProgFd: undefined };
  }
  throw notFound(program, name, prefix, kind, btf, module);
}

function notFound(
  program: ProgramSpec,
  name: string,
  prefix: string,
  kind: number,
  btf: Btf,
  module: string | undefined,
): NotFoundError {
  const names: string[] = [];
  for (const id of btf.ids(kind)) {
    const known = btf.nameOf(id);
    if (known.startsWith(prefix + name.slice(0, 3))) names.push(known.slice(prefix.length));
  }
  const where = module === undefined ? `Linux ${kernelVersion().text}` : `module ${module}`;
  return new NotFoundError(`the attach target of program "${program.name}",`, name, names, { where });
}

/** A function of another BPF program: by its name in that program's own BTF. */
function inProgram(program: ProgramSpec, name: string, progFd: number): AttachTarget {
  const info = progInfo(progFd);
  if (info.btf_id === 0) {
    throw new WaggleError(`Cannot load program "${program.name}": program "${info.name}" has no BTF to attach to`);
  }
  using fd = fdById("btf", info.btf_id);
  const btf = Btf.parse(btfInfo(fd.number, { data: true }).data!, { path: `BTF of program "${info.name}"` });
  const id = name === "" ? undefined : btf.find(name, BTF_KIND.FUNC);
  if (id !== undefined) return { attachBtfId: id, attachBtfObjFd: undefined, attachProgFd: progFd };
  const known = Array.from(btf.ids(BTF_KIND.FUNC), (func) => btf.nameOf(func));
  throw new NotFoundError(`the attach target of program "${program.name}",`, name, known, {
    where: `program "${info.name}"`,
  });
}
