/**
 * The compiler: TypeScript functions in, `ObjectSpec` out. The steps are the list below; each is a folder.
 *
 * Takes the functions' text, the maps and globals they use and the facts of the target (see definitions.ts); touches
 * nothing else. Throws `CompileError` with every diagnostic of the run.
 */
import { CompileError } from "../errors.ts";
import { compileFunction, type CompileOptions } from "./codegen/codegen.ts";
import type { CompileInput, CompileOutput } from "./definitions.ts";
import { Diagnostics } from "./diagnostics.ts";
import type { IrFunction } from "./ir/ir.ts";
import { Module } from "./lower/module.ts";
import { lowerProgram } from "./lower/program.ts";
import { RULES } from "./lower/rules.ts";
import { buildObject, type Compiled, ObjectTypes } from "./object.ts";
import { placeGlobals } from "./object/globals.ts";

/** Compiles a script's programs. `options` are for tests and dumps. */
export function compile(input: CompileInput, options: CompileOptions = {}): CompileOutput {
  const diagnostics = new Diagnostics();
  const module = lowerAll(input, diagnostics);
  diagnostics.check(input.name);
  const types = new ObjectTypes(module);
  const compiled = module.functions.map((fn) => generate(fn, module, diagnostics, options));
  diagnostics.check(input.name);
  const spec = buildObject(module, types, compiled.filter((fn) => fn !== undefined));
  return { spec, prints: module.prints, warnings: diagnostics.warnings };
}

/** Parses, checks and lowers every program, and the functions they call. */
export function lowerAll(input: CompileInput, diagnostics: Diagnostics): Module {
  const module = new Module(input, diagnostics, RULES);
  for (const [name, place] of placeGlobals(input.globals)) module.globals.set(name, place);
  for (const program of input.programs) {
    const fn = lowerProgram(module, program);
    if (fn !== undefined) module.functions.push(fn);
  }
  for (const { name, release, at } of module.acquired.values()) {
    if (module.kfuncs.has(release)) continue;
    diagnostics.error("not-released", `${name} hands over a reference, and nothing takes it back`, at, [
      `call kfunc.${release} with what it gave, on every way out`,
    ]);
  }
  return module;
}

function generate(
  fn: IrFunction,
  module: Module,
  diagnostics: Diagnostics,
  options: CompileOptions,
): Compiled | undefined {
  const program = module.input.programs.find((candidate) => candidate.name === fn.name);
  const { params } = fn;
  try {
    const code = compileFunction(fn, {
      cpu: module.facts.cpu,
      oldVerifiers: module.facts.oldVerifiers ?? false,
      ...options,
    });
    return { name: fn.name, section: program?.section.replace(/^\?/, "") ?? ".text", program, params, code };
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    for (const { code, text, loc, notes } of error.diagnostics) diagnostics.error(code, text, loc, notes);
    return undefined;
  }
}
