/**
 * ObjectSpec + the running kernel → maps and programs in it. One function per step, in an order that users and other
 * tools can observe (libbpf's): facts, types, maps, programs, slots. If a step fails, everything made before is undone:
 * no descriptor, no pin, no map stays.
 */
import { BPF_MAP_TYPE_ARENA } from "../abi/bpf.gen.ts";
import { Btf } from "../btf/btf.ts";
import { NotFoundError, NotSupportedError, WaggleError } from "../errors.ts";
import { kernelBtf, moduleBtfs, parseBtfFile } from "../kernel/btf.ts";
import { hasFeature } from "../kernel/features.ts";
import type { CorePoison } from "../object/core.ts";
import { CoreResolver, inCoreOrder, needsCoreTarget } from "../object/core.ts";
import {
  type ExternFact,
  FunctionIndex,
  reachable,
  type RelocatedProgram,
  relocateProgram,
} from "../object/relocate.ts";
import type { ExternSpec, FunctionSpec, LineRecords, MapSpec, ObjectSpec, ProgramSpec } from "../object/spec.ts";
import { bpfTry } from "../syscall/bpf_call.ts";
import { mapUpdate } from "../syscall/bpf_map.ts";
import { btfLoad } from "../syscall/bpf_prog.ts";
import type { Fd } from "../syscall/fd.ts";
import { readFile } from "../syscall/files.ts";
import { withToken } from "../syscall/token.ts";
import { type ArgContexts, findArgContexts } from "./arg_ctx.ts";
import { Cleanup } from "./cleanup.ts";
import { arenaDataOffset, createMaps, slotKey } from "./create_maps.ts";
import { initialData } from "./data.ts";
import { JumpTables } from "./jump_tables.ts";
import { kconfigData } from "./kconfig_values.ts";
import { internLines } from "./line_records.ts";
import { loadProgram, withSection } from "./load_programs.ts";
import type { LoadedMap } from "./map.ts";
import { LoadedObject } from "./object.ts";
import { checkOptionNames, describeObject, type LoadOptions } from "./options.ts";
import type { LoadedProgram } from "./program.ts";
import { resolveKsyms } from "./resolve_externs.ts";
import { type BtfExtras, sanitizeBtf } from "./sanitize_btf.ts";
import {
  fillStructOps,
  initStructOps,
  structOpsAttr,
  type StructOpsMap,
  type StructOpsUse,
  structOpsUses,
} from "./struct_ops.ts";
import { openToken } from "./token.ts";
import type { MarkerNames } from "./verifier_log.ts";

/**
 * Loads an object: creates its maps and hands its programs to the verifier. Nothing is attached.
 *
 * @throws {VerifierError} if the kernel refuses a program
 * @throws {SyscallError} if it refuses a map
 * @throws {NotFoundError} if an option or an extern names what is not there
 * @throws {NotSupportedError} if this kernel lacks what the object needs
 */
export function loadObject(spec: ObjectSpec, options: LoadOptions = {}): LoadedObject {
  using token = openToken(options.token);
  return withToken(token?.number, () => loadSteps(spec, options));
}

function loadSteps(spec: ObjectSpec, options: LoadOptions): LoadedObject {
  checkLoadable(spec);
  checkOptionNames(spec, options);
  using cleanup = new Cleanup();
  using temporary = new Cleanup();
  const data = initialData(spec, options.globals);
  const structOps = initStructOps(spec, options, temporary);
  const uses = structOpsUses(structOps);
  const programs = programsToLoad(spec, options, structOps, uses);
  const index = new FunctionIndex(spec);
  const functions = functionsOf(spec, index, programs);
  const externs = resolveKsyms(usedExterns(spec, functions), temporary);
  fillKconfig(spec, options, data);
  const core = relocateCore(spec, functions, options);
  const lines = internLines(spec, functions);
  const contexts = argContexts(spec, index, programs);
  const btf = loadBtf(spec, { strings: lines.strings, types: contexts?.types }, temporary);
  const maps = createMaps({
    spec,
    options,
    btf,
    data,
    cleanup,
    structOps: (map) => (structOps.has(map.name) ? structOpsAttr(structOps.get(map.name)!) : undefined),
  });
  const loaded = new Map<string, LoadedProgram>();
  const externSpecs = new Map(spec.externs.map((e) => [e.name, e]));
  for (const program of programs) {
    const jumpTables = new JumpTables(program.name, temporary);
    const facts = { core, maps, externs: externs.facts, externSpecs, lines: lines.records, contexts, jumpTables };
    const code = putTogether(spec, index, program, facts);
    loaded.set(
      program.name,
      cleanup.own(loadProgram(program, code, {
        license: spec.license,
        kernelVersion: spec.kernelVersion,
        btf,
        fdArray: externs.fdArray,
        options: options.programs?.[program.name] ?? {},
        logLevel: options.logLevel ?? 0,
        names: markerNames(spec, code, core),
        structOps: uses.get(program.name),
        object: { btf: spec.btf, map: (name) => maps.get(name) },
        cleanup: temporary,
      })),
    );
  }
  bindConstants(maps, loaded);
  fillProgramSlots(spec, maps, loaded);
  for (const map of structOps.values()) fillStructOps(map, (name) => loaded.get(name)?.fd);
  cleanup.keep();
  return new LoadedObject({ spec, maps, programs: loaded, structOps });
}

function checkLoadable(spec: ObjectSpec): void {
  if (spec.endian === "big") {
    throw new NotSupportedError("loading big-endian objects", {
      message: `Cannot load ${describeObject(spec)}: it is for big-endian machines`,
      hint: "compile with -target bpfel, or -target bpf on this machine",
    });
  }
}

function programsToLoad(
  spec: ObjectSpec,
  options: LoadOptions,
  structOps: ReadonlyMap<string, StructOpsMap>,
  uses: ReadonlyMap<string, StructOpsUse>,
): ProgramSpec[] {
  const named = new Set([...spec.maps].flatMap((m) => m.structOps?.programs.map((p) => p.program) ?? []));
  const wanted: ProgramSpec[] = [];
  for (const program of spec.programs) {
    const wish = options.programs?.[program.name];
    if (wish?.autoload === false) continue;
    if (program.def?.attach === "struct_ops" && !uses.has(program.name)) {
      // A member that was set to null, or that this kernel lacks, leaves its program without a use.
      if (named.has(program.name)) continue;
      if (wish?.autoload ?? program.autoload) throw unusedStructOps(program, structOps.size);
      continue;
    }
    if (wish?.autoload ?? (program.autoload || uses.has(program.name))) wanted.push(withSection(program, wish));
  }
  return wanted;
}

function unusedStructOps(program: ProgramSpec, count: number): WaggleError {
  return new WaggleError(`Cannot load program "${program.name}": no struct_ops uses it`, {
    hint: count === 0
      ? "the object has no .struct_ops variable that is created"
      : "make it a member of a .struct_ops variable",
  });
}

/** Everything that will be part of a loaded program, in the order in which CO-RE records are resolved. */
function functionsOf(spec: ObjectSpec, index: FunctionIndex, programs: readonly ProgramSpec[]): FunctionSpec[] {
  const all = new Set<FunctionSpec>();
  for (const program of programs) for (const fn of reachable(index, program)) all.add(fn);
  return inCoreOrder([...all], spec.coreSections);
}

/** Externs that no loaded function uses need not exist. kconfig values are laid out in one map and stay. */
function usedExterns(spec: ObjectSpec, functions: readonly FunctionSpec[]): ObjectSpec {
  if (spec.externs.length === 0) return spec;
  const used = new Set<string>();
  for (const fn of functions) {
    for (const r of fn.relocations) if (r.kind === "extern_var" || r.kind === "extern_func") used.add(r.extern);
  }
  return { ...spec, externs: spec.externs.filter((e) => e.kind === "kconfig" || used.has(e.name)) };
}

function fillKconfig(spec: ObjectSpec, options: LoadOptions, data: Map<MapSpec, Uint8Array | undefined>): void {
  const map = spec.maps.find((m) => m.kind === "kconfig");
  if (map === undefined) return;
  data.set(map, kconfigData(spec.externs.filter((e) => e.kind === "kconfig"), map.valueSize, options.kconfig));
}

/** Instructions after CO-RE, and what was poisoned in them. */
interface CoreResult {
  code: ReadonlyMap<FunctionSpec, Uint8Array>;
  poisoned: ReadonlyMap<FunctionSpec, CorePoison[]>;
}

function relocateCore(spec: ObjectSpec, functions: readonly FunctionSpec[], options: LoadOptions): CoreResult {
  const code = new Map<FunctionSpec, Uint8Array>();
  const poisoned = new Map<FunctionSpec, CorePoison[]>();
  const affected = functions.filter((fn) => fn.coreRelocations.length > 0);
  if (affected.length === 0 || spec.btf === undefined) return { code, poisoned };
  const custom = options.targetBtf === undefined ? undefined : targetBtf(options.targetBtf);
  // Ids of the object's own types need no target: an object with only those loads on kernels without BTF.
  const btf = custom ?? (needsCoreTarget(affected) ? kernelBtf() : spec.btf);
  const modules = custom === undefined ? () => moduleBtfs().map((m) => m.btf) : undefined;
  const resolver = new CoreResolver(spec.btf, { btf, modules });
  for (const fn of affected) {
    const copy = fn.insns.slice();
    poisoned.set(fn, resolver.apply(fn, copy));
    code.set(fn, copy);
  }
  return { code, poisoned };
}

function targetBtf(target: NonNullable<LoadOptions["targetBtf"]>): Btf {
  if (target instanceof Btf) return target;
  return typeof target === "string" ? parseBtfFile(readFile(target), target) : parseBtfFile(target, "targetBtf");
}

/** Kernels before 6.8 take the context's type from the parameter, not from its tag. */
function argContexts(
  spec: ObjectSpec,
  index: FunctionIndex,
  programs: readonly ProgramSpec[],
): ArgContexts | undefined {
  const { btf } = spec;
  if (btf?.find("arg:ctx", "DECL_TAG") === undefined || hasFeature("arg_ctx_tag")) return undefined;
  return findArgContexts(btf, programs, (program) => reachable(index, program));
}

/** The object's types in the kernel; undefined if it has none or the kernel refuses them, which only some need. */
function loadBtf(spec: ObjectSpec, extra: BtfExtras, cleanup: Cleanup): Fd | undefined {
  if (spec.btf === undefined || !hasFeature("btf")) return undefined;
  try {
    return cleanup.own(btfLoad(sanitizeBtf(spec.btf, hasFeature, extra)));
  } catch (error) {
    if (spec.maps.some((m) => m.structOps !== undefined)) throw error;
    return undefined;
  }
}

interface Facts {
  core: CoreResult;
  maps: ReadonlyMap<string, LoadedMap>;
  externs: ReadonlyMap<string, ExternFact>;
  externSpecs: ReadonlyMap<string, ExternSpec>;
  lines: ReadonlyMap<FunctionSpec, LineRecords>;
  contexts: ArgContexts | undefined;
  jumpTables: JumpTables;
}

function putTogether(spec: ObjectSpec, index: FunctionIndex, program: ProgramSpec, facts: Facts): RelocatedProgram {
  const kconfig = spec.maps.find((m) => m.kind === "kconfig");
  return relocateProgram(spec, index, program, {
    mapFd: (name) => facts.maps.get(name)?.fd.number,
    code: (fn) => facts.core.code.get(fn) ?? fn.insns,
    lineRecords: (fn) => facts.lines.get(fn),
    btfId: (fn) => facts.contexts?.btfId(program, fn) ?? fn.btfId,
    arenaOffset: (name) => arenaOffset(facts.maps.get(name)),
    jumpTable: (table, targets) => facts.jumpTables.fd(table, targets),
    extern(name) {
      const extern = facts.externSpecs.get(name);
      if (extern?.kind !== "kconfig") return facts.externs.get(name) ?? { kind: "missing" };
      const map = kconfig === undefined ? undefined : facts.maps.get(kconfig.name);
      if (map === undefined) return { kind: "missing" };
      return { kind: "kconfig", mapFd: map.fd.number, offset: extern.offset };
    },
  });
}

function arenaOffset(map: LoadedMap | undefined): number {
  if (map === undefined || map.spec.type !== BPF_MAP_TYPE_ARENA) return 0;
  return arenaDataOffset(map.spec, map.spec.data?.length ?? 0);
}

/** What the planted markers of a program mean, for the verifier's log. */
function markerNames(spec: ObjectSpec, code: RelocatedProgram, core: CoreResult): MarkerNames {
  return {
    core(insn) {
      const piece = code.pieces.findLast((p) => p.start <= insn);
      const poisoned = piece === undefined ? [] : core.poisoned.get(piece.fn) ?? [];
      return poisoned.find((p) => p.insn === insn - piece!.start)?.text ?? poisoned[0]?.text;
    },
    map: (index) => spec.maps[index]?.name,
    extern: (index) => spec.externs[index]?.name,
  };
}

/** Keeps constants of the object alive with its programs, so that tools can read metadata from them (5.10). */
function bindConstants(maps: ReadonlyMap<string, LoadedMap>, programs: ReadonlyMap<string, LoadedProgram>): void {
  const constants = [...maps.values()].filter((m) => m.spec.kind === "rodata");
  if (constants.length === 0) return;
  for (const program of programs.values()) {
    for (const map of constants) {
      // Kernels before 5.10 refuse, and nothing but the metadata is lost: asking costs less than finding out first.
      if (bpfTry("BPF_PROG_BIND_MAP", { prog_fd: program.fd, map_fd: map.fd.number }) < 0) return;
    }
  }
}

function fillProgramSlots(
  spec: ObjectSpec,
  maps: ReadonlyMap<string, LoadedMap>,
  programs: ReadonlyMap<string, LoadedProgram>,
): void {
  for (const map of maps.values()) {
    if (map.reused) continue;
    for (const slot of map.spec.slots) {
      if (slot.kind !== "program") continue;
      mapUpdate(map.fd.number, slotKey(slot.index), slotKey(programFd(spec, programs, slot.name)));
    }
  }
}

function programFd(spec: ObjectSpec, programs: ReadonlyMap<string, LoadedProgram>, name: string): number {
  const program = programs.get(name);
  if (program !== undefined) return program.fd;
  if (!spec.programs.some((p) => p.name === name)) {
    throw new NotFoundError("program", name, spec.programs.map((p) => p.name), { where: describeObject(spec) });
  }
  throw new WaggleError(`Cannot fill a slot with program "${name}": it was not loaded`, {
    hint: `load it: programs: { ${name}: { autoload: true } }`,
  });
}
