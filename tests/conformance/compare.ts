/**
 * One object, loaded by libbpf (libbpf_dump.c) and by waggle: every difference between them as a line of text. What is
 * compared: whether it opens; maps with all parameters; programs with section, type and attach type; each program's
 * instructions after relocation, byte for byte but for descriptors; whether it loads alone; what the verifier counted.
 */
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { InsnView } from "../../src/asm/insn.ts";
import { CALL } from "../../src/asm/opcodes.ts";
import * as abi from "../../src/abi/bpf.gen.ts";
import { BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE } from "../../src/abi/defines.ts";
import { VerifierError } from "../../src/errors.ts";
import { loadObject } from "../../src/load/load.ts";
import { dataMapName } from "../../src/load/map.ts";
import { withOptions } from "../../src/load/map_params.ts";
import { parseObject } from "../../src/object/parse.ts";
import { KFUNC_POISON } from "../../src/object/relocate.ts";
import type { MapSpec, ObjectSpec, ProgramSpec } from "../../src/object/spec.ts";
import { readFile } from "../../src/syscall/files.ts";

/** What libbpf_dump.c prints. */
interface Dump {
  open: number;
  why?: string;
  maps?: {
    name: string;
    type: number;
    key: number;
    value: number;
    max: number;
    flags: number;
    extra: number;
    numa: number;
  }[];
  programs?: DumpedProgram[];
}

interface DumpedProgram {
  name: string;
  section: string;
  type: number;
  attach: number;
  autoload: number;
  load: number;
  /** Whether it came as far as asking the kernel. */
  relocated: number;
  why: string;
  verified?: number;
  insns: string;
}

/** The result for one object. */
export interface Comparison {
  path: string;
  programs: number;
  /** Programs that both load, and that both refuse. */
  bothLoad: number;
  bothRefuse: number;
  /** Programs that only waggle loads: no fault, but worth knowing. */
  onlyWaggle: string[];
  differences: string[];
}

const PIN_DIRECTORY = "/sys/fs/bpf/waggle_conformance";

/**
 * Builds the C program if needed and returns its path; undefined where there is no compiler or no libbpf. The folder
 * `WAGGLE_LIBBPF` with `libbpf.a` and `headers/bpf` takes the place of the system's libbpf.
 */
export function buildDump(): string | undefined {
  const source = fileURLToPath(new URL("./libbpf_dump.c", import.meta.url));
  const folder = process.env["WAGGLE_LIBBPF"];
  const library = folder === undefined ? ["-lbpf"] : [`-I${folder}/headers`, `${folder}/libbpf.a`, "-lelf", "-lz"];
  const kind = folder === undefined ? "system" : `${statSync(`${folder}/libbpf.a`).mtimeMs}`;
  const binary = join(tmpdir(), `waggle_libbpf_dump_${statSync(source).mtimeMs}_${kind}`);
  if (existsSync(binary)) return binary;
  for (const compiler of ["cc", "clang-19", "clang"]) {
    try {
      execFileSync(compiler, ["-O2", "-o", binary, source, ...library], { stdio: "ignore" });
      return binary;
    } catch { /* the next one */ }
  }
  return undefined;
}

/** Loads one object with both and compares. `targetBtf` is used instead of the kernel's types. */
export function compareObject(dump: string, path: string, targetBtf?: string): Comparison {
  const output = execFileSync(dump, targetBtf === undefined ? [path] : [path, targetBtf], { maxBuffer: 1 << 28 });
  const theirs = JSON.parse(output.toString()) as Dump;
  const result: Comparison = { path, programs: 0, bothLoad: 0, bothRefuse: 0, onlyWaggle: [], differences: [] };
  let spec: ObjectSpec;
  try {
    spec = parseObject(readFile(path), { name: path });
  } catch (error) {
    if (theirs.open === 0) result.differences.push(`does not open: ${(error as Error).message}`);
    return result;
  }
  if (theirs.open !== 0) {
    result.onlyWaggle.push(`opens, libbpf: ${theirs.why?.trim() || theirs.open}`);
    return result;
  }
  compareMaps(spec, theirs, result);
  result.programs = theirs.programs!.length;
  try {
    comparePrograms(spec, theirs.programs!, targetBtf, result);
  } finally {
    rmSync(PIN_DIRECTORY, { recursive: true, force: true });
  }
  return result;
}

function compareMaps(spec: ObjectSpec, theirs: Dump, result: Comparison): void {
  const mine = spec.maps.map((m) => mapLine(spec, m));
  const other = theirs.maps!.map((m) => JSON.stringify({ ...m, name: m.name, flags: m.flags, extra: `${m.extra}` }));
  for (let i = 0; i < Math.max(mine.length, other.length); i++) {
    if (mine[i] !== other[i]) result.differences.push(`map ${i}: ${mine[i]}, libbpf: ${other[i]}`);
  }
}

function mapLine(spec: ObjectSpec, original: MapSpec): string {
  const map = withOptions(original);
  const isData = map.section !== undefined && map.kind !== "declared" && map.kind !== "struct_ops";
  // libbpf shows users the section's own name for .data.custom and .rodata.custom.
  const ownName = map.kind !== "bss" && isData && map.section!.indexOf(".", 1) > 0;
  const name = !isData || ownName ? map.name : dataMapName(spec.name, map.section!);
  return JSON.stringify({
    name,
    type: map.type,
    key: map.keySize,
    value: map.valueSize,
    // libbpf asks for the number of CPUs only when it creates the map.
    max: original.maxEntries === 0 ? 0 : map.maxEntries,
    flags: original.flags,
    extra: `${map.mapExtra}`,
    numa: map.numaNode ?? 0,
  });
}

function comparePrograms(
  spec: ObjectSpec,
  theirs: readonly DumpedProgram[],
  targetBtf: string | undefined,
  result: Comparison,
): void {
  const mine = spec.programs.map((p) => p.name).join();
  const other = theirs.map((p) => p.name).join();
  if (mine !== other) {
    result.differences.push(`programs: ${mine}, libbpf: ${other}`);
    return;
  }
  for (const [i, program] of spec.programs.entries()) compareProgram(spec, program, theirs[i]!, targetBtf, result);
}

function compareProgram(
  spec: ObjectSpec,
  program: ProgramSpec,
  theirs: DumpedProgram,
  targetBtf: string | undefined,
  result: Comparison,
): void {
  const differs = (what: string, mine: unknown, other: unknown): void => {
    if (mine !== other) result.differences.push(`program ${program.name}: ${what} ${mine}, libbpf: ${other}`);
  };
  const numbers = abi as unknown as Readonly<Record<string, number | undefined>>;
  differs("section", program.sectionName, theirs.section);
  // libbpf 1.1 does not know the newest sections.
  if (theirs.type !== 0) differs("type", program.def === undefined ? 0 : numbers[program.def.prog], theirs.type);
  differs("autoload", program.autoload ? 1 : 0, theirs.autoload);
  const alone = loadAlone(spec, program, targetBtf);
  if (theirs.relocated === 1 && alone.insns !== undefined) {
    differs("instructions", normalized(alone.insns), normalized(fromHex(theirs.insns)));
  }
  if (alone.error === undefined && theirs.load === 0) {
    result.bothLoad++;
    if (theirs.verified !== undefined) differs("verified instructions", alone.verified, theirs.verified);
  } else if (alone.error !== undefined && theirs.load !== 0) result.bothRefuse++;
  else if (alone.error === undefined) result.onlyWaggle.push(`${program.name}: libbpf: ${theirs.why.trim()}`);
  else result.differences.push(`program ${program.name} loads with libbpf only: ${alone.error.message}`);
}

interface Alone {
  error: Error | undefined;
  insns: Uint8Array | undefined;
  verified: number | undefined;
}

function loadAlone(spec: ObjectSpec, program: ProgramSpec, targetBtf: string | undefined): Alone {
  const programs = Object.fromEntries(spec.programs.map((p) => [p.name, { autoload: p.name === program.name }]));
  try {
    using object = loadObject(spec, { programs, pinDirectory: PIN_DIRECTORY, targetBtf });
    const loaded = object.programs.get(program.name)!;
    return { error: undefined, insns: loaded.insns, verified: loaded.verifiedInsns };
  } catch (error) {
    const insns = error instanceof VerifierError ? error.insns : undefined;
    return { error: error as Error, insns, verified: undefined };
  }
}

/** Instructions with descriptors replaced by the order in which they first appear. */
function normalized(insns: Uint8Array): string {
  const copy = insns.slice();
  const view = new InsnView(copy);
  const seen: number[] = [];
  for (let slot = 0; slot < view.count; slot++) {
    // libbpf up to 1.3 leaves calls of missing weak kfuncs as they are, later ones mark them as waggle does.
    if (view.code(slot) === CALL && view.imm(slot) >= KFUNC_POISON && view.imm(slot) < KFUNC_POISON + 1_000_000) {
      view.setSrc(slot, BPF_PSEUDO_KFUNC_CALL);
      view.setImm(slot, 0);
    }
    if (!view.isLdImm64(slot) || slot + 1 >= view.count) continue;
    const src = view.src(slot);
    if (src === BPF_PSEUDO_MAP_FD || src === BPF_PSEUDO_MAP_VALUE) {
      if (!seen.includes(view.imm(slot))) seen.push(view.imm(slot));
      view.setImm(slot, seen.indexOf(view.imm(slot)));
    }
    slot++;
  }
  return copy.toHex();
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.fromHex(text);
}
