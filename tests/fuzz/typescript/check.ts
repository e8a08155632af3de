/**
 * Compares random programs: plain JavaScript says what must come out, the interpreter or the kernel what does. A program
 * that fails is shrunk, and reported with its seed.
 */
import { CompileError } from "../../../src/errors.ts";
import { compileScript, fakeFacts } from "../../compiler/support/compile.ts";
import { type Bundler, minify } from "../../compiler/support/minify.ts";
import { shrink } from "./choices.ts";
import { interpret } from "./interpret.ts";
import type { KernelRunner } from "./kernel.ts";
import { outcomeDifference, wantedOutcome } from "./outcome.ts";
import { type RandomProgram, randomProgram, scriptOf } from "./program.ts";
import { runReference } from "./reference.ts";

const TRIES = 600;

export interface CheckOptions {
  /** Runs in the kernel instead of the interpreter. */
  readonly kernel?: KernelRunner | undefined;
  readonly optimize?: boolean;
  /** Checks the IR after each pass; true unless said otherwise. */
  readonly verify?: boolean;
  /** In the interpreter; kernels choose for themselves. */
  readonly oldVerifiers?: boolean;
  /** Codes of errors that this kernel deserves: a loop without a bound before Linux 5.17. */
  readonly refusals?: readonly string[];
  readonly cpu?: 1 | 2 | 3 | 4;
  /** Texts from a bundler. */
  readonly minified?: Partial<RandomProgram> | undefined;
  /** How often a failing program is tried smaller; 0 leaves it as it is. */
  readonly tries?: number;
}

/** What is wrong with a program; undefined if nothing is. The first word says of which kind it is. */
export function problemOf(program: RandomProgram, options: CheckOptions = {}): string | undefined {
  const wanted = program.runs.map((words) => {
    const { result, after } = runReference(program.js, program.jsFunctions, words);
    return wantedOutcome(program, result, after);
  });
  try {
    const script = scriptOf(program, options.minified);
    const { kernel, optimize = true, verify = true, cpu, oldVerifiers = false } = options;
    const facts = fakeFacts({ cpu: cpu ?? 3, has: () => true });
    const output = kernel?.compile(script, { optimize, verify }) ??
      compileScript(script, facts, { optimize, verify, oldVerifiers });
    const got = kernel?.run(program, output) ?? program.runs.map((words) => interpret(program, output, words));
    for (const [i, outcome] of got.entries()) {
      const difference = outcomeDifference(wanted[i]!, outcome, kernel === undefined ? 64 : 32);
      if (difference !== undefined) return `differs for ${program.runs[i]!.join(", ")}: ${difference}`;
    }
    return undefined;
  } catch (error) {
    if (error instanceof CompileError) return refusal(error, options.refusals ?? []);
    return `failed: ${(error as Error).stack}`.slice(0, 4000);
  }
}

function refusal({ diagnostics, message }: CompileError, expected: readonly string[]): string | undefined {
  return diagnostics.every(({ code }) => expected.includes(code)) ? undefined : `refused: ${message}`;
}

/** Checks the program of a seed; gives a report, with the program made as small as it gets. */
export function reportOf(seed: number, options: CheckOptions = {}): string | undefined {
  const program = randomProgram(seed);
  const problem = problemOf(program, options);
  if (problem === undefined) return undefined;
  // A minified text cannot be made again for each try.
  const smaller = options.minified === undefined && options.tries !== 0 ? smallest(program, problem, options) : program;
  return [
    `seed ${seed}: ${problem}`,
    ...(smaller === program ? [] : [`smaller: ${problemOf(smaller, options)}`]),
    describe({ ...smaller, ...options.minified }),
  ].join("\n");
}

function smallest(program: RandomProgram, problem: string, options: CheckOptions): RandomProgram {
  const kind = kindOf(problem);
  const fails = (list: readonly number[]): boolean => {
    const again = problemOf(randomProgram(list), options);
    return again !== undefined && kindOf(again) === kind;
  };
  return randomProgram(shrink(program.choices, fails, options.tries ?? TRIES));
}

/** The kind of a problem: what must stay the same while a program shrinks. */
function kindOf(problem: string): string {
  return /^refused: [\s\S]*? error ([\w-]+):/.exec(problem)?.[1] ?? problem.slice(0, 20);
}

function describe({ text, functions, runs }: RandomProgram): string {
  const words = runs.map((run) => `[${run.join(", ")}]`).join(" ");
  return [`words ${words}`, ...Object.entries(functions).map(([name, fn]) => `${name}: ${fn}`), text].join("\n");
}

/** Programs of these seeds through a bundler. */
export async function minifiedPrograms(bundler: Bundler, seeds: readonly number[]): Promise<Partial<RandomProgram>[]> {
  const programs = seeds.map((seed) => randomProgram(seed));
  const texts = programs.flatMap(({ text, functions }) => [text, ...Object.values(functions)]);
  const minified = await minify(bundler, texts);
  let at = 0;
  return programs.map(({ functions }) => {
    const text = minified[at++]!;
    return { text, functions: Object.fromEntries(Object.keys(functions).map((name) => [name, minified[at++]!])) };
  });
}
