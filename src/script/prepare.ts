/** From what the user wrote to what the compiler takes: names, sections, layouts, source texts. Makes no system call. */
import { toLayout } from "../bytes/composites.ts";
import type { Layout, Schema } from "../bytes/layout.ts";
import type {
  CallSite,
  CompileFacts,
  CompileInput,
  FunctionSource,
  GlobalDefinition,
  MapDefinition,
  ProgramSource,
  StructOpsValues,
} from "../compiler/definitions.ts";
import { WaggleError } from "../errors.ts";
import { type Hook, parseKey } from "./hook.ts";
import { toGlobal } from "./kinds/globals.ts";

/** `BpfDefinition` without its static types: what is there when the script runs. */
export interface WrittenDefinition {
  readonly license?: string;
  readonly name?: string;
  readonly maps?: Readonly<Record<string, MapDefinition>>;
  readonly globals?: Readonly<Record<string, Schema | GlobalDefinition>>;
  readonly types?: Readonly<Record<string, Schema>>;
  readonly functions?: Readonly<Record<string, unknown>>;
  readonly programs: Readonly<Record<string, unknown>>;
  readonly structOps?: Readonly<Record<string, StructOpsValues>>;
}

/** The compiler's input, and the hooks behind its programs: the same index in both lists is the same program. */
export interface Prepared {
  readonly input: CompileInput;
  readonly hooks: readonly Hook[];
}

const PARTS: readonly string[] = ["license", "name", "maps", "globals", "types", "functions", "programs", "structOps"];

/** Checks the definition and collects its parts. Throws `TypeError` for wrong shapes, and as `parseKey` does. */
export function prepare(definition: WrittenDefinition, site: CallSite | undefined, facts: CompileFacts): Prepared {
  for (const part of Object.keys(definition)) {
    if (!PARTS.includes(part)) throw new TypeError(`Cannot compile: "${part}" is none of ${PARTS.join(", ")}`);
  }
  const { maps = {}, globals = {}, types = {}, functions = {} } = definition;
  const taken = checkNames(maps, globals, types, functions);
  for (const [name, map] of Object.entries(maps)) checkMap(name, map);
  const hooks: Hook[] = [];
  const programs: ProgramSource[] = [];
  for (const [key, written] of Object.entries(definition.programs)) {
    const source = functionSource(`program "${key}"`, written, site);
    for (const hook of parseKey(key, taken)) {
      hooks.push({ ...hook, key });
      programs.push({ key, section: hook.section, name: hook.name, ...source });
    }
  }
  const input: CompileInput = {
    name: objectName(definition.name, site),
    license: definition.license ?? "GPL",
    maps,
    globals: mapValues(globals, toGlobal),
    types: mapValues(types, (schema) => toLayout(schema) as Layout<unknown>),
    functions: mapValues(functions, (written, name) => functionSource(`function "${name}"`, written, site)),
    programs,
    structOps: definition.structOps ?? {},
    facts,
  };
  return { input, hooks };
}

/** All names share the scope of the kernel functions, and the object's symbol table. */
function checkNames(...parts: readonly Readonly<Record<string, unknown>>[]): Set<string> {
  const taken = new Set<string>();
  for (const part of parts) {
    for (const name of Object.keys(part)) {
      if (!/^[A-Za-z_]\w*$/.test(name)) {
        throw new TypeError(`Cannot compile: the name "${name}" has more than letters, digits and underscores`);
      }
      if (taken.has(name)) throw new TypeError(`Cannot compile: two things are called "${name}"`);
      taken.add(name);
    }
  }
  return taken;
}

/** A schema where a map belongs is an easy mistake: `array(u64, 4)` is a type, `arrayMap(u64, 4)` a map. */
function checkMap(name: string, map: unknown): void {
  const { kind, maxEntries } = (map ?? {}) as Partial<MapDefinition>;
  if (typeof kind === "string" && typeof maxEntries === "number") return;
  throw new TypeError(
    `Cannot compile: "${name}" under maps is no map; make one with hash(…), arrayMap(…), ringbuf(…) or another kind`,
  );
}

function functionSource(what: string, written: unknown, site: CallSite | undefined): FunctionSource {
  if (typeof written !== "function") throw new TypeError(`Cannot compile ${what}: it is not a function`);
  const text = Function.prototype.toString.call(written);
  if (text.includes("[native code]")) {
    throw new WaggleError(`Cannot compile ${what}: its source is not there`, {
      hint: "write it as a function in the script; bound and built-in functions have no source",
    });
  }
  return { text, site };
}

/** The script's file without its extensions: `opensnoop` of `/home/me/opensnoop.ts`. */
function objectName(given: string | undefined, site: CallSite | undefined): string {
  const name = given ?? site?.file.replace(/^.*\//, "").replace(/\..*$/, "") ?? "";
  return name.replace(/\W/g, "_") || "waggle";
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  change: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
