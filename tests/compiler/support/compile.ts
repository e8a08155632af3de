/**
 * Compiles functions in tests: an input from what a script would hand to `bpf`, with facts that can be faked, and the
 * parts of the result that tests look at.
 */
import type { TracepointFormat } from "../../../src/abi/tracepoint_format.ts";
import type { Btf } from "../../../src/btf/btf.ts";
import { toLayout } from "../../../src/bytes/composites.ts";
import type { Layout, Schema } from "../../../src/bytes/layout.ts";
import type { CompileOptions } from "../../../src/compiler/codegen/codegen.ts";
import { compile } from "../../../src/compiler/compile.ts";
import type {
  CompileFacts,
  CompileInput,
  CompileOutput,
  GlobalDefinition,
  MapDefinition,
} from "../../../src/compiler/definitions.ts";
import type { ProgramSpec } from "../../../src/object/spec.ts";

/** What the editor would know of a kernel function is of no interest here. */
// deno-lint-ignore no-explicit-any -- kernel functions of every shape are compiled, never called
type AnyFunction = (...args: any[]) => unknown;

export interface Script {
  maps?: Record<string, MapDefinition>;
  globals?: Record<string, GlobalDefinition | Layout<unknown>>;
  types?: Record<string, Schema>;
  functions?: Record<string, AnyFunction | string>;
  programs: Record<string, AnyFunction | string>;
  license?: string;
}

export function fakeFacts(over: Partial<CompileFacts> = {}): CompileFacts {
  return {
    arch: "x86_64",
    kernelBtf: undefined,
    tracepoint: () => undefined,
    cpu: 3,
    has: () => true,
    pageSize: 4096,
    possibleCpus: 2,
    ...over,
  };
}

export function inputOf(script: Script, facts: CompileFacts): CompileInput {
  const text = (fn: AnyFunction | string): string => typeof fn === "string" ? fn : fn.toString();
  return {
    name: "test",
    license: script.license ?? "GPL",
    maps: script.maps ?? {},
    globals: Object.fromEntries(
      Object.entries(script.globals ?? {}).map((
        [name, g],
      ) => [name, "desc" in g ? { layout: g, initial: undefined, constant: false } : g]),
    ),
    types: Object.fromEntries(
      Object.entries(script.types ?? {}).map(([name, schema]) => [name, toLayout(schema) as Layout<unknown>]),
    ),
    functions: Object.fromEntries(
      Object.entries(script.functions ?? {}).map(([name, fn]) => [name, { text: text(fn), site: undefined }]),
    ),
    programs: Object.entries(script.programs).map(([key, fn]) => ({
      key,
      text: text(fn),
      site: undefined,
      section: sectionOf(key),
      name: key.replace(/\W/g, "_"),
    })),
    facts,
  };
}

function sectionOf(key: string): string {
  const colon = key.indexOf(":");
  if (colon < 0) return key;
  const [kind, target] = [key.slice(0, colon), key.slice(colon + 1)];
  return `${kind}/${/^tp$|^tracepoint$/.test(kind) ? target.replace(":", "/") : target}`;
}

export function compileScript(
  script: Script,
  facts: CompileFacts = fakeFacts(),
  options: CompileOptions = {},
): CompileOutput {
  return compile(inputOf(script, facts), { verify: true, ...options });
}

export function program(output: CompileOutput, name: string): ProgramSpec {
  return output.spec.programs.find((p) => p.name === name)!;
}

/** A map definition with the rest filled in. */
export function map(
  kind: MapDefinition["kind"],
  over: { key?: Schema; value?: Schema } & Partial<Omit<MapDefinition, "key" | "value">> = {},
): MapDefinition {
  const { key, value, ...rest } = over;
  return {
    kind,
    maxEntries: 1024,
    flags: 0,
    pinned: false,
    slots: [],
    linear: undefined,
    ...rest,
    key: key === undefined ? undefined : toLayout(key) as Layout<unknown>,
    value: value === undefined ? undefined : toLayout(value) as Layout<unknown>,
  };
}

export type { Btf, TracepointFormat };
