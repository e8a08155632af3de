/**
 * From compiled functions to an object: the same `ObjectSpec` that the ELF reader makes of a file, with BTF for maps,
 * globals and functions, the kernel types that CO-RE records name, and externs for the kfuncs in use.
 */
import { BtfBuilder } from "../btf/write.ts";
import { matchSection } from "../object/section_name.ts";
import type {
  CoreRelocation,
  ExternSpec,
  FunctionSpec,
  MapSpec,
  ObjectSpec,
  ProgramSpec,
  Relocation,
} from "../object/spec.ts";
import { bytes } from "../bytes/composites.ts";
import type { Layout } from "../bytes/layout.ts";
import type { MapDefinition, ProgramSource } from "./definitions.ts";
import type { Module } from "./lower/module.ts";
import { SCRATCH_MAP } from "./lower/program.ts";
import { addGlobals } from "./object/globals.ts";
import { KernelSubset } from "./object/kernel_btf.ts";
import { identifier, LayoutTypes } from "./object/layout_btf.ts";
import { addStructOps } from "./object/struct_ops.ts";
import { addMap } from "./object/maps.ts";
import type { CodeRelocation, FunctionCode } from "./codegen/codegen.ts";
import { placeFunctions } from "./codegen/codegen.ts";

/** A compiled function and where it goes. */
export interface Compiled {
  readonly name: string;
  readonly section: string;
  readonly program: ProgramSource | undefined;
  readonly params: number;
  readonly code: FunctionCode;
}

/** Types that must be in the object's BTF before code is made, since instructions and records refer to them. */
export class ObjectTypes {
  readonly builder = new BtfBuilder();
  readonly layouts = new LayoutTypes(this.builder);
  readonly kernel: KernelSubset | undefined;

  constructor(module: Module) {
    const types = module.typesInUse;
    this.kernel = types === undefined ? undefined : new KernelSubset(types, this.builder, this.layouts);
    this.kernel?.addRecords(module.records.values());
  }
}

export function buildObject(module: Module, types: ObjectTypes, functions: readonly Compiled[]): ObjectSpec {
  const { input } = module;
  const { builder } = types;
  const maps = declaredMaps(module, types);
  const data = addGlobals(input.globals, module.globals, types.layouts, builder);
  const structOps = addStructOps(input, module.typesInUse, types);
  const placed = place(functions);
  const btfIds = new Map(functions.map((fn) => [fn.name, addFunction(types, fn)]));
  const externs = addExterns(module, types);
  const btf = builder.build(`${input.name}: BTF`);
  const placeOf = (name: string): { section: string; offset: number } => placed.get(name)!;
  const specs = functions.map((fn): { spec: FunctionSpec; fn: Compiled } => ({
    spec: functionSpec(fn, placeOf, btfIds.get(fn.name)!),
    fn,
  }));
  return {
    name: identifier(input.name),
    endian: "little",
    license: input.license,
    kernelVersion: 0,
    btf,
    programs: specs.filter(({ fn }) => fn.program !== undefined).map(({ spec, fn }) => programSpec(spec, fn.program!)),
    subprograms: specs.filter(({ fn }) => fn.program === undefined).map(({ spec }) => spec),
    maps: [...maps, ...data, ...structOps],
    externs,
  };
}

/** The script's maps, then those the compiler added. */
function declaredMaps(module: Module, { builder, layouts }: ObjectTypes): MapSpec[] {
  const { input, facts } = module;
  if (module.scratch.size > 0) module.extraMaps.set(SCRATCH_MAP, scratchMap(module));
  const definitions = [...Object.entries(input.maps), ...module.extraMaps];
  if (definitions.length === 0) return [];
  const programName = (key: string): string => input.programs.find((program) => program.key === key)?.name ?? key;
  const made = definitions.map(([name, def]) => addMap(name, def, facts, layouts, builder, programName));
  let offset = 0;
  const vars = made.map(({ variable, size }) => {
    const entry = { type: variable, offset, size };
    offset += size;
    return entry;
  });
  builder.add({ kind: "DATASEC", name: ".maps", size: offset, vars });
  return made.map(({ spec }) => spec);
}

function scratchMap(module: Module): MapDefinition {
  return {
    kind: "percpu_array",
    key: undefined,
    value: bytes(Math.max(8, ...module.scratch.values())) as unknown as Layout<unknown>,
    maxEntries: module.scratch.size,
    flags: 0,
    pinned: false,
    slots: [],
    linear: undefined,
  };
}

/** Functions of one section lie one behind the other. */
function place(functions: readonly Compiled[]): Map<string, { section: string; offset: number }> {
  const ends = new Map<string, number>();
  const places = new Map<string, { section: string; offset: number }>();
  for (const { name, section, code } of functions) {
    const offset = ends.get(section) ?? 0;
    places.set(name, { section, offset });
    ends.set(section, offset + code.insns.length);
  }
  return places;
}

/** `int name(void *ctx, …)`. */
function addFunction(types: ObjectTypes, { name, params, program }: Compiled): number {
  const { builder, layouts } = types;
  const word = layouts.int(8, false);
  const context = layouts.pointer(program === undefined ? 0 : contextType(types, program));
  const list = Array.from(
    { length: params },
    (_, i) => i === 0 ? { name: "ctx", type: context } : { name: `a${i}`, type: word },
  );
  const result = program === undefined ? word : layouts.int(4, true);
  const proto = builder.add({ kind: "FUNC_PROTO", name: "", type: result, params: list });
  return builder.add({ kind: "FUNC", name, type: proto, linkage: program === undefined ? "static" : "global" });
}

/** An XDP program can take the place of a function of another one; for that the kernel compares the names of contexts. */
function contextType({ layouts }: ObjectTypes, program: ProgramSource): number {
  if (matchSection(program.section)?.def.ctx !== "xdp_md") return 0;
  const names = ["data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"];
  const word = layouts.int(4, false);
  const members = names.map((name, i) => ({ name, type: word, bitOffset: i * 32, bitSize: 0 }));
  return layouts.add({ kind: "STRUCT", name: "xdp_md", size: 24, members, kflag: false });
}

/** Kernel functions and variables, declared as clang declares `extern … __ksym`. */
function addExterns(module: Module, { builder, kernel, layouts }: ObjectTypes): ExternSpec[] {
  const types = module.typesInUse;
  const blank = { weak: false, size: 0, offset: 0 } as const;
  const variables = [...module.symbols].sort(([a], [b]) => a < b ? -1 : 1).map(([name, kernelType]): ExternSpec => {
    const type = kernelType === 0 ? layouts.add({ kind: "CONST", name: "", type: 0 }) : kernel!.type(kernelType);
    const btfId = builder.add({ kind: "VAR", name, type, linkage: "extern" });
    return { ...blank, name, kind: "ksym_var", btfId, typeless: kernelType === 0 };
  });
  const functions = [...module.kfuncs].sort().map((name): ExternSpec => {
    if (types === undefined || kernel === undefined) throw new Error(`kernel function ${name} without types`);
    const func = types.btf.type(types.btf.find(name, "FUNC")!);
    const proto = func.kind === "FUNC" ? kernel.prototype(func.type) : 0;
    const btfId = builder.add({ kind: "FUNC", name, type: proto, linkage: "extern" });
    return { ...blank, name, kind: "ksym_func", btfId, typeless: false };
  });
  const externs = [...variables, ...functions];
  if (externs.length === 0) return [];
  builder.add({
    kind: "DATASEC",
    name: ".ksyms",
    size: 0,
    vars: externs.map((e) => ({ type: e.btfId, offset: 0, size: 0 })),
  });
  return externs;
}

function functionSpec(
  { name, section, program, code }: Compiled,
  placeOf: (name: string) => { section: string; offset: number },
  btfId: number,
): FunctionSpec {
  const relocations: Relocation[] = placeFunctions(code.relocations as readonly CodeRelocation[], placeOf);
  const coreRelocations: CoreRelocation[] = code.coreRelocations;
  return {
    name,
    section,
    offset: placeOf(name).offset,
    linkage: program === undefined ? "static" : "global",
    hidden: false,
    insns: code.insns,
    relocations,
    coreRelocations,
    btfId,
    lines: code.lines,
  };
}

function programSpec(spec: FunctionSpec, program: ProgramSource): ProgramSpec {
  const match = matchSection(program.section);
  return {
    ...spec,
    sectionName: program.section.replace(/^\?/, ""),
    def: match?.def,
    target: match?.target ?? "",
    autoload: match?.autoload ?? true,
  };
}
