/** Hands programs to the verifier: attributes from the section's row, names and types as the kernel knows them. */
import { BPF_TRACE_KPROBE_MULTI, BPF_TRACE_UPROBE_MULTI } from "../abi/bpf.gen.ts";
import { BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS } from "../abi/defines.ts";
import { helperId } from "../asm/helpers.ts";
import { CALL } from "../asm/opcodes.ts";
import { InsnView } from "../asm/insn.ts";
import { EINVAL } from "../abi/errno.gen.ts";
import { NotSupportedError, SyscallError, VerifierError, WaggleError } from "../errors.ts";
import { hasFeature } from "../kernel/features.ts";
import { hasKprobeMulti } from "../kernel/kprobe_multi.ts";
import { kernelIsSince, kernelVersion } from "../kernel/version.ts";
import type { RelocatedProgram } from "../object/relocate.ts";
import { matchSection } from "../object/section_name.ts";
import { sectionAttachType, sectionProgType } from "../object/sections.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { progLoad, type ProgLoadAttr } from "../syscall/bpf_prog.ts";
import type { Fd } from "../syscall/fd.ts";
import { errnoName } from "../syscall/libc.ts";
import { type AttachTarget, findAttachTarget } from "./attach_target.ts";
import type { Cleanup } from "./cleanup.ts";
import { kernelName } from "./map.ts";
import type { ProgramOptions } from "./options.ts";
import { LoadedProgram, type ProgramObject } from "./program.ts";
import { explainLog, loadWithLog, type MarkerNames } from "./verifier_log.ts";

/** What loading one program needs besides its code. */
export interface ProgramContext {
  license: string;
  kernelVersion: number;
  btf: Fd | undefined;
  fdArray: readonly number[] | undefined;
  options: ProgramOptions;
  logLevel: number;
  names: MarkerNames;
  /** struct_ops programs: BTF id of the kernel's struct and index of the member. */
  structOps: { typeId: number; member: number; btfObjFd: number | undefined } | undefined;
  object: ProgramObject;
  /** Holds descriptors until everything is loaded. */
  cleanup: Cleanup;
}

/** The program with the caller's section name, if one is given. */
export function withSection(program: ProgramSpec, options: ProgramOptions | undefined): ProgramSpec {
  const section = options?.section;
  if (section === undefined) return program;
  const match = matchSection(section);
  if (match === undefined) {
    throw new WaggleError(`Cannot load program "${program.name}": no section is called "${section}"`);
  }
  // Not a spread: a program read from a file is a class whose records are getters.
  const { name, offset, linkage, hidden, insns, relocations, coreRelocations, btfId, lineRecords } = program;
  return {
    ...{
      name,
      section: program.section,
      offset,
      linkage,
      hidden,
      insns,
      relocations,
      coreRelocations,
      btfId,
      lineRecords,
    },
    lines: lineRecords === undefined ? program.lines : [],
    sectionName: section,
    def: match.def,
    target: match.target,
    autoload: program.autoload,
  };
}

/** Loads a program. Throws `VerifierError` if the kernel refuses it. */
export function loadProgram(program: ProgramSpec, code: RelocatedProgram, context: ProgramContext): LoadedProgram {
  const { type, expected } = typeOf(program);
  const target = targetOf(program, type, expected, context);
  useOlderHelpers(code.insns);
  const attr = loadAttr(program, code, context, { type, expected, target });
  const { fd, log } = loadVerified(program, attr, context);
  return new LoadedProgram({
    spec: program,
    fd,
    type,
    expectedAttachType: attr.expected_attach_type ?? 0,
    target,
    log,
    attr,
    object: context.object,
  });
}

function typeOf(program: ProgramSpec): { type: number; expected: number } {
  const { def } = program;
  if (def === undefined) {
    throw new WaggleError(
      `Cannot load program "${program.name}": section "${program.sectionName}" does not say what type of program it is`,
      { hint: `pass a section name that does: programs: { ${program.name}: { section: "xdp" } }, or autoload: false` },
    );
  }
  let expected = sectionAttachType(def);
  const flags = def.flags ?? [];
  if (flags.includes("usdt") && hasFeature("uprobe_multi_link")) expected = BPF_TRACE_UPROBE_MULTI;
  // A pattern stands for many functions: one link for all, where the kernel has it, takes other programs than kprobes do.
  if (/[*?]/.test(program.target)) {
    if (def.attach === "kprobe") expected = BPF_TRACE_KPROBE_MULTI;
    if (def.attach === "uprobe" && hasFeature("uprobe_multi_link")) expected = BPF_TRACE_UPROBE_MULTI;
  }
  if (expected === BPF_TRACE_KPROBE_MULTI && !hasKprobeMulti()) expected = 0;
  if (flags.includes("attachableOpt") && !hasFeature("exp_attach_type")) expected = 0;
  return { type: sectionProgType(def), expected };
}

function targetOf(program: ProgramSpec, type: number, expected: number, context: ProgramContext): AttachTarget {
  const none = { attachBtfId: 0, attachBtfObjFd: undefined, attachProgFd: undefined };
  if (context.structOps !== undefined) {
    return { ...none, attachBtfId: context.structOps.typeId, attachBtfObjFd: context.structOps.btfObjFd };
  }
  const needs = program.def?.flags?.includes("attachBtf") || context.options.attachProgram !== undefined;
  return needs ? findAttachTarget(program, expected, type, context.options, context.cleanup) : none;
}

function loadAttr(
  program: ProgramSpec,
  code: RelocatedProgram,
  context: ProgramContext,
  what: { type: number; expected: number; target: AttachTarget },
): ProgLoadAttr {
  const { options, btf } = context;
  // Records about functions and lines mean something only together with the types.
  const withInfo = btf !== undefined && code.funcInfo !== undefined && hasFeature("btf_func");
  return {
    prog_type: what.type,
    expected_attach_type: context.structOps?.member ?? what.expected,
    insns: code.insns,
    license: context.license,
    // Kprobes of kernels before 5.0 compare it with their own.
    kern_version: context.kernelVersion || kernelVersion().code,
    prog_name: hasFeature("prog_name") ? kernelName(program.name) : undefined,
    prog_flags: flagsOf(program) | (options.flags ?? 0),
    prog_ifindex: options.ifindex,
    attach_btf_id: what.target.attachBtfId,
    ...(what.target.attachProgFd !== undefined && { attach_prog_fd: what.target.attachProgFd }),
    ...(what.target.attachBtfObjFd !== undefined && { attach_btf_obj_fd: what.target.attachBtfObjFd }),
    ...(btf !== undefined && hasFeature("btf_func") && { prog_btf_fd: btf.number }),
    ...(withInfo && { func_info: code.funcInfo, line_info: code.lineInfo }),
    fd_array: context.fdArray,
  };
}

function flagsOf(program: ProgramSpec): number {
  const flags = program.def?.flags ?? [];
  return (flags.includes("sleepable") ? BPF_F_SLEEPABLE : 0) | (flags.includes("xdpFrags") ? BPF_F_XDP_HAS_FRAGS : 0);
}

function loadVerified(program: ProgramSpec, attr: ProgLoadAttr, context: ProgramContext): { fd: Fd; log: string } {
  const level = context.options.logLevel ?? context.logLevel;
  if (level === 0) {
    const fd = tryLoad(attr);
    if (fd !== undefined) return { fd, log: "" };
  }
  // Without a log the verifier is faster, so programs that load never write one; those that do not load again.
  const result = loadWithLog(attr, level || 1);
  if (result.fd !== undefined) return { fd: result.fd, log: result.log };
  refuseNewerKind(program, result);
  const { log, summary, hint } = explainLog(result.log, result.errno, context.names, attr.prog_type);
  const text = summary.trim() === "" ? "" : `\n${summary.replace(/^/gm, "  ")}`;
  throw new VerifierError(
    `Cannot load program "${program.name}": bpf(BPF_PROG_LOAD): ${errnoName(result.errno)}${text}`,
    {
      program: program.name,
      log,
      summary,
      errno: result.errno,
      hint,
    },
  );
}

/** Kernels that do not know a kind of program refuse it before the verifier writes a log. */
function refuseNewerKind(program: ProgramSpec, result: { errno: number; log: string }): void {
  const since = program.def?.since;
  if (since === undefined || result.errno !== EINVAL || result.log.trim() !== "" || kernelIsSince(since)) return;
  throw new NotSupportedError(`program "${program.name}" of section "${program.sectionName}"`, { since });
}

function tryLoad(attr: ProgLoadAttr): Fd | undefined {
  try {
    return progLoad(attr);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** Helpers of 5.5 that older kernels have under one name for kernel and user memory. */
const OLDER_HELPERS: Readonly<Record<string, string>> = {
  probe_read_kernel: "probe_read",
  probe_read_user: "probe_read",
  probe_read_kernel_str: "probe_read_str",
  probe_read_user_str: "probe_read_str",
};

function useOlderHelpers(insns: Uint8Array): void {
  if (hasFeature("probe_read_kernel")) return;
  const older = new Map(Object.entries(OLDER_HELPERS).map(([name, old]) => [helperId(name), helperId(old)]));
  const view = new InsnView(insns);
  for (let slot = 0; slot < view.count; slot++) {
    if (view.code(slot) !== CALL || view.src(slot) !== 0) {
      if (view.isLdImm64(slot)) slot++;
      continue;
    }
    const replacement = older.get(view.imm(slot));
    if (replacement !== undefined) view.setImm(slot, replacement);
  }
}
