/**
 * A loaded program taken apart: its instructions as the verifier left them and its machine code, with functions, maps,
 * helpers and source lines by name. Takes any program of the system; printing is in program_dump_text.ts.
 */
import { decodeInsns, type Insn, slotCount } from "../asm/insn.ts";
import { CALL, LDIMM64 } from "../asm/opcodes.ts";
import { formatInsn } from "../asm/text.ts";
import type { Btf } from "../btf/btf.ts";
import { SyscallError } from "../errors.ts";
import { fdById, mapInfo } from "../syscall/bpf_object.ts";
import { tryKernelBtf } from "./btf.ts";
import { BtfCache } from "./btf_objects.ts";
import { calledFunctions } from "./helper_addresses.ts";
import { type ObjectRef, openObject } from "./object_ref.ts";
import { type LineRecord, type ProgramArrays, programArrays } from "./program_arrays.ts";
import { hex, type ProgramDetails, programDetails } from "./program_details.ts";

/** A place in the source of a program. */
export interface SourceLine {
  readonly file: string;
  /** Starting at 1; 0 if unknown. */
  readonly line: number;
  readonly column: number;
  /** The line itself. */
  readonly text: string;
}

/** An instruction as the verifier left it. */
export interface TranslatedInsn {
  /** Index in slots of 8 bytes. */
  readonly slot: number;
  readonly insn: Insn;
  /** As the kernel's log writes it, with names where they are known. */
  readonly text: string;
  /** The function that begins here. */
  readonly function: string | undefined;
  /** The source line that begins here. */
  readonly source: SourceLine | undefined;
}

/** A function in machine code. */
export interface JitedFunction {
  readonly name: string;
  /** Hash of its instructions, 16 hexadecimal digits; empty if unknown. */
  readonly tag: string;
  /** Where it is; 0 if the kernel does not tell (kptr_restrict). */
  readonly address: bigint;
  readonly code: Uint8Array;
  /** Source lines by offset in `code`, ascending. */
  readonly lines: readonly { readonly offset: number; readonly source: SourceLine }[];
}

/** What `dumpProgram` returns. */
export interface ProgramDump {
  readonly program: ProgramDetails;
  /** Empty if the kernel does not show it to this process. */
  readonly translated: readonly TranslatedInsn[];
  /** Empty if the program is interpreted, or the kernel does not show it. */
  readonly jited: readonly JitedFunction[];
}

/**
 * Takes a program apart. Needs CAP_SYS_ADMIN for programs by id; names of helpers need /proc/kallsyms with addresses.
 *
 * @throws {SyscallError} if it is not there
 */
export function dumpProgram(ref: ObjectRef): ProgramDump {
  using fd = openObject("prog", ref);
  const program = programDetails({ fd: fd.number });
  const arrays = programArrays(fd.number);
  const btf = new BtfCache().get(arrays.info.btf_id);
  const sources = arrays.lines.map((record) => sourceOf(record, btf));
  const names = functionNames(arrays, btf, program.name);
  return {
    program,
    translated: translate(arrays, names, sources),
    jited: jitedFunctions(arrays, names, sources),
  };
}

function sourceOf(record: LineRecord, btf: Btf | undefined): SourceLine | undefined {
  if (btf === undefined) return undefined;
  const { line, column } = record;
  return { file: btf.string(record.fileOffset), line, column, text: btf.string(record.textOffset).trim() };
}

/** Names in the order of functions. Without types only the first is known. */
function functionNames(arrays: ProgramArrays, btf: Btf | undefined, name: string): string[] {
  const count = Math.max(1, arrays.functions.length, arrays.lengths.length);
  return Array.from({ length: count }, (_, i) => {
    const record = arrays.functions[i];
    if (record !== undefined && btf !== undefined) return btf.nameOf(record.typeId);
    return i === 0 ? name : `func#${i}`;
  });
}

type Sources = readonly (SourceLine | undefined)[];

function translate(arrays: ProgramArrays, names: readonly string[], sources: Sources): TranslatedInsn[] {
  const insns = decodeInsns(arrays.translated);
  const context = new InsnContext(arrays, names, insns);
  const functionAt = new Map(arrays.functions.map((record, i) => [record.slot, names[i]]));
  if (!functionAt.has(0)) functionAt.set(0, names[0]);
  const sourceAt = new Map(arrays.lines.map((record, i) => [record.slot, sources[i]]));
  let slot = 0;
  return insns.map((insn) => {
    const at = slot;
    slot += slotCount(insn);
    return { slot: at, insn, text: context.text(insn), function: functionAt.get(at), source: sourceAt.get(at) };
  });
}

/** Values of the `src` field. */
const PSEUDO = { call: 1, kfunc: 2, mapId: 1, mapValue: 2, btfId: 3, function: 4 } as const;

/** Names for what the kernel replaced by numbers and addresses. */
class InsnContext {
  readonly #jited: boolean;
  readonly #names: readonly string[];
  readonly #called: ReadonlyMap<number, string | undefined>;
  readonly #maps: Map<number, string | undefined> = new Map();

  constructor(arrays: ProgramArrays, names: readonly string[], insns: readonly Insn[]) {
    this.#jited = arrays.info.nr_jited_ksyms > 0;
    this.#names = names;
    const calls = insns.filter((insn) => insn.code === CALL && insn.src !== PSEUDO.call && insn.imm !== 0);
    this.#called = calls.length === 0 ? new Map() : calledFunctions(calls.map((insn) => insn.imm));
  }

  text(insn: Insn): string {
    if (insn.code === LDIMM64) return this.#load(insn);
    if (insn.code === CALL) return this.#call(insn);
    return formatInsn(insn, { style: "kernel" });
  }

  /** bpf_insn_prepare_dump() of kernel/bpf/syscall.c puts ids in the place of maps. */
  #load(insn: Insn): string {
    const high = Number((insn.imm64 ?? 0n) >> 32n);
    if (insn.src === PSEUDO.mapId) return `r${insn.dst} = map[${this.#map(insn.imm)}]`;
    if (insn.src === PSEUDO.mapValue) return `r${insn.dst} = map[${this.#map(insn.imm)}][0]+${high}`;
    if (insn.src === PSEUDO.function) return `r${insn.dst} = ${this.#names[high] ?? `subprog[${insn.imm}]`}`;
    return `r${insn.dst} = 0x${(insn.imm64 ?? 0n).toString(16)}`;
  }

  #map(id: number): string {
    if (!this.#maps.has(id)) this.#maps.set(id, mapName(id));
    const name = this.#maps.get(id);
    return name === undefined || name === "" ? `id:${id}` : `id:${id} ${name}`;
  }

  #call(insn: Insn): string {
    if (insn.src === PSEUDO.call) {
      // The JIT moved the distance to `off`, and left the number of the function in `imm`.
      const distance = this.#jited ? insn.off : insn.imm;
      const name = this.#jited ? this.#names[insn.imm] : undefined;
      return `call pc${distance < 0 ? "" : "+"}${distance}${name === undefined ? "" : `#${name}`}`;
    }
    // Helpers, and kfuncs too unless the machine lets them be far away.
    const name = this.#called.get(insn.imm);
    if (name !== undefined) return `call ${name}#${insn.imm}`;
    if (insn.src === PSEUDO.kfunc) return `call ${kernelFunctionName(insn)}#${insn.imm}`;
    // Without the right to see addresses the kernel shows 0 in the place of every helper. Tail calls keep their number.
    return insn.imm === 0 ? "call unknown" : formatInsn(insn, { style: "kernel" });
  }
}

/** Kfuncs of vmlinux by their type; those of modules are numbered in an array that only the loader had. */
function kernelFunctionName(insn: Insn): string {
  const btf = insn.off === 0 ? tryKernelBtf() : undefined;
  const known = btf !== undefined && insn.imm > 0 && insn.imm < btf.typeCount && btf.type(insn.imm).kind === "FUNC";
  return known ? btf.nameOf(insn.imm) : "kfunc";
}

function mapName(id: number): string | undefined {
  try {
    using fd = fdById("map", id);
    return mapInfo(fd.number).name;
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

function jitedFunctions(arrays: ProgramArrays, names: readonly string[], sources: Sources): JitedFunction[] {
  let start = 0;
  const lengths = arrays.lengths.length > 0 || arrays.jited.length === 0 ? arrays.lengths : [arrays.jited.length];
  return arrays.jited.length === 0 ? [] : lengths.map((length, i) => {
    const code = arrays.jited.subarray(start, start + length);
    start += length;
    const address = arrays.addresses[i] ?? 0n;
    const tag = arrays.tags[i];
    return {
      name: names[i] ?? `func#${i}`,
      tag: tag === undefined ? "" : hex(tag),
      address,
      code,
      lines: linesIn(arrays.lines, sources, address, length),
    };
  });
}

function linesIn(
  records: readonly LineRecord[],
  sources: Sources,
  address: bigint,
  length: number,
): { offset: number; source: SourceLine }[] {
  if (address === 0n) return [];
  return records.flatMap((record, i) => {
    const source = sources[i];
    const offset = Number((record.address ?? 0n) - address);
    return source === undefined || offset < 0 || offset >= length ? [] : [{ offset, source }];
  }).sort((a, b) => a.offset - b.offset);
}
