/**
 * Random well-typed kernel functions that use the documented language, and the same in plain JavaScript on `bigint`,
 * which says what must come out. Made from a seed, or from a list of choices when a failing program is shrunk.
 */
import { map, type Script } from "../../compiler/support/compile.ts";
import { Choices } from "./choices.ts";
import type { FunctionShape } from "./scope.ts";
import { globalDefinition, GLOBALS, MAPS, schemaOf } from "./shapes.ts";
import { Statements } from "./statements.ts";

export interface RandomProgram {
  /** The kernel function. */
  readonly text: string;
  readonly functions: Readonly<Record<string, string>>;
  /** The same in JavaScript. */
  readonly js: string;
  readonly jsFunctions: Readonly<Record<string, string>>;
  /** Names of the globals and maps in use. */
  readonly globals: readonly string[];
  readonly maps: readonly string[];
  /** Arguments for several runs. */
  readonly runs: readonly (readonly bigint[])[];
  readonly choices: readonly number[];
}

const ARGUMENTS = 3;
const RUNS = 2;
/** Sizes of programs: mostly small, since what is found in a large one is mostly found in a small one too, and sooner. */
const FUEL = [20, 30, 40, 100];

class Body extends Statements {
  readonly #signed: boolean;

  constructor(c: Choices, scope: string, words: readonly string[], signed: boolean) {
    super(c, scope, words);
    this.#signed = signed;
  }

  protected override result(depth: number): { text: string; js: string } {
    return this.wide(this.#signed, depth);
  }

  /** Statements and a result. */
  write(statements: number, depth: number): { text: string; js: string } {
    const lines = Array.from({ length: statements }, () => this.statement(depth));
    const result = this.result(3);
    const join = (part: "text" | "js"): string =>
      [...lines.map((line) => line[part]), `return ${result[part]};`].join("\n");
    return { text: join("text"), js: join("js") };
  }

  with(functions: readonly FunctionShape[], fuel: number): this {
    this.functions = functions;
    this.fuel = fuel;
    return this;
  }
}

export function randomProgram(source: number | readonly number[]): RandomProgram {
  const c = new Choices(source);
  const runs = Array.from({ length: RUNS }, () => Array.from({ length: ARGUMENTS }, () => word(c)));
  const used = new Set<string>();
  const shapes: FunctionShape[] = [];
  const functions: Record<string, string> = {};
  const jsFunctions: Record<string, string> = {};
  for (let i = c.below(3); i > 0; i--) {
    const { shape, text, js } = randomFunction(c, `f${i}`, shapes, used);
    shapes.push(shape);
    functions[shape.name] = text;
    jsFunctions[shape.name] = js;
  }
  const main = randomMain(c, shapes, used);
  const names = [...used].sort();
  const called = reachable(main.used, functions);
  return {
    text: main.text,
    js: main.js,
    functions: pick(functions, called),
    jsFunctions: pick(jsFunctions, called),
    globals: names.filter((name) => name in GLOBALS),
    maps: names.filter((name) => name in MAPS),
    runs,
    choices: c.taken,
  };
}

function randomMain(
  c: Choices,
  functions: readonly FunctionShape[],
  used: Set<string>,
): { text: string; js: string; used: ReadonlySet<string> } {
  const takesApart = c.below(2) === 1;
  const scope = c.below(2) === 1 ? "$" : "";
  const words = Array.from({ length: ARGUMENTS }, (_, i) => takesApart ? `arg${i}` : `ctx.arg${i}`);
  const body = new Body(c, scope, words, true).with(functions, c.pick(FUEL));
  const { text, js } = body.write(2 + c.below(6), 3);
  for (const name of body.used) used.add(name);
  const context = takesApart ? `{ ${words.join(", ")} }` : "ctx";
  return {
    text: `(${context}, ${parameter(scope, body.used)}) => {\n${text}\n}`,
    js: `(ctx) => {\n${js}\n}`,
    used: body.used,
  };
}

function parameter(scope: string, used: ReadonlySet<string>): string {
  return scope === "" ? `{ ${[...used].sort().join(", ")} }` : scope;
}

/** A function may call those before it. */
function randomFunction(
  c: Choices,
  name: string,
  before: readonly FunctionShape[],
  used: Set<string>,
): { shape: FunctionShape; text: string; js: string } {
  const scope = c.below(2) === 1 ? "$" : "";
  const params = Array.from({ length: 1 + c.below(3) }, (_, i) => ({ name: `p${i}`, signed: c.below(2) === 1 }));
  const shape = { name, params, signed: c.below(2) === 1 };
  const body = new FunctionBody(c, scope, [], shape.signed).with(before, 20);
  const { text, js } = body.withParams(params).write(1 + c.below(3), 2);
  for (const item of body.used) used.add(item);
  const names = params.map((param) => param.name).join(", ");
  return {
    shape,
    text: `(${parameter(scope, body.used)}, ${names}) => {\n${text}\n}`,
    js: `(${names}) => {\n${js}\n}`,
  };
}

class FunctionBody extends Body {
  withParams(params: readonly { name: string; signed: boolean }[]): this {
    for (const { name, signed } of params) {
      this.ints.push({ name, signed, small: false, varying: true, writable: false });
    }
    // A program may hold on to entries of these while it calls.
    for (const map of ["entries", "slots"]) this.held.add(map);
    return this;
  }
}

/** A function is compiled only if it is called. */
function reachable(used: ReadonlySet<string>, functions: Readonly<Record<string, string>>): Set<string> {
  const names = Object.keys(functions);
  const called = new Set(names.filter((name) => used.has(name)));
  for (const name of [...names].reverse()) {
    if (!called.has(name)) continue;
    for (const other of names) if (new RegExp(`\\b${other}\\b`).test(functions[name]!)) called.add(other);
  }
  return called;
}

function pick(from: Readonly<Record<string, string>>, names: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.has(name)));
}

const CORNERS = [
  0n,
  1n,
  2n,
  3n,
  5n,
  63n,
  64n,
  255n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 32n,
  1n << 63n,
  (1n << 64n) - 1n,
  (1n << 63n) - 1n,
  (1n << 64n) - 5n,
];

/** Small, large, negative. */
function word(c: Choices): bigint {
  if (c.below(2) === 0) return c.pick(CORNERS);
  return BigInt(c.below(2 ** 31)) << 33n | BigInt(c.below(2 ** 31));
}

/** The program as a script; `text` and `functions` may come from a bundler. */
export function scriptOf(program: RandomProgram, minified: Partial<RandomProgram> = {}): Script {
  const { text, functions, globals, maps } = { ...program, ...minified };
  return {
    globals: Object.fromEntries(globals.map((name) => [name, globalDefinition(GLOBALS[name]!)])),
    maps: Object.fromEntries(maps.map((name) => {
      const { kind, key, value, entries } = MAPS[name]!;
      const layouts = key === undefined ? {} : { key: schemaOf(key) };
      return [name, map(kind, { ...layouts, value: schemaOf(value), maxEntries: entries })];
    })),
    functions,
    programs: { "raw_tp:waggle": text },
  };
}
